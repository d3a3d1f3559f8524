//! From command line, environment and `cfg.yaml` to `Settings`. A flag beats a variable
//! `ROENTGEN_DAEMON_…`, that beats the file, the file beats the variables everybody knows
//! (`AWS_…`, `HTTPS_PROXY`), and those beat what is built in.

mod file;
mod flags;
mod go;
mod memory;
mod options;
#[cfg(test)]
mod test_files;
mod values;
mod yaml;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use roentgen_ops::{Environment, ProcessEnvironment};

use crate::config::file::{FileValues, Files, ProcessFiles};
use crate::config::flags::{FlagError, Flags};
use crate::config::options::{Kind, Setting};
use crate::logging::{error_line, level_of};
use crate::settings::{
    BufferMemory, Destination, IdentitySettings, LogSettings, Outbound, Policy, Retry, Settings,
    SpoolSettings,
};

/// What the program is called to the world: the version line and the first log line.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the official daemon listens, and all SDKs send, unless told otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:2000";

/// Batches sent at the same time; the official daemon's number.
const DEFAULT_CONCURRENCY: usize = 8;

/// Most batches sent at the same time to one destination. The official daemon has no bound; each
/// is a connection, and no network is faster with more.
const MOST_CONCURRENCY: usize = 256;

/// How a batch is retried. The official daemon makes 2 attempts of 2 s and then the batch is lost;
/// with these a load balancer may be without its server (some 3 s of waiting) or a destination answer
/// slowly without any loss.
const DEFAULT_RETRY: Retry = Retry {
    attempts: 5,
    timeout: Duration::from_secs(5),
    first_backoff: Duration::from_millis(200),
    longest_backoff: Duration::from_secs(5),
};

/// How long the end may take: ECS and Docker kill after 30 and 10 s.
const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(8);

/// Bytes of the spool when only its directory is named: a quarter of a million segments of 1 KB.
const DEFAULT_SPOOL_BYTES: u64 = 256 * 1024 * 1024;

/// What the program is to do.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// Run as the daemon.
    Run {
        settings: Box<Settings>,
        /// What is odd about the configuration, to be logged as warnings once logging works.
        notices: Vec<String>,
    },
    /// Ask the daemon that listens on this TCP address whether it is well.
    Healthcheck { address: String },
}

/// The end of the program before it began: what it prints and its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// A file that gets what standard error gets: the log file, as the official daemon does.
    pub(crate) log_file: Option<PathBuf>,
}

impl Exit {
    /// Prints all, and gives the code to end with.
    pub(crate) fn leave(&self) -> ExitCode {
        // Nobody is left to tell when these cannot be written.
        let _ = std::io::stdout().write_all(self.stdout.as_bytes());
        let _ = std::io::stderr().write_all(self.stderr.as_bytes());
        let _ = self.write_log_file();
        ExitCode::from(self.code)
    }

    fn write_log_file(&self) -> std::io::Result<()> {
        let Some(path) = &self.log_file else { return Ok(()) };
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(self.stderr.as_bytes())
    }
}

/// What this process was started to do.
///
/// # Errors
/// As [`gather`], and when an argument is not UTF-8.
pub(crate) fn gather_from_process(now: SystemTime) -> Result<Command, Exit> {
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    match arguments {
        Ok(arguments) => gather(&arguments, &ProcessEnvironment, &ProcessFiles, now),
        Err(argument) => {
            let stderr = format!("argument {} is not UTF-8\n", argument.display());
            Err(Exit { code: 2, stdout: options::usage(), stderr, log_file: None })
        }
    }
}

/// Puts together what the program is to do. `arguments` are without the program's name; `now`
/// stands on the lines that say what is wrong.
///
/// # Errors
/// When there is nothing to do: help or the version was asked for, or something is wrong.
pub(crate) fn gather(
    arguments: &[String],
    environment: &dyn Environment,
    files: &dyn Files,
    now: SystemTime,
) -> Result<Command, Exit> {
    let (is_healthcheck, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == "healthcheck" => (true, rest),
        _ => (false, arguments),
    };
    let to = is_healthcheck.then_some(&options::TO);
    let known: Vec<&'static Setting> = options::all().chain(to).collect();
    let flags = Flags::parse(arguments, &known).map_err(|error| usage_exit(&error))?;
    if flags.get(&options::VERSION) == Some("true") {
        let stdout = format!("AWS X-Ray daemon version: {VERSION}\n");
        return Err(Exit { code: 0, stdout, stderr: String::new(), log_file: None });
    }
    Sources::new(flags, environment, files)
        .and_then(|sources| sources.command(is_healthcheck, files))
        .map_err(|faults| faults.into_exit(now))
}

fn usage_exit(error: &FlagError) -> Exit {
    let (code, stderr) = match error {
        FlagError::Help => (0, String::new()),
        error => (2, format!("{error}\n")),
    };
    Exit { code, stdout: options::usage(), stderr, log_file: None }
}

