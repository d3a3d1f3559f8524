//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use roentgen_load::{Corpus, CorpusError, Fleet, Shares};

use crate::http::Address;

/// Sends X-Ray traffic, fast and in any shape, and checks that all of it can be read back.
#[derive(Debug, Parser)]
#[command(name = "roentgen-load", version, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) sink: Sink,
}

/// Where documents go.
#[derive(Debug, Subcommand)]
pub(crate) enum Sink {
    /// Datagrams to a daemon or to Roentgen, as SDKs send them.
    ///
    /// Nobody acknowledges a datagram, so there are no latencies. What the kernel lost is told by
    /// the server's own count, read from its page /metrics.
    Udp(UdpArguments),
    /// PutTraceSegments over kept-alive connections.
    Http(HttpArguments),
    /// A file, as fast as it can be written.
    File(FileArguments),
}

#[derive(Debug, Args)]
pub(crate) struct UdpArguments {
    /// Where datagrams are taken, such as 127.0.0.1:2000.
    #[arg(value_name = "HOST:PORT")]
    pub(crate) target: Address,
    /// The X-Ray API to read back from; by default at the same address.
    #[arg(long, value_name = "URL", value_parser = Address::parse_url)]
    pub(crate) api: Option<Address>,
    /// End with status 1 when datagrams were lost on the way or refused.
    #[arg(long)]
    pub(crate) fail_on_loss: bool,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) check: CheckArguments,
    #[command(flatten)]
    pub(crate) signing: SigningArguments,
}

#[derive(Debug, Args)]
pub(crate) struct HttpArguments {
    /// The X-Ray API, such as http://127.0.0.1:2000.
    #[arg(value_name = "URL", value_parser = Address::parse_url)]
    pub(crate) target: Address,
    /// Connections, each with one call under way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// Documents in a call; the API takes up to 50.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) documents_per_call: u32,
    /// Make throttled, failed and broken calls again until they are acknowledged.
    #[arg(long)]
    pub(crate) retry: bool,
    /// How long an answer may take.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) check: CheckArguments,
    #[command(flatten)]
    pub(crate) signing: SigningArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FileArguments {
    /// The file to write; it is replaced. `-` for standard output.
    pub(crate) path: PathBuf,
    /// Put the header of a datagram on a line before each document.
    #[arg(long)]
    pub(crate) datagrams: bool,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
}

/// What is sent, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct LoadArguments {
    /// What documents are about.
    #[arg(long, value_enum, default_value_t = Theme::Plain)]
    pub(crate) corpus: Theme,
    /// Where all chance comes from. The same seed gives the same ids, so take another one for each
    /// run against one server.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Added to the names of all services. Then the run is alone with its names, and the counts of
    /// the service graph are checked as well.
    #[arg(long, value_name = "TEXT", value_parser = parse_run_id)]
    pub(crate) run_id: Option<String>,
    /// Documents per second, whatever the server does (open loop). Without, as fast as it takes them
    /// (closed loop).
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// How long to begin requests: 90s, 15m, 2h.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How many documents to send; the last request is completed.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) documents: Option<u64>,
    /// Requests under way at a time on each connection: their documents take turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) interleave: u32,
    /// How long late documents are held back.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub(crate) late_after: Duration,
    /// Let the requests have happened evenly over this much time before now, not when they are sent.
    /// Needs --documents.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "documents")]
    pub(crate) spread: Option<Duration>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// No line of progress per second.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) fleet: FleetArguments,
}

/// What the requests are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    /// Three services, three segments of about 1 KB to a trace.
    Plain,
    /// The sample shop: ten services in three languages.
    Shop,
    /// A generated fleet; see the options for it.
    Fleet,
}

