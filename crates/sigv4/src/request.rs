//! What of an HTTP request is signed, borrowed from whichever HTTP library holds it.

use sha2::{Digest as _, Sha256};

/// The parts of an HTTP request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, e.g. `POST`.
    pub method: &'a str,
    /// The path as it stands on the request line: beginning with `/`, not decoded.
    pub path: &'a str,
    /// The query as it stands on the request line, without the `?`; empty when there is none.
    pub query: &'a str,
    /// Header names, in any case, and values. The names of repeated headers are repeated, in the
    /// order of the message.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub payload: Payload<'a>,
}

/// The body of a request, or what its reader has made of it.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// The whole body.
    Bytes(&'a [u8]),
    /// The SHA-256 of the whole body, for a caller that hashed it while it passed.
    Sha256([u8; 32]),
}

impl Payload<'_> {
    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Bytes(bytes) => Sha256::digest(bytes).into(),
            Self::Sha256(hash) => *hash,
        }
    }
}

impl<'a> Request<'a> {
    /// The values of one header, in the order of the message.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(sent, _)| sent.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}
