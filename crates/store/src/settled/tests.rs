//! What settled files promise, on made-up traces.

mod damage;
mod fixture;
mod fixture_v2;
mod fixture_v3;
mod merging;
mod queries;
mod requests;
mod round_trip;
mod samples;
