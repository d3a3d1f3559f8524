//! `roentgen healthcheck`: asks a running server whether it is well, for images without curl.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use roentgen_ops::Environment;

use crate::cli::HealthcheckArgs;
use crate::config::DEFAULT_BIND;
use crate::sample_traffic::reachable;

/// How long each step may take; container runtimes give a check some seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The most that is read of the answer; the status line is all that counts.
const MAX_ANSWER_BYTES: u64 = 4096;

/// Fails unless the server answers `GET /healthz` with 200.
pub fn healthcheck(args: &HealthcheckArgs, environment: &dyn Environment) -> anyhow::Result<()> {
    let asked = args.to.clone().or_else(|| environment.variable("ROENTGEN_BIND"));
    let asked = asked.unwrap_or_else(|| DEFAULT_BIND.to_owned());
    let address = asked
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .map(reachable)
        .with_context(|| format!("{asked:?} is not an address; expected host:port"))?;
    let answer = ask(address).with_context(|| format!("no answer from {address}"))?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{address} is not well: {status}");
    }
    Ok(())
}

fn ask(address: std::net::SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
