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
            "roentgen_store_open_traces",
            "Traces with documents that have not settled.",
            status.open_traces as u64,
        ),
        (
            "roentgen_store_open_documents",
            "Documents that have not settled.",
            status.open_documents,
        ),
        (
            "roentgen_store_open_bytes",
            "Estimated memory of what has not settled.",
            status.open_bytes,
        ),
        (
            "roentgen_store_resting_documents",
            "Documents of large traces that lists and graphs do not show yet.",
            status.resting_documents as u64,
        ),
        ("roentgen_store_settled_files", "Settled files.", status.settled_files as u64),
        ("roentgen_store_settled_bytes", "Bytes of the settled files.", status.settled_bytes),
        (
            "roentgen_store_cache_bytes",
            "Memory of what queries have read of settled files.",
            status.cache_bytes,
        ),
        (
            "roentgen_store_dictionary_bytes",
            "Bytes of the dictionary that documents are compressed with.",
            status.dictionary_bytes,
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
            "Documents that found no room to wait for the disk; counted each time they were offered.",
            status.overloaded_documents_total,
        ),
        (
            "roentgen_store_groups_total",
            "Groups of documents written, each with one fsync.",
            status.groups_total,
        ),
        (
            "roentgen_store_settles_total",
            "Times traces settled, each with settled files published.",
            status.settles_total,
        ),
        (
            "roentgen_store_failed_settles_total",
            "Times that settling failed and is tried again.",
            status.failed_settles_total,
        ),
        (
            "roentgen_store_merges_total",
            "Times that settled files were merged.",
            status.merges_total,
        ),
        (
            "roentgen_store_failed_merges_total",
            "Times that merging failed and is tried again.",
            status.failed_merges_total,
        ),
        (
            "roentgen_store_replayed_documents_total",
            "Documents that were read from the log when the store was opened.",
            status.replayed_documents_total,
        ),
        (
            "roentgen_store_damaged_stretches_total",
            "Stretches of damaged bytes of the log that were skipped.",
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
            "roentgen_store_damaged_settled_files_total",
            "Settled files found damaged or missing; they were made anew from the log.",
            status.damaged_settled_files_total,
        ),
        (
            "roentgen_store_damaged_manifests_total",
            "Times the manifest was found damaged when the store was opened.",
            status.damaged_manifests_total,
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
        (
            "roentgen_store_panics_total",
            "Times that background work of the store met a defect and was begun anew.",
            status.panics_total,
        ),
    ];
    let kernel_drops = (
        "roentgen_udp_dropped_datagrams_total",
        "Datagrams that the kernel dropped, since its buffer was full.",
        app.kernel_drops.total(),
    );
    for (name, help, value) in totals.into_iter().chain([kernel_drops]) {
        app.counters.metrics.counter(name, help, &[]).raise_to(value);
    }
    app.counters.metrics.render()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;

    use std::net::UdpSocket;

    use roentgen_udp::KernelDrops;

    use super::*;

    #[test]
    fn what_the_kernel_dropped_is_told() {
        let directory = tempfile::TempDir::new().unwrap();
        let (socket, other) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 10).unwrap();
        let drops = KernelDrops::of(&socket);
        // Loopback puts a datagram into the buffer, or drops it, before sending returns.
        for _ in 0..100 {
            other.send_to(&[0; 1_000], socket.local_addr().unwrap()).unwrap();
        }
        let expect = drops.total();
        assert!((1..100).contains(&expect), "{expect}");
        let app = App { kernel_drops: Arc::new(drops), ..App::for_tests(directory.path()) };
        let line = format!("\nroentgen_udp_dropped_datagrams_total {expect}\n");
        let text = render(&app);
        assert!(text.contains(&line), "{text}");
        let status = crate::console_api::status_json(&app);
        assert_eq!(status["datagramsDropped"], expect, "{status}");
    }
}
