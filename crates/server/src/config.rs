//! The configuration of a server: from options, environment and file into checked values.

use std::path::{Path, PathBuf};
use std::time::Duration;

use roentgen_ops::{ConfigFaults, Environment, LogLevel};
use roentgen_store::{StoreOptions, Tuning};

use crate::cli::ServeArgs;
use crate::http::HttpLimits;
use crate::intake::OverloadLimits;

mod file;
mod test_store;
mod units;

use file::FileValues;
pub(crate) use units::parse_duration;

/// The address that SDKs send to unless told otherwise.
pub const DEFAULT_BIND: &str = "127.0.0.1:2000";

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address for UDP and TCP, `host:port`.
    pub bind: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// What to log.
    pub log_level: LogLevel,
    /// How long traces are kept.
    pub retention_age: Duration,
    /// How many bytes of traces are kept.
    pub retention_bytes: u64,
    /// How many bytes of memory recent traces may take, until they settle.
    pub open_bytes: u64,
    /// How many bytes of memory may hold what queries have read of settled traces.
    pub cache_bytes: u64,
    /// Names under which browsers may reach the server besides its own. When there are none, a
    /// server that is not bound to a loopback address may be reached by any name.
    pub allowed_hosts: Vec<String>,
    /// Bounds on connections and bodies; not for users to set.
    pub http_limits: HttpLimits,
    /// Bounds on waiting for an overloaded store; not for users to set.
    pub overload_limits: OverloadLimits,
    /// When the store does its background work; not for users to set.
    pub store_tuning: Tuning,
}

/// One setting by its names in the three places.
struct Setting {
    key: &'static str,
    option: &'static str,
    variable: &'static str,
}

const BIND: Setting = Setting { key: "bind", option: "--bind", variable: "ROENTGEN_BIND" };
const DATA_DIR: Setting =
    Setting { key: "data_dir", option: "--data-dir", variable: "ROENTGEN_DATA_DIR" };
const LOG_LEVEL: Setting =
    Setting { key: "log_level", option: "--log-level", variable: "ROENTGEN_LOG_LEVEL" };
const RETENTION_AGE: Setting =
    Setting { key: "retention_age", option: "--retention-age", variable: "ROENTGEN_RETENTION_AGE" };
const RETENTION_BYTES: Setting = Setting {
    key: "retention_bytes",
    option: "--retention-bytes",
    variable: "ROENTGEN_RETENTION_BYTES",
};
const OPEN_BYTES: Setting =
    Setting { key: "open_bytes", option: "--open-bytes", variable: "ROENTGEN_OPEN_BYTES" };
const CACHE_BYTES: Setting =
    Setting { key: "cache_bytes", option: "--cache-bytes", variable: "ROENTGEN_CACHE_BYTES" };
const ALLOWED_HOSTS: Setting =
    Setting { key: "allowed_hosts", option: "--allowed-host", variable: "ROENTGEN_ALLOWED_HOSTS" };

/// A setting of the time when all of the index was in memory. Whoever still has it meant to bound
/// memory, so it is not passed over.
const INDEX_BYTES: Setting =
    Setting { key: "index_bytes", option: "--index-bytes", variable: "ROENTGEN_INDEX_BYTES" };

/// What to say of it.
const INDEX_BYTES_IS_GONE: &str = "there is no such setting any more, since the index is on disk; \
                                   memory is bounded by --open-bytes (recent traces) and \
                                   --cache-bytes (what queries read)";

/// The keys of the file.
const KEYS: [&str; 8] = [
    BIND.key,
    DATA_DIR.key,
    LOG_LEVEL.key,
    RETENTION_AGE.key,
    RETENTION_BYTES.key,
    OPEN_BYTES.key,
    CACHE_BYTES.key,
    ALLOWED_HOSTS.key,
];

