//! The program as a person starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A started program that is killed when the test ends early.
struct Program {
    child: Child,
    address: SocketAddr,
    /// Everything printed at the start.
    lines: Vec<String>,
}

fn command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roentgen"));
    // No settings of the person who runs the tests.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROENTGEN_")) {
        command.env_remove(name);
    }
    command.current_dir(directory.path());
    command
}

fn run(directory: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(directory).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

impl Program {
    fn start(directory: &TempDir, args: &[&str]) -> Self {
        let mut child = command(directory)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines: Vec<String> =
            BufReader::new(stdout).lines().map_while(Result::ok).take(6).collect();
        let address = lines.iter().find_map(|line| line.split("http://").nth(1)?.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("{lines:?}")), child, lines }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    fn wait(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_serves_tells_where_and_ends_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let directory = TempDir::new().unwrap();
        let mut program = Program::start(&directory, &["--bind", "127.0.0.1:0"]);
        let address = program.address;
        let text = program.lines.join("\n");
        for part in [
            format!("Console         http://{address}"),
            format!("AWS_XRAY_DAEMON_ADDRESS={address}"),
            format!("--endpoint-url http://{address}"),
            format!("{} (0 traces)", directory.path().join("roentgen-data").display()),
        ] {
            assert!(text.contains(&part), "{text}");
        }
        let to = address.to_string();
        assert_eq!(run(&directory, &["healthcheck", "--to", &to]).0, Some(0));

        let other = TempDir::new().unwrap();
        let (code, _, error) = run(&other, &["serve", "--bind", &to]);
        assert_eq!(code, Some(1));
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("is in use (TCP)"), "{error}");
        let (code, _, error) = run(&directory, &["--bind", "127.0.0.1:0"]);
        assert_eq!(code, Some(1));
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("data directory ./roentgen-data is in use"), "{error}");

        program.signal(signal);
        let (code, log) = program.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("stopped"), "{log}");
        assert_eq!(run(&directory, &["healthcheck", "--to", &to]).0, Some(1));
    }
}

#[test]
fn faults_of_the_configuration_are_told_together() {
    let directory = TempDir::new().unwrap();
    let args = ["--bind", "nowhere", "--log-level", "loud", "--retention-age", "long"];
    let (code, out, error) = run(&directory, &args);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let places: Vec<_> = error.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(places, ["--bind", "--log-level", "--retention-age"]);
    assert!(!directory.path().join("roentgen-data").exists());
}

#[test]
fn help_teaches() {
    let directory = TempDir::new().unwrap();
    let (code, out, _) = run(&directory, &["--help"]);
    assert_eq!(code, Some(0));
    for part in
        ["ROENTGEN_DATA_DIR", "sample-traffic", "AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000", "30d"]
    {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
}

#[test]
fn sample_traffic_needs_a_rate() {
    let directory = TempDir::new().unwrap();
    let (code, out, error) = run(&directory, &["sample-traffic", "--rate", "0"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("0 requests per second are not possible"), "{error}");
    let (code, _, error) = run(&directory, &["sample-traffic", "--to", "nowhere"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("expected host:port"), "{error}");
}