/// What is wrong with file or environment, one message each.
struct Faults {
    messages: Vec<String>,
    log_file: Option<PathBuf>,
}

impl Faults {
    fn into_exit(self, now: SystemTime) -> Exit {
        let stderr = self.messages.iter().map(|message| error_line(now, message)).collect();
        Exit { code: 1, stdout: String::new(), stderr, log_file: self.log_file }
    }
}

/// All that was set, by whom.
struct Sources<'a> {
    flags: Flags,
    environment: &'a dyn Environment,
    file: FileValues,
}

impl<'a> Sources<'a> {
    fn new(
        flags: Flags,
        environment: &'a dyn Environment,
        files: &dyn Files,
    ) -> Result<Self, Faults> {
        let mut sources = Self { flags, environment, file: FileValues::default() };
        let mut messages = sources.wrong_variables();
        match FileValues::load(sources.value(&options::CONFIG).as_deref(), files) {
            Ok(file) => sources.file = file,
            Err(lines) => messages.extend(lines),
        }
        if messages.is_empty() { Ok(sources) } else { Err(sources.faults(messages)) }
    }

    fn faults(&self, messages: Vec<String>) -> Faults {
        Faults { messages, log_file: self.value(&options::LOG_FILE).map(PathBuf::from) }
    }

    /// What cannot be the value of a variable of ours. Flags and file were looked at while reading.
    fn wrong_variables(&self) -> Vec<String> {
        options::all()
            .filter_map(|setting| {
                let value = self.variable(setting)?;
                let reason = match setting.kind {
                    Kind::Text => return None,
                    Kind::Integer => go::integer(&value).err().map(|e| e.to_string()),
                    Kind::Switch => {
                        go::boolean(&value).err().map(|_| "expected true or false".to_owned())
                    }
                    Kind::Checked(check) | Kind::List(check) => {
                        check(&value).err().map(|e| e.to_string())
                    }
                }?;
                Some(format!("environment variable {}={value:?}: {reason}", setting.variable()))
            })
            .collect()
    }

    fn variable(&self, setting: &Setting) -> Option<String> {
        // `--version` asks for one line and an end; a variable cannot want that.
        let is_version = setting.long == options::VERSION.long;
        (!is_version).then(|| self.environment.variable(&setting.variable()))?
    }

    /// The value that counts; `None` when nobody gave one, or the flag an empty one, which hides
    /// what others say, as with the official daemon.
    fn value(&self, setting: &Setting) -> Option<String> {
        self.flags
            .get(setting)
            .map(str::to_owned)
            .or_else(|| self.variable(setting))
            .or_else(|| self.file.get(setting).map(str::to_owned))
            .filter(|value| !value.is_empty())
    }

    /// The value as a type; every source was checked with the same function, so that a value that
    /// is no such type is none.
    fn parsed<T, E>(&self, setting: &Setting, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        self.value(setting).and_then(|value| parse(&value).ok())
    }

    fn switch(&self, setting: &Setting, default: bool) -> bool {
        self.parsed(setting, go::boolean).unwrap_or(default)
    }

    fn command(&self, is_healthcheck: bool, files: &dyn Files) -> Result<Command, Faults> {
        if is_healthcheck {
            let to = self.value(&options::TO);
            let address = to.unwrap_or_else(|| self.address(&options::BIND_TCP));
            return Ok(Command::Healthcheck { address });
        }
        let mut notices = Vec::new();
        let (concurrency, destinations) =
            match (self.concurrency(&mut notices), self.destinations()) {
                (Ok(concurrency), Ok(destinations)) => (concurrency, destinations),
                (concurrency, destinations) => {
                    let messages = concurrency.err().into_iter().chain(destinations.err());
                    return Err(self.faults(messages.collect()));
                }
            };
        let settings = Settings {
            udp_address: self.address(&options::BIND),
            tcp_address: self.address(&options::BIND_TCP),
            tcp_required: self.switch(&options::TCP_REQUIRED, false),
            memory: BufferMemory::evaluate(
                self.parsed(&options::BUFFER_MEMORY, go::integer).unwrap_or(0),
                files,
            ),
            concurrency,
            destinations,
            identity: IdentitySettings {
                region: self.value(&options::REGION),
                local_mode: self.switch(&options::LOCAL_MODE, false),
                role_arn: self.value(&options::ROLE_ARN),
                external_id: self.value(&options::EXTERNAL_ID),
            },
            outbound: Outbound {
                proxy: self
                    .value(&options::PROXY_ADDRESS)
                    .or_else(|| self.environment.variable("HTTPS_PROXY")),
                no_proxy: self
                    .value(&options::NO_PROXY)
                    .or_else(|| self.environment.variable("NO_PROXY"))
                    .or_else(|| self.environment.variable("no_proxy")),
                no_verify_ssl: self.switch(&options::NO_VERIFY_SSL, false),
            },
            retry: Retry {
                attempts: self
                    .parsed(&options::ATTEMPTS, values::attempts)
                    .unwrap_or(DEFAULT_RETRY.attempts),
                timeout: self
                    .parsed(&options::REQUEST_TIMEOUT, values::request_seconds)
                    .unwrap_or(DEFAULT_RETRY.timeout),
                ..DEFAULT_RETRY
            },
            spool: self.spool(&mut notices),
            policy: self.policy(&mut notices),
            proxy_everything: self
                .parsed(&options::PROXY_PATHS, values::proxy_paths)
                .unwrap_or(false),
            shutdown: self
                .parsed(&options::SHUTDOWN_TIMEOUT, values::shutdown_seconds)
                .unwrap_or(DEFAULT_SHUTDOWN),
            resource_arn: self.value(&options::RESOURCE_ARN).unwrap_or_default(),
            log: self.log(&mut notices),
        };
        Ok(Command::Run { settings: Box::new(settings), notices })
    }

