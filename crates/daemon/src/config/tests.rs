//! Tests of the whole way from command line, environment and file to settings.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::config::test_files::MapFiles;
use crate::mutations::{many_cases, mutated};
use crate::settings::LogLevel;

/// Command lines, files and variables, and what the official daemon made of them.
const GOLDEN: &str = include_str!("../../testdata/command-lines.json");

/// The memory of the machine where that was recorded.
const MEMORY: (&str, &str) = ("/proc/meminfo", "MemTotal:       24684544 kB\n");

const TIME: &str = "<time>";

#[derive(Deserialize)]
struct Golden {
    runs: BTreeMap<String, Run>,
}

#[derive(Deserialize)]
struct Run {
    arguments: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// What it printed when it ended before it logged.
    exit: Option<GoldenExit>,
    /// What its log told.
    log: Option<GoldenLog>,
}

#[derive(Deserialize)]
struct GoldenExit {
    code: u8,
    stdout: String,
    stderr: String,
    #[serde(default)]
    log_file: BTreeMap<PathBuf, String>,
}

#[derive(Deserialize)]
struct GoldenLog {
    memory: Option<u64>,
    buffers: Option<u64>,
    region: Option<String>,
    udp_address: Option<String>,
    tcp_address: Option<String>,
    proxy: Option<String>,
    /// Whether there were lines of level debug.
    debug: Option<bool>,
    log_file: Option<PathBuf>,
    /// The error that ended it.
    error: Option<String>,
}

#[test]
fn recorded_command_lines() {
    let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(golden.runs.len(), 40);
    for (name, run) in golden.runs {
        let files = run
            .files
            .iter()
            .fold(MapFiles::of(&[MEMORY]), |files, (path, text)| files.with(path, text.as_bytes()));
        let outcome = gather(&run.arguments, &run.environment, &files, SystemTime::UNIX_EPOCH);
        match (outcome, run.exit, run.log) {
            (Err(exit), Some(expect), None) => check_exit(&name, &exit, &expect),
            (Ok(Command::Run { settings, .. }), None, Some(expect)) => {
                check_settings(&name, &settings, &expect);
            }
            (outcome, ..) => panic!("{name}: {outcome:?}"),
        }
    }
}

fn check_exit(name: &str, exit: &Exit, expect: &GoldenExit) {
    assert_eq!(exit.code, expect.code, "{name}");
    // Our usage goes on with our own options.
    let stdout = exit.stdout.replace(VERSION, "<version>");
    let (stdout, rest) = stdout.split_at(expect.stdout.len().min(stdout.len()));
    assert_eq!(stdout, expect.stdout, "{name}");
    assert_eq!(rest.is_empty(), !stdout.starts_with("Usage"), "{name}");
    assert_eq!(without_time(&exit.stderr), expect.stderr, "{name}");
    let log_file = expect.log_file.iter().next();
    assert_eq!(exit.log_file.as_ref(), log_file.map(|(path, _)| path), "{name}");
    if let Some((_, text)) = log_file {
        assert_eq!(&without_time(&exit.stderr), text, "{name}");
    }
}

/// The time is in the zone of the machine, so its text is not known.
fn without_time(text: &str) -> String {
    match text.split_once(" [Error] ") {
        Some((time, rest)) => {
            assert!(time.parse::<jiff::Timestamp>().is_ok(), "{text}");
            format!("{TIME} [Error] {rest}")
        }
        None => text.to_owned(),
    }
}

fn check_settings(name: &str, settings: &Settings, expect: &GoldenLog) {
    fn check<T: PartialEq + std::fmt::Debug>(name: &str, value: T, expect: Option<T>) {
        if let Some(expect) = expect {
            assert_eq!(value, expect, "{name}");
        }
    }
    let memory = settings.memory;
    check(name, memory.megabytes, expect.memory);
    check(name, memory.segment_buffers(), expect.buffers);
    check(name, settings.identity.region.clone(), expect.region.clone().map(Some));
    check(name, settings.udp_address.clone(), expect.udp_address.clone());
    check(name, settings.tcp_address.clone(), expect.tcp_address.clone());
    check(name, settings.outbound.proxy.clone(), expect.proxy.clone().map(Some));
    check(name, settings.log.level <= LogLevel::Debug, expect.debug);
    assert_eq!(settings.log.file, expect.log_file, "{name}");
    assert_eq!(memory.announce().err().map(|error| error.to_string()), expect.error, "{name}");
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}

