//! All that can be set, each with its flag, its variable, its key in `cfg.yaml`, what it may look
//! like and its line of the usage text: one place, so that they cannot drift apart.

use crate::config::values::{self, ValueError};

/// One thing that can be set.
#[derive(Debug)]
pub(super) struct Setting {
    /// The short flag; only the official ones have one.
    pub(super) short: Option<&'static str>,
    /// The long flag.
    pub(super) long: &'static str,
    /// Where it stands in `cfg.yaml`, `Section.Key`; those that make no sense there have none.
    pub(super) key: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Go's `string`: anything.
    Text,
    /// Go's `int`.
    Integer,
    /// Go's `bool`; the flag alone means true.
    Switch,
    /// One of ours, with the check of its value.
    Checked(fn(&str) -> Result<(), ValueError>),
    /// Parts between commas, in `cfg.yaml` also a sequence; the check is of the joined text.
    List(fn(&str) -> Result<(), ValueError>),
}

impl Setting {
    /// The environment variable, e.g. `ROENTGEN_DAEMON_BIND_TCP` for `--bind-tcp`.
    pub(super) fn variable(&self) -> String {
        format!("ROENTGEN_DAEMON_{}", self.long.to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether `name`, without dashes, is one of its flags.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.long == name || self.short == Some(name)
    }
}

/// A setting of the official daemon.
const fn official(
    short: &'static str,
    long: &'static str,
    key: Option<&'static str>,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting { short: Some(short), long, key, kind, help }
}

/// A setting that the official daemon has in its file alone, or not at all.
const fn added(long: &'static str, key: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { short: None, long, key: Some(key), kind, help }
}

pub(super) static RESOURCE_ARN: Setting = official(
    "a",
    "resource-arn",
    Some("ResourceARN"),
    Kind::Text,
    "Amazon Resource Name (ARN) of the AWS resource running the daemon.",
);
pub(super) static LOCAL_MODE: Setting = official(
    "o",
    "local-mode",
    Some("LocalMode"),
    Kind::Switch,
    "Don't check for EC2 instance metadata.",
);
pub(super) static BUFFER_MEMORY: Setting = official(
    "m",
    "buffer-memory",
    Some("TotalBufferSizeMB"),
    Kind::Integer,
    "Change the amount of memory in MB that buffers can use (minimum 3).",
);
pub(super) static REGION: Setting = official(
    "n",
    "region",
    Some("Region"),
    Kind::Text,
    "Send segments to X-Ray service in a specific region.",
);
pub(super) static BIND: Setting = official(
    "b",
    "bind",
    Some("Socket.UDPAddress"),
    Kind::Text,
    "Overrides default UDP address (127.0.0.1:2000).",
);
pub(super) static BIND_TCP: Setting = official(
    "t",
    "bind-tcp",
    Some("Socket.TCPAddress"),
    Kind::Text,
    "Overrides default TCP address (127.0.0.1:2000).",
);
pub(super) static ROLE_ARN: Setting = official(
    "r",
    "role-arn",
    Some("RoleARN"),
    Kind::Text,
    "Assume the specified IAM role to upload segments to a different account.",
);
pub(super) static CONFIG: Setting =
    official("c", "config", None, Kind::Text, "Load a configuration file from the specified path.");
pub(super) static LOG_FILE: Setting = official(
    "f",
    "log-file",
    Some("Logging.LogPath"),
    Kind::Text,
    "Output logs to the specified file path.",
);
pub(super) static LOG_LEVEL: Setting = official(
    "l",
    "log-level",
    Some("Logging.LogLevel"),
    Kind::Text,
    "Log level, from most verbose to least: dev, debug, info, warn, error, prod (default).",
);
pub(super) static PROXY_ADDRESS: Setting = official(
    "p",
    "proxy-address",
    Some("ProxyAddress"),
    Kind::Text,
    "Proxy address through which to upload segments.",
);
/// Not a setting proper: it has neither variable nor key.
pub(super) static VERSION: Setting =
    official("v", "version", None, Kind::Switch, "Show AWS X-Ray daemon version.");

pub(super) static DESTINATION: Setting = added(
    "destination",
    "Destination",
    Kind::List(|text| values::destinations(text).map(drop)),
    "Where segments go, between commas: aws (default), http(s)://host:port (a Roentgen server), signed+http(s)://host:port.",
);
pub(super) static ENDPOINT: Setting = added(
    "endpoint",
    "Endpoint",
    Kind::Text,
    "URL of the X-Ray service instead of that of the region; also AWS_ENDPOINT_URL_XRAY, AWS_ENDPOINT_URL.",
);
pub(super) static EXTERNAL_ID: Setting = added(
    "external-id",
    "ExternalID",
    Kind::Text,
    "External id to name when assuming the role of --role-arn.",
);
pub(super) static NO_PROXY: Setting = added(
    "no-proxy",
    "NoProxy",
    Kind::List(|_| Ok(())),
    "Hosts to reach without the proxy, between commas; also NO_PROXY, no_proxy.",
);
pub(super) static NO_VERIFY_SSL: Setting =
    added("no-verify-ssl", "NoVerifySSL", Kind::Switch, "Don't verify TLS certificates.");
pub(super) static CONCURRENCY: Setting = added(
    "concurrency",
    "Concurrency",
    Kind::Integer,
    "Batches sent at the same time to one destination (8).",
);
pub(super) static ATTEMPTS: Setting = added(
    "attempts",
    "Attempts",
    Kind::Checked(|text| values::attempts(text).map(drop)),
    "How often a batch is tried, the first attempt included (5).",
);
pub(super) static REQUEST_TIMEOUT: Setting = added(
    "request-timeout",
    "RequestTimeout",
    Kind::Checked(|text| values::request_seconds(text).map(drop)),
    "Seconds that one attempt may take (5).",
);
pub(super) static SHUTDOWN_TIMEOUT: Setting = added(
    "shutdown-timeout",
    "ShutdownTimeout",
    Kind::Checked(|text| values::shutdown_seconds(text).map(drop)),
    "Seconds that sending the rest may take after a signal to end (8).",
);
pub(super) static SPOOL_DIR: Setting = added(
    "spool-dir",
    "Spool.Directory",
    Kind::Text,
    "Directory where batches wait for a destination that does not answer.",
);
pub(super) static SPOOL_BYTES: Setting = added(
    "spool-bytes",
    "Spool.Bytes",
    Kind::Checked(|text| values::spool_bytes(text).map(drop)),
    "Most bytes in the directory of --spool-dir, e.g. 100M or 2G (256M).",
);
pub(super) static DROP_PATHS: Setting = added(
    "drop-paths",
    "Policy.DropPaths",
    Kind::List(|text| values::paths(text).map(drop)),
    "Drop segments of requests for these paths, between commas, * for any text, e.g. /health,/internal/*.",
);
pub(super) static KEEP_SHARE: Setting = added(
    "keep-share",
    "Policy.KeepShare",
    Kind::Checked(|text| values::share(text).map(drop)),
    "Share of traces to send, from 0 to 1; everything by default.",
);
pub(super) static KEEP_ERRORS: Setting = added(
    "keep-errors",
    "Policy.KeepErrors",
    Kind::Switch,
    "Send documents with an error, fault or throttle whatever --keep-share says.",
);
pub(super) static PROXY_PATHS: Setting = added(
    "proxy-paths",
    "ProxyPaths",
    Kind::Checked(|text| values::proxy_paths(text).map(drop)),
    "Which requests to the TCP port are signed and sent on: sdk (default: what SDKs call) or all.",
);
pub(super) static TCP_REQUIRED: Setting = added(
    "tcp-required",
    "Socket.TCPRequired",
    Kind::Switch,
    "End when the TCP port is taken, instead of going on without it.",
);
pub(super) static LOG_FORMAT: Setting = added(
    "log-format",
    "Logging.Format",
    Kind::Checked(|text| values::log_format(text).map(drop)),
    "text (default) or json.",
);
pub(super) static LOG_ROTATION: Setting = added(
    "log-rotation",
    "Logging.LogRotation",
    Kind::Switch,
    "Begin the log file anew at 50 MB, keeping one old file (true).",
);

/// The settings of the official daemon that have flags there, in the order of its usage text.
pub(super) static OFFICIAL: [&Setting; 12] = [
    &RESOURCE_ARN,
    &LOCAL_MODE,
    &BUFFER_MEMORY,
    &REGION,
    &BIND,
    &BIND_TCP,
    &ROLE_ARN,
    &CONFIG,
    &LOG_FILE,
    &LOG_LEVEL,
    &PROXY_ADDRESS,
    &VERSION,
];

/// The others, in the order of the usage text.
pub(super) static ADDED: [&Setting; 18] = [
    &DESTINATION,
    &ENDPOINT,
    &EXTERNAL_ID,
    &NO_PROXY,
    &NO_VERIFY_SSL,
    &CONCURRENCY,
    &ATTEMPTS,
    &REQUEST_TIMEOUT,
    &SHUTDOWN_TIMEOUT,
    &SPOOL_DIR,
    &SPOOL_BYTES,
    &DROP_PATHS,
    &KEEP_SHARE,
    &KEEP_ERRORS,
    &PROXY_PATHS,
    &TCP_REQUIRED,
    &LOG_FORMAT,
    &LOG_ROTATION,
];

/// The flag of the subcommand `healthcheck` alone.
pub(super) static TO: Setting = Setting {
    short: None,
    long: "to",
    key: None,
    kind: Kind::Text,
    help: "With healthcheck: the TCP address of the daemon to ask.",
};

/// All settings.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    OFFICIAL.into_iter().chain(ADDED)
}

