//! The command line. Values are taken as text here and read in `config`, so that everything that
//! is wrong, wherever it stands, is told at once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// AWS X-Ray that anyone can run: takes segments from the X-Ray SDKs, stores them, and shows
/// service map, traces and timelines.
///
/// Without a command it serves. One port does everything: UDP for segments, TCP for the X-Ray API
/// and the web console.
#[derive(Debug, Parser)]
#[command(name = "roentgen", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  roentgen                                       serve on 127.0.0.1:2000, data in ./roentgen-data
  roentgen --bind 0.0.0.0:2000                   serve to the network as well
  roentgen sample-traffic                        make traffic to look at, for a minute
  AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000 my-app  point an app with an X-Ray SDK here
  aws xray get-sampling-rules --endpoint-url http://127.0.0.1:2000 --region us-east-1 \
    --no-sign-request                            ask as you would ask X-Ray; any region will do

Every option of serve can also be set by the environment variable that is told with it. The YAML
file that --config names can set all but --config, each by the name of its variable in lower case
and without ROENTGEN_ (ROENTGEN_DATA_DIR: data_dir). An option wins over the environment, and that
over the file. The options of sample-traffic can be set on its command line only.")]
pub struct Cli {
    /// What to do; serve when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take segments, store them, answer queries (what happens without a command).
    Serve(ServeArgs),
    /// Send the traffic of a sample shop of ten services: some 400 requests of the last ten
    /// minutes at once, then more in real time.
    SampleTraffic(SampleTrafficArgs),
    /// Ask a running server whether it is well; for container health checks.
    Healthcheck(HealthcheckArgs),
    /// Check, copy, export and import what is stored.
    Store(StoreArgs),
}

/// Options of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Address to listen on, UDP and TCP alike; port 0 picks a free one [env: ROENTGEN_BIND]
    /// [default: 127.0.0.1:2000].
    #[arg(long, value_name = "HOST:PORT")]
    pub bind: Option<String>,
    /// Where everything is kept; made when missing [env: ROENTGEN_DATA_DIR] [default:
    /// ./roentgen-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// YAML file with any of the other options, as data_dir for --data-dir [env: ROENTGEN_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log to standard error: off, error, warn, info, debug or trace, also for each part,
    /// as info,roentgen_store=debug [env: ROENTGEN_LOG_LEVEL] [default: info].
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How long traces are kept, as 12h or 30d [env: ROENTGEN_RETENTION_AGE] [default: 30d].
    #[arg(long, value_name = "TIME")]
    pub retention_age: Option<String>,
    /// How much disk the documents may take, as 500MiB or 10GiB; the oldest traces go first.
    /// Indexes come on top: a fifth, for traces of one small segment nearly as much again [env:
    /// ROENTGEN_RETENTION_BYTES] [default: 1GiB].
    #[arg(long, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
    /// How much memory recent traces may take, as 96MiB; beyond it they settle at once, which keeps
    /// them but costs more [env: ROENTGEN_OPEN_BYTES] [default: 96MiB].
    #[arg(long, value_name = "SIZE")]
    pub open_bytes: Option<String>,
    /// How much memory may hold what queries have read of settled traces, so that the next ones
    /// are faster [env: ROENTGEN_CACHE_BYTES] [default: 64MiB].
    #[arg(long, value_name = "SIZE")]
    pub cache_bytes: Option<String>,
    /// An option of earlier versions, known so that it can be told what to use instead.
    #[arg(long, value_name = "SIZE", hide = true)]
    pub index_bytes: Option<String>,
    /// A name under which browsers may reach the server besides localhost and the address it is
    /// bound to; can be given several times. Without it, a server bound to a loopback address takes
    /// no other name, any other server takes all [env: ROENTGEN_ALLOWED_HOSTS, separated by
    /// commas].
    #[arg(long = "allowed-host", value_name = "NAME")]
    pub allowed_hosts: Vec<String>,
}

