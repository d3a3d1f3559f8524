//! `roentgen-daemon healthcheck`: asks a running daemon whether it is well, for images without
//! curl.

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;

use roentgen_ops::{AddressError, HealthFault, ask_health, reachable, resolve};

/// Why a daemon does not count as well.
#[derive(Debug, thiserror::Error)]
enum HealthcheckError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Health(#[from] HealthFault),
}

/// Asks, and says what came of it; gives the code to end with.
pub(crate) fn run(address: &str) -> ExitCode {
    // Nobody is left to tell when the outputs are closed.
    match healthcheck(address) {
        Ok(well) => {
            let _ = writeln!(io::stdout(), "{well} is well");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "roentgen-daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks the daemon whose TCP port is `host:port`, as it was told to listen there or as `--to`
/// says. Gives the address that answered that it is well. Blocks for some seconds at most.
///
/// # Errors
/// When none of the host's addresses gives that answer; the first one's is told.
fn healthcheck(address: &str) -> Result<SocketAddr, HealthcheckError> {
    // Without a host the port is open on every address.
    let text = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let first = reachable(resolve(&text)?);
    let Err(fault) = ask_health(first) else { return Ok(first) };
    // The daemon listens on one of the addresses of `localhost`, say, and not on the other.
    let others = text.to_socket_addrs().into_iter().flatten().map(reachable);
    let well = others.filter(|other| *other != first).find(|other| ask_health(*other).is_ok());
    well.ok_or(HealthcheckError::Health(fault))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread::JoinHandle;

    use super::*;

    /// Answers once.
    fn daemon(status: &'static str) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 14];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, *b"GET /healthz H");
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
            // Reads on, or the client would find its connection reset.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        (port, answering)
    }

    #[test]
    fn the_daemon_is_asked_where_it_listens() {
        for host in ["127.0.0.1", "0.0.0.0", "", "localhost"] {
            let (port, answering) = daemon("200 OK");
            let well = healthcheck(&format!("{host}:{port}")).unwrap();
            assert_eq!(well, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "{host}");
            answering.join().unwrap();
        }
    }

    #[test]
    fn faults_are_told_in_a_line() {
        let (port, answering) = daemon("503 Service Unavailable");
        let check = |address: &str, expect: &str| {
            let fault = healthcheck(address).unwrap_err().to_string();
            assert!(fault.starts_with(expect), "{fault}");
            assert_eq!(fault.lines().count(), 1, "{fault}");
        };
        let address = format!("127.0.0.1:{port}");
        let expect = format!("{address} is not well: HTTP/1.1 503 Service Unavailable");
        check(&address, &expect);
        answering.join().unwrap();
        check(&address, &format!("no answer from {address}: "));
        check("nonsense", "address \"nonsense\": ");
    }
}
