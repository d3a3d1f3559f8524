//! How the embedded engine behaves for its callers.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but sees no test in a harness"
)]

mod durability;
mod filtered_graphs;
mod fixtures;
mod harness;
mod interleavings;
mod large_traces;
mod links;
mod offline;
mod paging;
mod queries;
mod reference;
mod retention;
mod settled_retention;
