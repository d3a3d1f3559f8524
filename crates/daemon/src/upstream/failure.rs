//! Why a request got no answer, in the words of the official daemon, which people grep for.

use std::io;

use super::answering::Fault;

/// No answer: not from the destination, not even an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct UpstreamError {
    kind: FailureKind,
    text: String,
}

/// How X-Ray's `BackendConnectionErrors` sorts failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Timeout,
    ConnectionRefused,
    UnknownHost,
    /// There was nothing to sign with.
    Credentials,
    Other,
}

impl UpstreamError {
    pub(super) fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Nothing came within the time of the request.
    pub(super) fn timeout() -> Self {
        let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        Self::new(FailureKind::Timeout, text)
    }

    /// The answer began, but did not come to its end within the time of the request.
    pub(super) fn timeout_in_body() -> Self {
        let text = "context deadline exceeded (Client.Timeout or context cancellation while \
                    reading body)";
        Self::new(FailureKind::Timeout, text)
    }

    pub(super) fn unknown_host(host: &str, error: &io::Error) -> Self {
        let text = format!("dial tcp: lookup {host}: no such host ({error})");
        Self::new(FailureKind::UnknownHost, text)
    }

    pub(super) fn dial(address: std::net::SocketAddr, error: &io::Error) -> Self {
        let (kind, text) = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                (FailureKind::ConnectionRefused, "connection refused".to_owned())
            }
            io::ErrorKind::TimedOut => (FailureKind::Timeout, "i/o timeout".to_owned()),
            io::ErrorKind::ConnectionReset => {
                (FailureKind::Other, "connection reset by peer".to_owned())
            }
            io::ErrorKind::HostUnreachable => (FailureKind::Other, "no route to host".to_owned()),
            io::ErrorKind::NetworkUnreachable => {
                (FailureKind::Other, "network is unreachable".to_owned())
            }
            _ => (FailureKind::Other, error.to_string()),
        };
        Self::new(kind, format!("dial tcp {address}: connect: {text}"))
    }

    /// The connection broke, or what came over it is not HTTP.
    pub(super) fn http(error: &hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::new(FailureKind::Other, "EOF: connection closed before the answer");
        }
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::new(FailureKind::Other, text)
    }

    /// The same, of a connection that is worked by whoever waits for the answer.
    pub(super) fn exchange(fault: &Fault) -> Self {
        Self::new(FailureKind::Other, fault.to_string())
    }
}