/// The settings that a `cfg.yaml` may contain, with their keys.
pub(super) fn of_the_file() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    all().filter_map(|setting| setting.key.map(|key| (key, setting)))
}

/// What `--help` prints: first the lines of the official daemon, byte for byte, then ours.
pub(super) fn usage() -> String {
    let mut usage = "Usage: X-Ray [options]\n".to_owned();
    for setting in OFFICIAL {
        // Go's flags are followed by two tabs where the name is so short that one would not align.
        let tabs = if setting.long.len() <= 4 && matches!(setting.kind, Kind::Text) {
            "\t\t"
        } else {
            "\t"
        };
        let short = setting.short.unwrap_or_default();
        usage.push_str(&format!("\t-{short}\t--{}{tabs}{}\n", setting.long, setting.help));
    }
    usage.push_str("\t-h\t--help\t\tShow this screen\n");
    usage.push_str("\nOptions that the official daemon does not have:\n");
    for setting in ADDED.into_iter().chain([&TO]) {
        usage.push_str(&format!("\t--{}\t{}\n", setting.long, setting.help));
    }
    usage.push_str(
        "\nEvery option can also be given as an environment variable, e.g. ROENTGEN_DAEMON_BIND_TCP for --bind-tcp,\n\
         and in cfg.yaml. A flag beats the variable, the variable beats the file.\n\
         \n\
         roentgen-daemon healthcheck [--to host:port]\tExit with 0 when the daemon answers, else with 1.\n",
    );
    usage
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let flags: Vec<&str> = all()
            .chain([&TO])
            .flat_map(|setting| setting.short.into_iter().chain([setting.long]))
            .collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
        let keys: Vec<&str> = of_the_file().map(|(key, _)| key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn variables_are_named_after_the_flags() {
        assert_eq!(BIND_TCP.variable(), "ROENTGEN_DAEMON_BIND_TCP");
        assert_eq!(CONFIG.variable(), "ROENTGEN_DAEMON_CONFIG");
    }

    #[test]
    fn every_line_of_the_usage_has_a_flag_and_a_meaning() {
        let usage = usage();
        for setting in all().chain([&TO]) {
            let line = usage.lines().find(|line| line.contains(&format!("--{}\t", setting.long)));
            assert!(line.is_some_and(|line| line.ends_with(setting.help)), "{}", setting.long);
        }
    }

    #[test]
    fn the_page_for_users_tells_all_of_them() {
        let page = include_str!("../../../../docs/daemon.md");
        for setting in all() {
            let row = page.lines().find(|line| {
                line.starts_with('|') && line.contains(&format!("`--{}`", setting.long))
            });
            let row = row.unwrap_or_else(|| panic!("--{} has no row", setting.long));
            let variable = setting.variable();
            let variable = variable.strip_prefix("ROENTGEN_DAEMON_").unwrap();
            let told = [setting.key, (setting.long != "version").then_some(variable)];
            for cell in told.into_iter().flatten().map(|text| format!("| `{text}` |")) {
                assert!(row.contains(&cell), "{cell} is not in {row}");
            }
        }
    }
}
