//! Development tasks, run as `cargo xtask TASK`: everything CI checks, and the benchmarks.
//!
//! One program instead of shell scripts, so that a developer's machine and CI do the same thing and a
//! missing tool is said in words. It uses no crate of the product: what it measures and checks, it
//! sees from outside.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool for developers: standard output is its interface"
)]

mod bench;
mod deploy_check;
mod images;
mod layout;
mod packages;
mod shipped;
mod steps;
mod stopwatch;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
Development tasks of Roentgen.

usage: cargo xtask TASK

tasks:
  test [--only STEP]... [--skip STEP]...
          everything CI checks, step by step; `cargo xtask test --list` names the steps
  deploy-check [--only STEP]... [--skip STEP]...
          everything in deploy/, built and run on this machine; --list names the steps
  images [ARCHITECTURE]...
          static programs and the root directories of the images, for amd64 and arm64, in
          target/images; deploy/images makes images of them
  packages [ARCHITECTURE]...
          Debian packages of the static programs in target/packages
  tidy    the rules of the house that a compiler does not know: arrows between crates, file heads
  bench store [--only PART,…] [--segments N] [--report DIR] [--binary FILE]
              [--load-binary FILE]
          every figure that is promised of the store, measured again, as a page and as JSON;
          parts: limits, ingest, udp, cycles, linear, disk, queries, storm, opening
  bench daemon [--against FILE]… [--only PART,…] [--soak SECONDS] [--rates RATE,…]
               [--report DIR] [--binary FILE] [--target TRIPLE] [--load-binary FILE]
               [--limit-binary FILE]
          what our daemon costs, beside any other one, as a page and as JSON;
          parts: footprint, rates, outage, soak (when it is named, or given its length)
  bench crash [--runs N] [--mode MODE] [--seed N] [--jobs N] [--binary FILE]
          kills the server at random moments, damages its files, and checks that nothing is lost;
          modes: kill, opening, torn, flip-log, flip-settled, flip-manifest, delete
  help    this text

With CI=true a step that cannot run for want of a tool fails; elsewhere it is skipped, and said so.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some((task, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::FAILURE);
    };
    match task.as_str() {
        "test" => steps::run(test::STEPS, rest),
        "deploy-check" => steps::run(deploy_check::STEPS, rest),
        "images" => images::run(rest),
        "packages" => packages::run(rest),
        "tidy" => tidy::run(rest),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => anyhow::bail!("unknown task {other:?}; `cargo xtask help` lists them"),
    }
}
