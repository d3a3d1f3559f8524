//! What settled files promise, on made-up traces.

mod damage;
mod fixture;
mod merging;
mod queries;
mod requests;
mod round_trip;
mod samples;