fn variables(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn outcome(
    arguments: &[&str],
    environment: &[(&str, &str)],
    files: &[(&str, &str)],
) -> Result<Command, Exit> {
    gather(
        &strings(arguments),
        &variables(environment),
        &MapFiles::of(files),
        SystemTime::UNIX_EPOCH,
    )
}

fn settings(
    arguments: &[&str],
    environment: &[(&str, &str)],
    files: &[(&str, &str)],
) -> (Settings, Vec<String>) {
    match outcome(arguments, environment, files) {
        Ok(Command::Run { settings, notices }) => (*settings, notices),
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults() {
    let (settings, notices) = settings(&[], &[], &[]);
    assert_eq!(notices, [""; 0]);
    assert_eq!(settings.udp_address, "127.0.0.1:2000");
    assert_eq!(settings.tcp_address, "127.0.0.1:2000");
    assert!(!settings.tcp_required);
    assert_eq!(settings.concurrency, 8);
    assert_eq!(settings.destinations, [Destination::Aws { endpoint: None }]);
    assert_eq!(settings.identity.region, None);
    assert!(!settings.identity.local_mode);
    assert_eq!(settings.outbound.proxy, None);
    assert!(!settings.outbound.no_verify_ssl);
    assert_eq!(settings.retry, DEFAULT_RETRY);
    assert_eq!(settings.spool, None);
    assert_eq!(settings.policy, Policy::default());
    assert!(!settings.proxy_everything);
    assert_eq!(settings.shutdown, DEFAULT_SHUTDOWN);
    let log = LogSettings { level: LogLevel::Info, file: None, rotation: true, json: false };
    assert_eq!(settings.log, log);
}

#[test]
fn everything_by_flag_by_variable_or_by_file() {
    let file = "Version: 2\nTotalBufferSizeMB: 7\nConcurrency: 3\nRegion: r\nEndpoint: http://e\n\
        Socket: {UDPAddress: 'u:1', TCPAddress: 't:1', TCPRequired: yes}\n\
        Logging: {LogRotation: false, LogLevel: warn, LogPath: l, Format: json}\n\
        LocalMode: true\nResourceARN: a\nRoleARN: o\nNoVerifySSL: on\nProxyAddress: http://p\n\
        ExternalID: x\nNoProxy: [n, m]\nDestination:\n- aws\n- http://d\nProxyPaths: all\n\
        ShutdownTimeout: 1.5\nAttempts: 2\nRequestTimeout: 3\n\
        Spool:\n  Directory: s\n  Bytes: 3M\nPolicy:\n  DropPaths: /a,/b\n  KeepShare: 0.5\n  KeepErrors: true\n";
    let variables = [
        ("ROENTGEN_DAEMON_BUFFER_MEMORY", "7"),
        ("ROENTGEN_DAEMON_CONCURRENCY", "3"),
        ("ROENTGEN_DAEMON_REGION", "r"),
        ("ROENTGEN_DAEMON_ENDPOINT", "http://e"),
        ("ROENTGEN_DAEMON_BIND", "u:1"),
        ("ROENTGEN_DAEMON_BIND_TCP", "t:1"),
        ("ROENTGEN_DAEMON_TCP_REQUIRED", "1"),
        ("ROENTGEN_DAEMON_LOG_ROTATION", "false"),
        ("ROENTGEN_DAEMON_LOG_LEVEL", "warn"),
        ("ROENTGEN_DAEMON_LOG_FILE", "l"),
        ("ROENTGEN_DAEMON_LOG_FORMAT", "json"),
        ("ROENTGEN_DAEMON_LOCAL_MODE", "true"),
        ("ROENTGEN_DAEMON_RESOURCE_ARN", "a"),
        ("ROENTGEN_DAEMON_ROLE_ARN", "o"),
        ("ROENTGEN_DAEMON_NO_VERIFY_SSL", "T"),
        ("ROENTGEN_DAEMON_PROXY_ADDRESS", "http://p"),
        ("ROENTGEN_DAEMON_EXTERNAL_ID", "x"),
        ("ROENTGEN_DAEMON_NO_PROXY", "n,m"),
        ("ROENTGEN_DAEMON_DESTINATION", "aws,http://d"),
        ("ROENTGEN_DAEMON_PROXY_PATHS", "all"),
        ("ROENTGEN_DAEMON_SHUTDOWN_TIMEOUT", "1.5"),
        ("ROENTGEN_DAEMON_ATTEMPTS", "2"),
        ("ROENTGEN_DAEMON_REQUEST_TIMEOUT", "3"),
        ("ROENTGEN_DAEMON_SPOOL_DIR", "s"),
        ("ROENTGEN_DAEMON_SPOOL_BYTES", "3M"),
        ("ROENTGEN_DAEMON_DROP_PATHS", "/a,/b"),
        ("ROENTGEN_DAEMON_KEEP_SHARE", "0.5"),
        ("ROENTGEN_DAEMON_KEEP_ERRORS", "true"),
    ];
    assert_eq!(variables.len() + 2, options::all().count(), "all but --config and --version");
    let flags: Vec<String> = variables
        .iter()
        .map(|(name, value)| {
            let name = name.strip_prefix("ROENTGEN_DAEMON_").unwrap();
            format!("--{}={value}", name.to_lowercase().replace('_', "-"))
        })
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();

    let expect = format!("{:?}", settings(&["-c", "f"], &[], &[("f", file)]));
    assert_eq!(format!("{:?}", settings(&[], &variables, &[])), expect);
    assert_eq!(format!("{:?}", settings(&flags, &[], &[])), expect);
    assert_eq!(
        format!("{:?}", settings(&[], &[("ROENTGEN_DAEMON_CONFIG", "f")], &[("f", file)])),
        expect
    );

    let (settings, notices) = settings(&flags, &[], &[]);
    assert_eq!(notices, [""; 0]);
    assert_eq!((settings.udp_address.as_str(), settings.tcp_address.as_str()), ("u:1", "t:1"));
    assert!(settings.tcp_required && settings.proxy_everything);
    assert_eq!((settings.memory.megabytes, settings.concurrency), (7, 3));
    let aws = Destination::Aws { endpoint: Some("http://e".to_owned()) };
    let roentgen = Destination::Roentgen { endpoint: "http://d".to_owned(), signed: false };
    assert_eq!(settings.destinations, [aws, roentgen]);
    let identity = settings.identity;
    assert_eq!(identity.region.as_deref(), Some("r"));
    assert_eq!(identity.role_arn.as_deref(), Some("o"));
    assert_eq!(identity.external_id.as_deref(), Some("x"));
    assert!(identity.local_mode);
    let outbound = settings.outbound;
    assert_eq!(outbound.proxy.as_deref(), Some("http://p"));
    assert_eq!(outbound.no_proxy.as_deref(), Some("n,m"));
    assert!(outbound.no_verify_ssl);
    assert_eq!((settings.retry.attempts, settings.retry.timeout), (2, Duration::from_secs(3)));
    assert_eq!(settings.shutdown, Duration::from_millis(1500));
    let spool = SpoolSettings { directory: PathBuf::from("s"), most_bytes: 3 << 20 };
    assert_eq!(settings.spool, Some(spool));
    let drop_paths = strings(&["/a", "/b"]);
    assert_eq!(settings.policy, Policy { drop_paths, keep_share: Some(0.5), keep_errors: true });
    assert_eq!(settings.resource_arn, "a");
    let file = Some(PathBuf::from("l"));
    assert_eq!(
        settings.log,
        LogSettings { level: LogLevel::Warn, file, rotation: false, json: true }
    );
}

#[test]
fn who_counts_more() {
    let file = ("cfg.yaml", "Version: 1\nRegion: of-file\n");
    let variable = ("ROENTGEN_DAEMON_REGION", "of-variable");
    let check = |flags: &[&str], variables: &[(&str, &str)], expect: Option<&str>| {
        let (settings, _) = settings(flags, variables, &[file]);
        assert_eq!(settings.identity.region.as_deref(), expect, "{flags:?} {variables:?}");
    };
    check(&["-n", "of-flag"], &[variable], Some("of-flag"));
    check(&[], &[variable], Some("of-variable"));
    check(&[], &[("ROENTGEN_DAEMON_REGION", "")], Some("of-file"));
    check(&[], &[], Some("of-file"));
    check(&["-n", ""], &[variable], None);
}

#[test]
fn a_switch_can_be_turned_off_again() {
    let file = [("cfg.yaml", "Version: 2\nLocalMode: true\n")];
    assert!(settings(&[], &[], &file).0.identity.local_mode);
    assert!(!settings(&["-o=false"], &[], &file).0.identity.local_mode);
    assert!(!settings(&[], &[("ROENTGEN_DAEMON_LOCAL_MODE", "f")], &file).0.identity.local_mode);
}

#[test]
fn endpoints() {
    let in_file = ("cfg.yaml", "Version: 2\nEndpoint: http://file\n");
    let specific = ("AWS_ENDPOINT_URL_XRAY", "http://xray");
    let general = ("AWS_ENDPOINT_URL", "http://all");
    let check = |flags: &[&str],
                 variables: &[(&str, &str)],
                 files: &[(&str, &str)],
                 expect: Option<&str>| {
        let endpoint = expect.map(str::to_owned);
        let (settings, _) = settings(flags, variables, files);
        assert_eq!(settings.destinations, [Destination::Aws { endpoint }]);
    };
    check(&["--endpoint", "http://flag"], &[specific], &[in_file], Some("http://flag"));
    check(&[], &[specific, general], &[in_file], Some("http://file"));
    check(&[], &[specific, general], &[], Some("http://xray"));
    check(&[], &[general], &[], Some("http://all"));
    check(&[], &[general, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")], &[], None);
    check(
        &["--endpoint", "http://flag"],
        &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
        &[],
        Some("http://flag"),
    );
}

#[test]
fn an_endpoint_is_that_of_aws_alone() {
    let flags = ["--destination", "http://r:2000", "--endpoint", "http://e"];
    let roentgen = Destination::Roentgen { endpoint: "http://r:2000".to_owned(), signed: false };
    assert_eq!(settings(&flags, &[], &[]).0.destinations, [roentgen]);
}

#[test]
fn proxies() {
    let upper = ("HTTPS_PROXY", "http://https-proxy");
    let lower = ("https_proxy", "http://lower");
    let check = |flags: &[&str],
                 variables: &[(&str, &str)],
                 proxy: Option<&str>,
                 no_proxy: Option<&str>| {
        let (settings, _) = settings(flags, variables, &[]);
        assert_eq!(settings.outbound.proxy.as_deref(), proxy);
        assert_eq!(settings.outbound.no_proxy.as_deref(), no_proxy);
    };
    check(&[], &[upper, lower], Some("http://https-proxy"), None);
    check(&[], &[lower], None, None);
    check(&["-p", "http://flag"], &[upper], Some("http://flag"), None);
    check(&[], &[("NO_PROXY", "a"), ("no_proxy", "b")], None, Some("a"));
    check(&[], &[("no_proxy", "b")], None, Some("b"));
    check(&["--no-proxy=c"], &[("NO_PROXY", "a")], None, Some("c"));
}

#[test]
fn notices() {
    let check = |flags: &[&str], expect: &str| {
        assert_eq!(settings(flags, &[], &[]).1, [expect], "{flags:?}");
    };
    check(
        &["-l", "loud"],
        "log level \"loud\" is not known; expected dev, debug, info, warn, error or prod",
    );
    check(&["--spool-bytes", "1G"], "--spool-bytes has no effect without --spool-dir");
    check(&["--keep-errors"], "--keep-errors has no effect without --keep-share");
    check(&["--concurrency", "1000"], "concurrency 1000 is too high; using 256");
}

#[test]
fn wrong_values() {
    let check = |flags: &[&str], variables: &[(&str, &str)], file: &str, expect: &str| {
        let exit = outcome(flags, variables, &[("cfg.yaml", file)]).unwrap_err();
        assert_eq!((exit.code, exit.stdout.as_str()), (1, ""));
        let expect: String =
            expect.lines().map(|line| format!("{TIME} [Error] {line}\n")).collect();
        let stderr: String = exit.stderr.split_inclusive('\n').map(without_time).collect();
        assert_eq!(stderr, expect);
    };
    let fine = "Version: 2\n";
    check(
        &[],
        &[
            ("ROENTGEN_DAEMON_BUFFER_MEMORY", "much"),
            ("ROENTGEN_DAEMON_LOCAL_MODE", "yes"),
            ("ROENTGEN_DAEMON_KEEP_SHARE", "2"),
        ],
        fine,
        "environment variable ROENTGEN_DAEMON_LOCAL_MODE=\"yes\": expected true or false\n\
         environment variable ROENTGEN_DAEMON_BUFFER_MEMORY=\"much\": parse error\n\
         environment variable ROENTGEN_DAEMON_KEEP_SHARE=\"2\": expected a number from 0 to 1",
    );
    check(
        &[],
        &[],
        "Version: 2\nLogging: {Format: xml}\n",
        "Error occur when using config flag: cfg.yaml: Logging.Format: \"xml\": expected text or json",
    );
    check(
        &[],
        &[("ROENTGEN_DAEMON_KEEP_SHARE", "2")],
        "Version: 2\nAttempts: 0\n",
        "environment variable ROENTGEN_DAEMON_KEEP_SHARE=\"2\": expected a number from 0 to 1\n\
         Error occur when using config flag: cfg.yaml: Attempts: \"0\": expected a whole number from 1 to 100",
    );
    check(
        &[],
        &[],
        "Version: 2\nConcurrency: -1\nEndpoint: vpce-1\n",
        "concurrency -1: expected a whole number from 1 to 256\n\
         endpoint \"vpce-1\": expected a URL such as https://vpce-1.xray.example:443",
    );
    check(
        &["--endpoint", "vpce-1"],
        &[],
        fine,
        "endpoint \"vpce-1\": expected a URL such as https://vpce-1.xray.example:443",
    );
}

#[test]
fn a_wrong_value_of_ours_on_the_command_line_is_told_as_go_tells_it() {
    let exit = outcome(&["--attempts", "0"], &[], &[]).unwrap_err();
    assert_eq!(exit.code, 2);
    assert_eq!(
        exit.stderr,
        "invalid value \"0\" for flag -attempts: expected a whole number from 1 to 100\n"
    );
    assert_eq!(exit.stdout, options::usage());
}

#[test]
fn version_and_help_need_no_proper_file() {
    let files = [("cfg.yaml", "Version: 3\n")];
    assert_eq!(outcome(&["-v"], &[], &files).unwrap_err().code, 0);
    assert_eq!(outcome(&["-h"], &[], &files).unwrap_err().code, 0);
    assert!(outcome(&["-v=false"], &[], &[]).is_ok());
}

#[test]
fn health_checks() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], expect: &str| match outcome(
        arguments,
        variables,
        &[],
    ) {
        Ok(Command::Healthcheck { address }) => assert_eq!(address, expect),
        other => panic!("{other:?}"),
    };
    check(&["healthcheck"], &[], "127.0.0.1:2000");
    check(&["healthcheck", "--to", "a:1"], &[], "a:1");
    check(&["healthcheck", "-t", "0.0.0.0:3000"], &[], "0.0.0.0:3000");
    check(&["healthcheck"], &[("ROENTGEN_DAEMON_BIND_TCP", ":3000")], ":3000");
    // Only the first argument; others are positional, which the official daemon does not look at.
    assert!(matches!(outcome(&["foo", "healthcheck"], &[], &[]), Ok(Command::Run { .. })));
    assert_eq!(outcome(&["--to", "a:1"], &[], &[]).unwrap_err().code, 2);
}

#[test]
fn errors_go_to_the_log_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let exit = Exit {
        code: 1,
        stdout: String::new(),
        stderr: "once\n".to_owned(),
        log_file: Some(path.clone()),
    };
    exit.write_log_file().unwrap();
    exit.write_log_file().unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "once\nonce\n");
}

/// The files of the recorded runs, and one with all there is.
fn recorded_files() -> Vec<Vec<u8>> {
    let golden: Golden = serde_json::from_str(GOLDEN).unwrap();
    let files = golden.runs.into_values().flat_map(|run| run.files.into_values());
    let all = options::all().filter_map(|setting| setting.key).fold(
        "Version: 2\n# all\nSocket: {UDPAddress: \"127.0.0.1:0\"}\n".to_owned(),
        |text, key| match key.split_once('.') {
            Some((section, key)) => format!("{text}{section}:\n  {key}: 1\n"),
            None => format!("{text}{key}: [a, \"b\", 'c']\n"),
        },
    );
    files.chain([all]).map(String::into_bytes).collect()
}

const YAML_WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "\t",
    ": ",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "!!binary ",
    "? ",
    "---\n",
    "...\n",
    "#",
    "~",
    "null",
    "true",
    "0x7f",
    "1e999",
    "-1",
    ".nan",
    "Version: 1",
    "Version: 2",
    "LocalMode: yes",
    "\u{feff}",
    "\u{85}",
    "\0",
];

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn mutated_files(bytes in mutated(recorded_files(), YAML_WORDS)) {
        let found = MapFiles::of(&[MEMORY]).with("cfg.yaml", &bytes);
        let named = MapFiles::of(&[MEMORY]).with("f", &bytes);
        for (arguments, files) in [(&[][..], found), (&["-c", "f"], named)] {
            let outcome =
                gather(&strings(arguments), &variables(&[]), &files, SystemTime::UNIX_EPOCH);
            if let Err(exit) = outcome {
                prop_assert_eq!(exit.code, 1);
                prop_assert!(!exit.stderr.trim().is_empty());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_command_line_panics(
        arguments in prop::collection::vec(prop_oneof![
            prop::sample::select(
                options::all().flat_map(|s| [Some(s.long), s.short]).flatten().collect::<Vec<_>>()
            ).prop_map(|name| format!("--{name}")),
            "-[a-z]{1,2}=.{0,5}",
            "[0-9a-z:/.,]{0,8}",
            ".{0,8}",
        ], 0..8),
        variable in prop::sample::select(options::all().map(Setting::variable).collect::<Vec<_>>()),
        value in ".{0,8}",
    ) {
        let environment = BTreeMap::from([(variable, value)]);
        let _ = gather(&arguments, &environment, &MapFiles::default(), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn no_file_panics(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        "(Version: 2\n)?([A-Z][A-Za-z]{0,8}:[ \t]?(&[a-c] |\\*[a-c]|!![a-z]{3} )?[-0-9a-z\\[\\]{},'\"|>~#]{0,6}\n {0,3}){0,6}".prop_map(String::into_bytes),
    ]) {
        let named = MapFiles::default().with("f", &bytes);
        let _ = gather(&strings(&["-c", "f"]), &variables(&[]), &named, SystemTime::UNIX_EPOCH);
        let found = MapFiles::default().with("cfg.yaml", &bytes);
        let _ = gather(&[], &variables(&[]), &found, SystemTime::UNIX_EPOCH);
    }
}
