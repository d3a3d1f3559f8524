//! What a person reads when the server has started.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use roentgen_ops::reachable;

/// What the AWS CLI insists on; any value will do.
const AWS_CLI_OPTIONS: &str = "--region us-east-1 --no-sign-request";

/// The lines for standard output: where everything is, and what to set in an app. The path of the
/// data directory is told whole: started from another folder, a server has other data.
pub(crate) fn banner(address: SocketAddr, data_dir: &Path, traces: usize) -> String {
    let reached = reachable(address);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<15} {value}");
    };
    line("Console", format!("http://{reached}"));
    line("Your app", format!("AWS_XRAY_DAEMON_ADDRESS={reached}"));
    line("X-Ray API", format!("aws xray … --endpoint-url http://{reached} {AWS_CLI_OPTIONS}"));
    line("Listening on", format!("{address} (UDP and TCP)"));
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    line("Data directory", format!("{} ({traces} traces)", data_dir.display()));
    format!("Roentgen {}\n{text}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_newcomer_needs() {
        let text = banner("0.0.0.0:2000".parse().unwrap(), Path::new("/data/x"), 7);
        let version = env!("CARGO_PKG_VERSION");
        let expect = format!(
            "Roentgen {version}\n  \
             Console         http://127.0.0.1:2000\n  \
             Your app        AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000\n  \
             X-Ray API       aws xray … --endpoint-url http://127.0.0.1:2000 --region us-east-1 \
             --no-sign-request\n  \
             Listening on    0.0.0.0:2000 (UDP and TCP)\n  \
             Data directory  /data/x (7 traces)\n"
        );
        assert_eq!(text, expect);
    }
}