/// The fleet of `--corpus fleet`. Shares are of requests, 0 to 1.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub(crate) struct FleetArguments {
    /// Services.
    #[arg(long, default_value_t = Fleet::default().services)]
    services: usize,
    /// Layers of services.
    #[arg(long, default_value_t = Fleet::default().depth)]
    depth: usize,
    /// Services of the next layer that one calls.
    #[arg(long, default_value_t = Fleet::default().fan_out)]
    fan_out: usize,
    /// Segments of a big trace, 100 to 10,000.
    #[arg(long, default_value_t = Fleet::default().big_segments)]
    big_segments: usize,
    /// Share in which a service answers 4xx.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().errors)]
    errors: f64,
    /// Share in which a service answers 429.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().throttles)]
    throttles: f64,
    /// Share in which a service throws.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().faults)]
    faults: f64,
    /// Share in which a call is tried again.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().retries)]
    retries: f64,
    /// Share in which a service takes seconds.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().slow)]
    slow: f64,
    /// Share with a message in a queue, whose consumer's trace links back.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().queues)]
    queues: f64,
    /// Share with subsegments that are sent on their own.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().streamed)]
    streamed: f64,
    /// Share with a segment that is sent when it begins as well.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().in_progress)]
    in_progress: f64,
    /// Share with a document that comes late.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().late)]
    late: f64,
    /// Share with a document that comes twice.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().duplicates)]
    duplicates: f64,
    /// Share of big traces.
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().big)]
    big: f64,
}

/// How what was sent is read back.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct CheckArguments {
    /// Check nothing.
    #[arg(long)]
    pub(crate) no_check: bool,
    /// Requests per second that are read back while the run lasts.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 10.0, value_parser = parse_rate)]
    pub(crate) check_rate: f64,
    /// How long after its acknowledgement a request is read back.
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = parse_duration)]
    pub(crate) check_after: Duration,
    /// How long what is missing is asked for again before it counts as missing.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(crate) check_deadline: Duration,
    /// Requests that are read back at the end of the run, spread evenly over it.
    #[arg(long, value_name = "REQUESTS", default_value_t = 100)]
    pub(crate) check_requests: u64,
    /// Traces at the end of the run that are looked for in the trace summaries; more are checked in
    /// part, by whole seconds.
    #[arg(long, value_name = "TRACES", default_value_t = 100_000)]
    pub(crate) check_summaries: u64,
}

/// Signature Version 4 for all requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(crate) struct SigningArguments {
    /// Sign requests.
    #[arg(long, requires_all = ["access_key_id", "secret_access_key"])]
    pub(crate) sign: bool,
    /// The region to sign for.
    #[arg(long, default_value = "us-east-1", env = "AWS_REGION")]
    pub(crate) region: String,
    /// Id of the key to sign with.
    #[arg(long, value_name = "ID", env = "AWS_ACCESS_KEY_ID")]
    pub(crate) access_key_id: Option<String>,
    /// The key to sign with.
    #[arg(long, value_name = "KEY", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub(crate) secret_access_key: Option<String>,
    /// Token of temporary keys.
    #[arg(long, value_name = "TOKEN", env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    pub(crate) session_token: Option<String>,
}

impl LoadArguments {
    /// Prepares the corpus.
    ///
    /// # Errors
    /// When a size or share of the fleet is out of range.
    pub(crate) fn corpus(&self) -> Result<Corpus, CorpusError> {
        let suffix = self.name_suffix().unwrap_or_default();
        match self.corpus {
            Theme::Plain => Corpus::plain(self.seed, &suffix),
            Theme::Shop => Corpus::shop(self.seed, &suffix),
            Theme::Fleet => Corpus::fleet(self.seed, &suffix, &self.fleet.fleet()),
        }
    }

    /// What the names of all services end with.
    pub(crate) fn name_suffix(&self) -> Option<String> {
        self.run_id.as_ref().map(|run_id| format!("-{run_id}"))
    }
}

impl Theme {
    /// The name as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Shop => "shop",
            Self::Fleet => "fleet",
        }
    }
}

impl FleetArguments {
    fn fleet(&self) -> Fleet {
        Fleet {
            services: self.services,
            depth: self.depth,
            fan_out: self.fan_out,
            big_segments: self.big_segments,
            shares: Shares {
                errors: self.errors,
                throttles: self.throttles,
                faults: self.faults,
                retries: self.retries,
                slow: self.slow,
                queues: self.queues,
                streamed: self.streamed,
                in_progress: self.in_progress,
                late: self.late,
                duplicates: self.duplicates,
                big: self.big,
            },
        }
    }
}