    fn address(&self, setting: &Setting) -> String {
        self.value(setting).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned())
    }

    fn concurrency(&self, notices: &mut Vec<String>) -> Result<usize, String> {
        let Some(asked) = self.parsed(&options::CONCURRENCY, go::integer) else {
            return Ok(DEFAULT_CONCURRENCY);
        };
        match usize::try_from(asked) {
            // The official daemon takes 0 for not set.
            Ok(0) => Ok(DEFAULT_CONCURRENCY),
            Ok(number @ ..=MOST_CONCURRENCY) => Ok(number),
            Ok(_) => {
                notices.push(format!("concurrency {asked} is too high; using {MOST_CONCURRENCY}"));
                Ok(MOST_CONCURRENCY)
            }
            // The official daemon starts no sender then and loses everything without a word.
            Err(_) => Err(format!(
                "concurrency {asked}: expected a whole number from 1 to {MOST_CONCURRENCY}"
            )),
        }
    }

    fn destinations(&self) -> Result<Vec<Destination>, String> {
        let mut destinations = self
            .parsed(&options::DESTINATION, values::destinations)
            .unwrap_or_else(|| vec![Destination::Aws { endpoint: None }]);
        for destination in &mut destinations {
            if let Destination::Aws { endpoint } = destination {
                *endpoint = self.endpoint()?;
            }
        }
        Ok(destinations)
    }

    /// What stands in for the endpoint of the region.
    fn endpoint(&self) -> Result<Option<String>, String> {
        let of_sdks = || {
            let ignored = self.environment.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
            if ignored.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
                return None;
            }
            self.environment
                .variable("AWS_ENDPOINT_URL_XRAY")
                .or_else(|| self.environment.variable("AWS_ENDPOINT_URL"))
        };
        let Some(text) = self.value(&options::ENDPOINT).or_else(of_sdks) else { return Ok(None) };
        match values::endpoint(&text) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(error) => Err(format!("endpoint {text:?}: {error}")),
        }
    }

    fn spool(&self, notices: &mut Vec<String>) -> Option<SpoolSettings> {
        let bytes = self.parsed(&options::SPOOL_BYTES, values::spool_bytes);
        let Some(directory) = self.value(&options::SPOOL_DIR) else {
            if bytes.is_some() {
                notices.push("--spool-bytes has no effect without --spool-dir".to_owned());
            }
            return None;
        };
        let most_bytes = bytes.unwrap_or(DEFAULT_SPOOL_BYTES);
        Some(SpoolSettings { directory: PathBuf::from(directory), most_bytes })
    }

    fn policy(&self, notices: &mut Vec<String>) -> Policy {
        let keep_share = self.parsed(&options::KEEP_SHARE, values::share);
        let keep_errors = self.switch(&options::KEEP_ERRORS, false);
        if keep_errors && keep_share.is_none() {
            notices.push("--keep-errors has no effect without --keep-share".to_owned());
        }
        Policy {
            drop_paths: self.parsed(&options::DROP_PATHS, values::paths).unwrap_or_default(),
            keep_share,
            keep_errors,
        }
    }

    fn log(&self, notices: &mut Vec<String>) -> LogSettings {
        let of_file = self.file.get(&options::LOG_LEVEL);
        let asked = self.value(&options::LOG_LEVEL);
        let (level, unknown) = level_of(asked.as_deref(), of_file);
        if let Some(unknown) = unknown {
            notices.push(format!(
                "log level {unknown:?} is not known; expected dev, debug, info, warn, error or prod"
            ));
        }
        LogSettings {
            level,
            file: self.value(&options::LOG_FILE).map(PathBuf::from),
            rotation: self.switch(&options::LOG_ROTATION, true),
            json: self.parsed(&options::LOG_FORMAT, values::log_format).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests;
