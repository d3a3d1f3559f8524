//! Asking a running process of ours whether it is well, for container images without curl.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long each step may take; container runtimes give a check some seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The most that is read of the answer: its first line tells, and the first of its body says why.
const MAX_ANSWER_BYTES: u64 = 4 << 10;

/// Why a process does not count as well.
#[derive(Debug, thiserror::Error)]
pub enum HealthFault {
    /// Nobody listens there, or nobody answers in time.
    #[error("no answer from {address}: {cause}")]
    NoAnswer {
        /// Who was asked.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// It answers that it is not well, or somebody else answers.
    #[error("{address} is not well: {answer}")]
    NotWell {
        /// Who was asked.
        address: SocketAddr,
        /// The first line of the answer, and the first of its body.
        answer: String,
    },
}

/// Asks for `/healthz`.
///
/// # Errors
/// Unless the answer is 200.
pub fn ask_health(address: SocketAddr) -> Result<(), HealthFault> {
    let (status, reason) = ask(address).map_err(|cause| {
        // What the system says of a socket whose time is up is of no help.
        let cause = match cause.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                io::Error::new(ErrorKind::TimedOut, format!("none within {TIMEOUT:?}"))
            }
            _ => cause,
        };
        HealthFault::NoAnswer { address, cause }
    })?;
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let answer = if reason.is_empty() { status } else { format!("{status}: {reason}") };
    Err(HealthFault::NotWell { address, answer })
}

/// The first line of the answer, and the first of its body.
fn ask(address: SocketAddr) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = BufReader::new(stream.take(MAX_ANSWER_BYTES));
    let mut next_line = || {
        let mut line = Vec::new();
        answer.read_until(b'\n', &mut line)?;
        io::Result::Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    };
    let status = next_line()?;
    // Whoever answers half still has answered.
    while !next_line().unwrap_or_default().is_empty() {}
    Ok((status, next_line().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use super::*;

    #[test]
    fn only_200_is_well() {
        let check = |answer: &'static str, expect: Option<&str>| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let answering = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                String::from_utf8(request).unwrap()
            });
            let outcome = ask_health(address).map_err(|fault| fault.to_string());
            let expect = match expect {
                None => Ok(()),
                Some(status) => Err(format!("{address} is not well: {status}")),
            };
            assert_eq!(outcome, expect);
            let request = answering.join().unwrap();
            assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
        };
        check("HTTP/1.1 200 OK\r\n\r\nok\n", None);
        check("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("HTTP/1.1 503 Service Unavailable"));
        check(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n\r\nno space\nmore of it",
            Some("HTTP/1.1 503 Service Unavailable: no space"),
        );
        check("SSH-2.0-x\r\n", Some("SSH-2.0-x"));
        check("", Some(""));
    }

    #[test]
    fn nobody_is_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let fault = ask_health(address).unwrap_err().to_string();
        assert!(fault.starts_with(&format!("no answer from {address}: ")), "{fault}");
    }
}