/// `200ms`, `90s`, `15m`, `2h`; a number alone is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("the unit {unit:?} is not ms, s, m, h or d")),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number and a unit, as in 90s")?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("expected a number above 0 and at most 1,000,000,000".to_owned()),
    }
}

/// Names of segments may have 200 characters, and only some.
fn parse_run_id(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if (1..=40).contains(&text.len()) && text.chars().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 40 letters, digits and _".to_owned())
    }
}

const AFTER_HELP: &str = "\
Checks:
  A sample of the requests is read back with BatchGetTraces shortly after the last of their
  documents was acknowledged, and another one at the end of the run: every segment and subsegment must be there once, with its name,
  times, parent, annotations and all other members. Traces are looked for in GetTraceSummaries:
  each once. With --run-id the counts of GetServiceGraph must be those of what was sent, by node,
  edge and outcome. What is missing, doubled or different is named by its trace id.

Exit status:
  0  all documents that were to be acknowledged were, and all checks held
  1  something was missing, doubled or different; a document was refused; a call failed for
     another reason than throttling and was not made again; or (--fail-on-loss) a datagram was lost
  2  the command line is wrong

Report (--json), one object; times in milliseconds, names are stable:
  corpus {name, seed, run_id, shapes, mean_document_bytes}
  sink {kind: udp|http|file, target, connections, documents_per_call, signed}
  loop: open|closed, rate, seconds, interrupted
  requests, traces, documents, bytes, documents_per_second, bytes_per_second
  acknowledged, refused, unacknowledged           documents; null where nobody acknowledges
  calls {made, throttled, failed, retried, lost}  null but for http
  latency {count, mean, p50, p90, p99, p99_9, max}  of the acknowledgement, from the intended
                                                  moment of sending; null but for http
  udp {send_errors, received, accepted, rejected, lost}  null but for udp; all but the first null
                                                  when the server's /metrics cannot be read
  client {cpu_seconds, cpu_micros_per_document}   null where the system does not tell
  checks {requests, traces, segments, retried, slowest_visible, abandoned, seconds_listed,
          traces_listed, listings_skipped, nodes, edges, graph: exact|bounds|off, faults,
          explained_by_loss, examples [{kind, trace_id, detail}]}  null with --no-check and for files
  errors {message: count}
  ok: whether the exit status is 0";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            let got = parse_duration(text).ok().map(|duration| duration.as_millis());
            assert_eq!(got, expect.map(u128::from), "{text}");
        };
        check("90s", Some(90_000));
        check("90", Some(90_000));
        check("1.5m", Some(90_000));
        check("250ms", Some(250));
        check("2h", Some(7_200_000));
        check("1d", Some(86_400_000));
        check("s", None);
        check("-1s", None);
        check("1 s", None);
        check("", None);
    }

    #[test]
    fn what_is_no_rate_or_run_id() {
        for rate in ["0", "-1", "NaN", "inf", "1e10", "x"] {
            assert!(parse_rate(rate).is_err(), "{rate}");
        }
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for run_id in ["", "a b", "a-b", "ä", &"x".repeat(41)] {
            assert!(parse_run_id(run_id).is_err(), "{run_id}");
        }
        assert_eq!(parse_run_id("run_7").as_deref(), Ok("run_7"));
    }

    #[test]
    fn impossible_command_lines_are_refused() {
        let check = |arguments: &[&str], expect: &str| {
            let arguments = ["roentgen-load"].iter().chain(arguments);
            let error = Arguments::try_parse_from(arguments).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(&["http", "https://x"], "https:// is not spoken");
        check(&["udp", "localhost"], "no port");
        check(&["http", "localhost:1", "--documents-per-call", "51"], "51 is not in 1..=50");
        check(&["http", "localhost:1", "--spread", "6h"], "--documents");
        check(&["http", "localhost:1", "--rate", "0"], "above 0");
    }
}
