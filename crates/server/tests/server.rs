//! Drives a real server over loopback: every operation, its errors and pages, bad input, slow
//! clients, restarts, the console's API, and the program itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to fail; clippy.toml sees only #[test] functions as tests"
)]

#[path = "server/assets.rs"]
mod assets;
#[path = "server/connections.rs"]
mod connections;
#[path = "server/console_api.rs"]
mod console_api;
#[path = "server/datagrams.rs"]
mod datagrams;
#[path = "server/documents.rs"]
mod documents;
#[path = "server/errors.rs"]
mod errors;
#[path = "server/graphs.rs"]
mod graphs;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/program.rs"]
mod program;
#[path = "server/restart.rs"]
mod restart;
#[path = "server/sampling.rs"]
mod sampling;
#[path = "server/segments.rs"]
mod segments;
#[path = "server/summaries.rs"]
mod summaries;
#[path = "server/telemetry.rs"]
mod telemetry;
#[path = "server/traces.rs"]
mod traces;
