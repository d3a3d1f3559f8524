//! What the daemon was told to do: the outcome of flags, environment and file, as the rest of the
//! crate uses it. How it comes about is in `config`.

use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where segments come in, `host:port`.
    pub(crate) udp_address: String,
    /// Where sampling calls come in, `host:port`.
    pub(crate) tcp_address: String,
    /// Whether a TCP port that is taken ends the daemon; the official one goes on without it.
    pub(crate) tcp_required: bool,
    pub(crate) memory: BufferMemory,
    /// How many batches are sent at the same time to one destination.
    pub(crate) concurrency: usize,
    /// Where batches go; the first answers the sampling calls.
    pub(crate) destinations: Vec<Destination>,
    pub(crate) identity: IdentitySettings,
    pub(crate) outbound: Outbound,
    pub(crate) retry: Retry,
    pub(crate) spool: Option<SpoolSettings>,
    pub(crate) policy: Policy,
    /// Whether every path of the TCP port is signed and sent on, or only what SDKs need.
    pub(crate) proxy_everything: bool,
    /// How long the end may take, from the signal on.
    pub(crate) shutdown: Duration,
    /// Named in telemetry.
    pub(crate) resource_arn: String,
    pub(crate) log: LogSettings,
}

/// How much memory may hold documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferMemory {
    /// MiB, at least 3.
    pub(crate) megabytes: u64,
    /// MiB of the control group, when its limit (and not the machine's memory) gave the number.
    pub(crate) control_group_megabytes: Option<u64>,
}

/// Where batches go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// X-Ray of the region, or what stands in for it.
    Aws {
        /// Replaces the region's own endpoint, e.g. a VPC endpoint or a test server.
        endpoint: Option<String>,
    },
    /// A Roentgen server, e.g. `http://roentgen:2000`.
    Roentgen {
        endpoint: String,
        /// Whether requests are signed as for AWS.
        signed: bool,
    },
}

/// Who the daemon is to AWS.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentitySettings {
    /// By flag or file; else it is looked for.
    pub(crate) region: Option<String>,
    /// No questions to EC2 about region, host name and instance.
    pub(crate) local_mode: bool,
    pub(crate) role_arn: Option<String>,
    pub(crate) external_id: Option<String>,
}

/// How requests leave the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbound {
    /// The HTTP proxy, by flag, file or `HTTPS_PROXY`.
    pub(crate) proxy: Option<String>,
    /// Hosts to reach without it, as `NO_PROXY` spells them.
    pub(crate) no_proxy: Option<String>,
    /// Take any certificate.
    pub(crate) no_verify_ssl: bool,
}

/// How long a batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// Attempts of a batch, the first included; at least 1.
    pub(crate) attempts: u32,
    /// Of one attempt.
    pub(crate) timeout: Duration,
    /// Most of the wait before the second attempt; it doubles with each further one and is drawn
    /// between nothing and that.
    pub(crate) first_backoff: Duration,
    pub(crate) longest_backoff: Duration,
}

/// Where batches wait on disk for a destination that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpoolSettings {
    pub(crate) directory: PathBuf,
    pub(crate) most_bytes: u64,
}

/// Which documents are not sent on. Everything is, by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// Segments of requests for these paths are dropped, with their traces' later documents;
    /// `*` stands for any text.
    pub(crate) drop_paths: Vec<String>,
    /// Of all traces, the share that is kept, by trace id; between 0 and 1.
    pub(crate) keep_share: Option<f64>,
    /// Documents that tell an error, a fault or a throttle are kept whatever the share says.
    pub(crate) keep_errors: bool,
}

/// Where log lines go and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) level: LogLevel,
    /// Instead of standard output.
    pub(crate) file: Option<PathBuf>,
    /// Whether the file begins anew at 50 MB, keeping one old file.
    pub(crate) rotation: bool,
    /// One JSON object per line.
    pub(crate) json: bool,
}

/// The least that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}
