//! `GET /api/v1/status`.

use std::collections::BTreeMap;

use roentgen_model::Timestamp;
use roentgen_ops::reachable;
use serde::Serialize;

use crate::app::App;

/// How the server is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    version: &'static str,
    started_at: f64,
    now: f64,
    /// What to set as `AWS_XRAY_DAEMON_ADDRESS` on the same machine.
    address: String,
    data_directory: String,
    documents_accepted: u64,
    documents_rejected: u64,
    rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Datagrams that the kernel dropped: nobody knows what was in them.
    datagrams_dropped: u64,
    last_document_at: Option<f64>,
    traces: usize,
    store_bytes: u64,
    sample_traffic: SampleTrafficStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleTrafficStatus {
    running: bool,
    ends_at: Option<f64>,
}

impl Status {
    pub(super) fn of(app: &App) -> Self {
        let store = app.store.status();
        let rejected_by_reason: BTreeMap<_, _> = app.counters.rejected().collect();
        let ends_at = app.sample_traffic.ends_at();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: app.started_at.as_seconds(),
            now: app.now().as_seconds(),
            address: reachable(app.address).to_string(),
            data_directory: app.data_dir.display().to_string(),
            documents_accepted: app.counters.accepted(),
            documents_rejected: rejected_by_reason.values().sum(),
            rejected_by_reason,
            datagrams_dropped: app.kernel_drops.total(),
            last_document_at: store.newest.map(Timestamp::as_seconds),
            traces: store.traces,
            store_bytes: store.log_bytes,
            sample_traffic: SampleTrafficStatus {
                running: ends_at.is_some(),
                ends_at: ends_at.map(Timestamp::as_seconds),
            },
        }
    }
}