impl Config {
    /// The configuration that options, environment and file make together, in this order of
    /// precedence. An unset or empty variable is passed over.
    ///
    /// # Errors
    /// Everything that is wrong with it, each fault with the place where it stands.
    pub fn gather(args: &ServeArgs, environment: &dyn Environment) -> Result<Config, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let path = args.config.clone();
        let path = path.or_else(|| environment.variable("ROENTGEN_CONFIG").map(PathBuf::from));
        let file = match path {
            Some(path) => FileValues::read(&path, &KEYS, &[INDEX_BYTES.key], &mut faults),
            None => FileValues::default(),
        };
        let mut sources = Sources { environment, file, faults };
        sources.refuse(&INDEX_BYTES, &args.index_bytes, INDEX_BYTES_IS_GONE);
        let hosts = (!args.allowed_hosts.is_empty()).then(|| args.allowed_hosts.join(","));
        let mut config = Config {
            bind: sources.read(&BIND, &args.bind, DEFAULT_BIND, parse_bind),
            data_dir: sources.read(&DATA_DIR, &args.data_dir, "./roentgen-data", parse_path),
            log_level: sources.read(&LOG_LEVEL, &args.log_level, "info", |text| {
                text.parse::<LogLevel>().map_err(|e| e.to_string())
            }),
            retention_age: sources.read(
                &RETENTION_AGE,
                &args.retention_age,
                "30d",
                units::parse_duration,
            ),
            retention_bytes: sources.read(
                &RETENTION_BYTES,
                &args.retention_bytes,
                "1GiB",
                units::parse_bytes,
            ),
            open_bytes: sources.read(&OPEN_BYTES, &args.open_bytes, "96MiB", units::parse_bytes),
            cache_bytes: sources.read(&CACHE_BYTES, &args.cache_bytes, "64MiB", units::parse_bytes),
            allowed_hosts: sources.read(&ALLOWED_HOSTS, &hosts, "", parse_hosts),
            http_limits: HttpLimits::default(),
            overload_limits: OverloadLimits::default(),
            store_tuning: Tuning::default(),
        };
        if let Some(text) = environment.variable(test_store::TEST_STORE) {
            let applied =
                test_store::apply(&text, &mut config.store_tuning, &mut config.open_bytes);
            if let Err(reason) = applied {
                sources.faults.add(test_store::TEST_STORE, reason);
            }
        }
        sources.faults.into_result(config)
    }

    /// How to open the store.
    pub(crate) fn store_options(&self) -> StoreOptions {
        StoreOptions {
            retention_age: self.retention_age,
            retention_bytes: self.retention_bytes,
            open_bytes: self.open_bytes,
            cache_bytes: self.cache_bytes,
            tuning: self.store_tuning.clone(),
            ..StoreOptions::new(&self.data_dir)
        }
    }
}

/// Where values come from, and the faults found so far.
struct Sources<'a> {
    environment: &'a dyn Environment,
    file: FileValues,
    faults: ConfigFaults,
}

impl Sources<'_> {
    /// The value of a setting. When it cannot be read that is noted and the value stands in for
    /// one that is never used.
    fn read<T: Default>(
        &mut self,
        setting: &Setting,
        option: &Option<String>,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let (place, text) = self
            .find(setting, option)
            .unwrap_or_else(|| (format!("default of {}", setting.option), default.to_owned()));
        parse(&text).unwrap_or_else(|reason| {
            self.faults.add(place, reason);
            T::default()
        })
    }

    /// Notes a setting that must not be there.
    fn refuse(&mut self, setting: &Setting, option: &Option<String>, reason: &str) {
        if let Some((place, _)) = self.find(setting, option) {
            self.faults.add(place, reason);
        }
    }

    /// Where a setting stands, and its text.
    fn find(&self, setting: &Setting, option: &Option<String>) -> Option<(String, String)> {
        if let Some(text) = option {
            return Some((setting.option.to_owned(), text.clone()));
        }
        if let Some(text) = self.environment.variable(setting.variable) {
            return Some((setting.variable.to_owned(), text));
        }
        self.file.value(setting.key)
    }
}

