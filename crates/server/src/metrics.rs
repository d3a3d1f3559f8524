//! `GET /metrics`: our counters, and the store's figures as they are now.

use crate::app::App;

/// Everything in the Prometheus text format.
pub(crate) fn render(app: &App) -> String {
    let status = app.store.status();
    let gauge = |name, help, value: u64| {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        app.counters.metrics.gauge(name, help, &[]).set(value);
    };
    let gauges = [
        ("roentgen_store_traces", "Traces that can be queried.", status.traces as u64),
        ("roentgen_store_documents", "Documents that can be queried.", status.documents),
        ("roentgen_store_log_bytes", "Bytes of the log files.", status.log_bytes),
        ("roentgen_store_log_files", "Log files.", status.log_files as u64),
        ("roentgen_store_index_bytes", "Estimated memory of the index.", status.index_bytes),
        (
            "roentgen_store_pending_documents",
            "Documents waiting for the disk.",
            status.pending_documents as u64,
        ),
        (
            "roentgen_store_pending_bytes",
            "Bytes of the documents waiting for the disk.",
            status.pending_bytes as u64,
        ),
        (
            "roentgen_store_unindexed_documents",
            "Stored documents that are not yet in summaries and service graph.",
            status.unindexed_documents as u64,
        ),
        ("roentgen_store_failed", "1 since writing failed.", u64::from(status.failure.is_some())),
    ];
    for (name, help, value) in gauges {
        gauge(name, help, value);
    }
    let totals = [
        (
            "roentgen_store_stored_documents_total",
            "Documents on stable storage.",
            status.stored_documents_total,
        ),
        (
            "roentgen_store_overloaded_documents_total",
            "Documents refused since too many waited for the disk.",
            status.overloaded_documents_total,
        ),
        (
            "roentgen_store_groups_total",
            "Groups of documents written, each with one fsync.",
            status.groups_total,
        ),
        (
            "roentgen_store_damaged_stretches_total",
            "Stretches of damaged bytes skipped when the log was opened.",
            status.damaged_stretches_total,
        ),
        (
            "roentgen_store_damaged_bytes_total",
            "Bytes of the damaged stretches.",
            status.damaged_bytes_total,
        ),
        (
            "roentgen_store_torn_bytes_total",
            "Bytes of an unfinished write cut off when the log was opened.",
            status.torn_bytes_total,
        ),
        (
            "roentgen_store_unreadable_documents_total",
            "Times a document could not be read back.",
            status.unreadable_documents_total,
        ),
        (
            "roentgen_store_oversize_documents_total",
            "Documents left out of their traces, which had reached the largest size.",
            status.oversize_documents_total,
        ),
        (
            "roentgen_store_expired_documents_total",
            "Documents dropped by retention.",
            status.expired_documents_total,
        ),
    ];
    for (name, help, value) in totals {
        app.counters.metrics.counter(name, help, &[]).raise_to(value);
    }
    app.counters.metrics.render()
}