/// Options of `sample-traffic`. Before it goes on in real time, the shop sends some 400 requests of
/// the last ten minutes, so that charts have something to show.
#[derive(Clone, Debug, Args)]
pub struct SampleTrafficArgs {
    /// Where to send the segments: any X-Ray daemon or Roentgen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:2000")]
    pub to: String,
    /// Requests to the shop per second.
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    pub rate: f64,
    /// How long to go on.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub duration: u64,
    /// Start of the random numbers: the same seed makes the same traffic.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Options of `healthcheck`.
#[derive(Clone, Debug, Args)]
pub struct HealthcheckArgs {
    /// The server to ask; without it, the address that a server started with the same environment
    /// and file listens on [env: ROENTGEN_BIND] [default: 127.0.0.1:2000].
    #[arg(long, value_name = "HOST:PORT")]
    pub to: Option<String>,
    /// The YAML file of the server [env: ROENTGEN_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `store`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  roentgen store check --data-dir /var/lib/roentgen      read everything, say what is damaged
  roentgen store snapshot /backup/today                  a consistent copy, also while it serves
  roentgen store export traces.jsonl                     every document, one per line
  roentgen store export --since 24h - | zstd > day.zst   those of the last day, to a pipe
  roentgen store export --format parquet tables/         tables for DuckDB, pandas, Athena
  roentgen store import traces.jsonl --data-dir new      into another (or a new) data directory

check, snapshot and export write nothing to the data directory and work while a server uses it.
rebuild and import need it for themselves: stop the server first.")]
pub struct StoreArgs {
    /// What to do.
    #[command(subcommand)]
    pub tool: StoreTool,
}

/// What can be done with a data directory.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreTool {
    /// Read everything that is stored, and say what is damaged and where. Fails when something is.
    Check(CheckArgs),
    /// Make everything anew that is made from the log: indexes, summaries, service graphs.
    Rebuild(RebuildArgs),
    /// Make a consistent copy of the data directory, also while a server uses it.
    Snapshot(SnapshotArgs),
    /// Write what is stored as JSON lines, or as Parquet tables.
    Export(ExportArgs),
    /// Store documents from JSON lines: those of export, or plain X-Ray documents.
    Import(ImportArgs),
}

/// Which data directory; the one that a server started with the same environment and file uses.
#[derive(Clone, Debug, Default, Args)]
pub struct DataDirArgs {
    /// The data directory [env: ROENTGEN_DATA_DIR] [default: ./roentgen-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// The YAML file of the server [env: ROENTGEN_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `store check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which data directory.
    #[command(flatten)]
    pub directory: DataDirArgs,
    /// Write the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `store rebuild`.
#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// Which data directory.
    #[command(flatten)]
    pub directory: DataDirArgs,
}

/// Options of `store snapshot`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArgs {
    /// Where to: a directory that does not exist yet, or an empty one. On the file system of the
    /// data directory, all but the newest log file take no room of their own.
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    /// Which data directory.
    #[command(flatten)]
    pub directory: DataDirArgs,
}

/// Options of `store export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Where to: a file for JSON lines (- for standard output), a directory for Parquet.
    #[arg(value_name = "OUTPUT")]
    pub output: PathBuf,
    /// What to write.
    #[arg(long, value_enum, default_value_t = ExportFormat::JsonLines)]
    pub format: ExportFormat,
    /// Only what was received at this time or later: 2026-11-22, 2026-11-22T13:00:00Z, epoch
    /// seconds, or so long ago as 12h or 7d.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what was received before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Where the snapshot is made that Parquet tables are read from, and removed again. On the file
    /// system of the data directory it takes next to no room, elsewhere as much as what is stored
    /// [default: OUTPUT].
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Which data directory.
    #[command(flatten)]
    pub directory: DataDirArgs,
}

/// Formats of `store export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One document per line, byte for byte, with its time of receipt. Import reads it.
    JsonLines,
    /// Three tables: segments, traces, edges of the service graph by minute.
    Parquet,
}

/// Options of `store import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Files of JSON lines; - for standard input. Lines may also be plain segment documents, such
    /// as those of `aws xray batch-get-traces`; they count as received now.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Which data directory.
    #[command(flatten)]
    pub directory: DataDirArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_command() {
        let bind = |line: &[&str]| {
            let cli = Cli::try_parse_from(line).unwrap();
            match cli.command {
                Some(Command::Serve(args)) => args.bind,
                Some(_) => panic!("not serving"),
                None => cli.serve.bind,
            }
        };
        assert_eq!(bind(&["roentgen"]), None);
        assert_eq!(bind(&["roentgen", "--bind", "x:1"]).as_deref(), Some("x:1"));
        assert_eq!(bind(&["roentgen", "serve", "--bind", "x:1"]).as_deref(), Some("x:1"));
        assert!(Cli::try_parse_from(["roentgen", "--bnid", "x:1"]).is_err());
    }
}