fn parse_bind(text: &str) -> Result<String, String> {
    let fail = |reason: &str| {
        format!("address {text:?}: {reason}; expected host:port, e.g. {DEFAULT_BIND}")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| fail("no port"))?;
    port.parse::<u16>().map_err(|_| fail("port is not a number up to 65535"))?;
    if host.is_empty() {
        return Err(fail("no host (0.0.0.0 and [::] mean all)"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(fail("an IPv6 address needs square brackets"));
    }
    Ok(text.to_owned())
}

fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the directory has no name; expected a path, e.g. ./roentgen-data".to_owned());
    }
    Ok(Path::new(text).to_owned())
}

fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let is_name = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
            if is_name {
                Ok(name.to_ascii_lowercase())
            } else {
                Err(format!("host {name:?} is not a name; expected one without port or scheme"))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn defaults_are_what_sdks_expect() {
        let config = Config::gather(&ServeArgs::default(), &environment(&[])).unwrap();
        let expect = Config {
            bind: "127.0.0.1:2000".to_owned(),
            data_dir: "./roentgen-data".into(),
            log_level: LogLevel::default(),
            retention_age: Duration::from_secs(30 * 24 * 3600),
            retention_bytes: 1 << 30,
            open_bytes: 96 << 20,
            cache_bytes: 64 << 20,
            allowed_hosts: vec![],
            http_limits: HttpLimits::default(),
            overload_limits: OverloadLimits::default(),
            store_tuning: Tuning::default(),
        };
        assert_eq!(config, expect);
    }

    #[test]
    fn an_option_wins_over_the_environment_and_that_over_the_file() {
        let file = file("bind: file:1\ndata_dir: from-file\nretention_bytes: 5000000\n");
        let config = file.path().display().to_string();
        let environment = environment(&[
            ("ROENTGEN_CONFIG", &config),
            ("ROENTGEN_BIND", "env:2"),
            ("ROENTGEN_DATA_DIR", "from-env"),
            ("ROENTGEN_LOG_LEVEL", ""),
        ]);
        let args = ServeArgs { bind: some("option:3"), ..ServeArgs::default() };
        let config = Config::gather(&args, &environment).unwrap();
        assert_eq!(config.bind, "option:3");
        assert_eq!(config.data_dir, Path::new("from-env"));
        assert_eq!(config.retention_bytes, 5_000_000);
        assert_eq!(config.log_level, LogLevel::default());
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let file = file("retention_age: soon\ndata_dri: x\ncolour: red\n");
        let args = ServeArgs {
            bind: some("127.0.0.1"),
            config: Some(file.path().to_owned()),
            ..ServeArgs::default()
        };
        let environment =
            environment(&[("ROENTGEN_LOG_LEVEL", "loud"), ("ROENTGEN_ALLOWED_HOSTS", "http://x")]);
        let faults = Config::gather(&args, &environment).unwrap_err().to_string();
        let path = file.path().display();
        let expect = format!(
            "{path}: colour is not a known key; known are bind, data_dir, log_level, \
             retention_age, retention_bytes, open_bytes, cache_bytes, allowed_hosts\n\
             {path}: data_dri is not a known key; did you mean data_dir?\n\
             --bind: address \"127.0.0.1\": no port; expected host:port, e.g. 127.0.0.1:2000\n\
             ROENTGEN_LOG_LEVEL: log level \"loud\" is not known; expected error, warn, info, \
             debug, trace or off, or directives such as info,roentgen_store=debug\n\
             {path}: retention_age: \"soon\" is not a time; expected a number with a unit, e.g. \
             12h or 30d\n\
             ROENTGEN_ALLOWED_HOSTS: host \"http://x\" is not a name; expected one without port \
             or scheme"
        );
        assert_eq!(faults, expect);
    }

    #[test]
    fn tests_may_make_the_store_small() {
        let variables = environment(&[("ROENTGEN_TEST_STORE", "merge_files=3,open_bytes=5")]);
        let config = Config::gather(&ServeArgs::default(), &variables).unwrap();
        assert_eq!((config.store_tuning.merge_files, config.open_bytes), (3, 5));
        let variables = environment(&[("ROENTGEN_TEST_STORE", "x")]);
        let faults = Config::gather(&ServeArgs::default(), &variables).unwrap_err().to_string();
        assert!(faults.starts_with("ROENTGEN_TEST_STORE: \"x\": expected"), "{faults}");
    }

    #[test]
    fn the_old_bound_of_the_index_names_the_new_ones() {
        let check = |args: ServeArgs, variables: &[(&str, &str)], place: &str| {
            let faults = Config::gather(&args, &environment(variables)).unwrap_err().to_string();
            assert_eq!(faults, format!("{place}: {INDEX_BYTES_IS_GONE}"));
        };
        let args = ServeArgs { index_bytes: some("512MiB"), ..ServeArgs::default() };
        check(args, &[], "--index-bytes");
        check(ServeArgs::default(), &[("ROENTGEN_INDEX_BYTES", "1GiB")], "ROENTGEN_INDEX_BYTES");
        let file = file("index_bytes: 512MiB\n");
        let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
        check(args, &[], &format!("{}: index_bytes", file.path().display()));
    }

    #[test]
    fn files_that_cannot_be_read_are_faults() {
        let check = |path: &Path, expect: &str| {
            let args = ServeArgs { config: Some(path.to_owned()), ..ServeArgs::default() };
            let faults = Config::gather(&args, &environment(&[])).unwrap_err().to_string();
            assert!(faults.contains(expect), "{faults}");
        };
        check(Path::new("/nowhere/at/all.yaml"), "/nowhere/at/all.yaml: cannot be read: ");
        check(file("- a\n- b\n").path(), "expected keys and values");
        check(file("bind: [x: {y").path(), "not YAML");
        check(file("bind: {host: x}\n").path(), "bind: expected a text, a number or a list");
    }

    /// What `--help` promises of variables and keys.
    #[test]
    fn every_option_of_serve_has_its_variable_and_all_but_the_file_their_key() {
        let command = <crate::cli::Cli as clap::CommandFactory>::command();
        let serve = command.find_subcommand("serve").unwrap();
        let mut keys = Vec::new();
        let is_shown = |option: &&clap::Arg| option.get_id() != "help" && !option.is_hide_set();
        for option in serve.get_arguments().filter(is_shown) {
            let help = option.get_help().unwrap().to_string();
            let (_, variable) = help.split_once("[env: ROENTGEN_").unwrap();
            let end = variable.find([']', ',']).unwrap();
            keys.push(variable[..end].to_ascii_lowercase());
        }
        keys.retain(|key| key != "config");
        assert_eq!(keys, KEYS);
        for setting in [
            BIND,
            DATA_DIR,
            LOG_LEVEL,
            RETENTION_AGE,
            RETENTION_BYTES,
            OPEN_BYTES,
            CACHE_BYTES,
            ALLOWED_HOSTS,
        ] {
            let variable = format!("ROENTGEN_{}", setting.key.to_ascii_uppercase());
            assert_eq!(setting.variable, variable);
        }
    }

    #[test]
    fn hosts_in_the_file_may_be_a_list() {
        let file = file("allowed_hosts: [Traces.Example, other]\n");
        let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
        let config = Config::gather(&args, &environment(&[])).unwrap();
        assert_eq!(config.allowed_hosts, ["traces.example", "other"]);
    }

    #[test]
    fn addresses() {
        let check = |text: &str, ok: bool| assert_eq!(parse_bind(text).is_ok(), ok, "{text}");
        check("127.0.0.1:2000", true);
        check("localhost:0", true);
        check("[::1]:2000", true);
        check("::1:2000", false);
        check(":2000", false);
        check("localhost", false);
        check("localhost:x", false);
        check("localhost:65536", false);
    }
}
