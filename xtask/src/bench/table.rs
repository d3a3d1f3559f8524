//! Results as Markdown tables, ready for a commit message or an issue.

use std::time::Duration;

use super::server::{Documents, Server};

/// What one load did to the server.
#[derive(Debug)]
pub(super) struct Load {
    name: String,
    sent: u64,
    documents: Documents,
    took: Duration,
    cpu_seconds: f64,
    peak_memory: u64,
    bytes_on_disk: u64,
}

impl Load {
    /// Reads off the server what the load cost; `cpu_before` is its CPU time when the load began.
    pub(super) fn new(
        name: String,
        sent: u64,
        documents: Documents,
        took: Duration,
        cpu_before: f64,
        server: &Server,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            sent,
            documents,
            took,
            cpu_seconds: server.cpu_seconds()? - cpu_before,
            peak_memory: server.peak_memory()?,
            bytes_on_disk: server.bytes_on_disk()?,
        })
    }
}

/// Size of the program and its memory before any load.
pub(super) fn print_program(binary_bytes: u64, idle_memory: u64) {
    println!("\n| the program | |");
    println!("|---|---:|");
    println!("| binary, stripped | {:.1} MiB |", mebibytes(binary_bytes));
    println!("| resident memory, idle | {:.1} MiB |", mebibytes(idle_memory));
}

/// One row per load.
///
/// "Refused" is what the server counted and did not store; "unseen" is what never reached it: with
/// UDP, what the kernel dropped because the receiver did not keep up.
pub(super) fn print_loads(loads: &[Load]) {
    println!(
        "\n| load | sent | stored | refused | unseen | stored/s | server CPU s \
         | stored per CPU-second | peak memory | on disk per document |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for load in loads {
        let Documents { accepted, rejected } = load.documents;
        let stored = float(accepted);
        println!(
            "| {} | {} | {accepted} | {rejected} | {} | {:.0} | {:.2} | {:.0} | {:.1} MiB | {:.0} B |",
            load.name,
            load.sent,
            load.sent.saturating_sub(accepted + rejected),
            stored / load.took.as_secs_f64(),
            load.cpu_seconds,
            stored / load.cpu_seconds,
            mebibytes(load.peak_memory),
            float(load.bytes_on_disk) / stored.max(1.0),
        );
    }
}

fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

/// Exact up to 2^53, which no count here comes near.
fn float(count: u64) -> f64 {
    count as f64
}
