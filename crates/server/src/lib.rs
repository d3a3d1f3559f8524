//! Roentgen: the X-Ray service in one process.
//!
//! [`Server`] binds one port for UDP and TCP. Segments come in over UDP (`udp`) or the X-Ray API
//! (`xray`), are checked by one `intake`, and go to the store. The API and the console's own API
//! (`console_api`) read from it. The rest is how a process is started, watched and stopped.

mod app;
mod arns;
mod banner;
mod cli;
mod config;
mod console_api;
mod counters;
mod fault_forecast;
mod filtered_graphs;
mod groups;
mod healthcheck;
mod http;
mod intake;
mod json;
mod kept;
mod listen;
mod metrics;
mod page;
mod retrievals;
mod sample_traffic;
mod sampling_state;
mod serve;
mod server;
mod store_tools;
mod tags;
#[cfg(test)]
mod test_store;
mod trace_search;
mod udp;
mod work_pool;
mod xray;

pub use cli::{
    CheckArgs, Cli, Command, DataDirArgs, ExportArgs, ExportFormat, HealthcheckArgs, ImportArgs,
    RebuildArgs, SampleTrafficArgs, ServeArgs, SnapshotArgs, StoreArgs, StoreTool,
};
pub use config::{Config, DEFAULT_BIND};
pub use healthcheck::healthcheck;
pub use http::HttpLimits;
pub use intake::OverloadLimits;
pub use listen::ListenError;
pub use sample_traffic::sample_traffic;
pub use serve::{Ended, serve};
pub use server::{Server, StartError};
pub use store_tools::store_tool;
