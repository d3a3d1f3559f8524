//! The `roentgen-daemon` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    roentgen_daemon::run()
}
