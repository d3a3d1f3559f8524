//! The datagrams that SDKs send to the daemon: a header line, then one document.
//!
//! ```text
//! {"format": "json", "version": 1}
//! {"trace_id": "1-…", "id": "…", …}
//! ```

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// The header line to write, line feed included.
pub const DATAGRAM_HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// What receivers must be able to hold: more than the largest payload of a UDP datagram, 65,507
/// bytes, so that none is ever cut off.
pub const MAX_DATAGRAM_BYTES: usize = 64 * 1024;

/// Why a datagram was not taken. The cases and their order are the official daemon's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DatagramFault {
    /// No byte at all. The official daemon does not even count these.
    #[error("the datagram is empty")]
    Empty,
    /// No line feed, so nothing separates a header from a document.
    #[error(
        "the datagram has no header line; expected {{\"format\":\"json\",\"version\":1}}, a line feed and a segment document"
    )]
    MissingHeader,
    /// Nothing after the header.
    #[error("the datagram has no document after its header line")]
    MissingDocument,
    /// A header that does not announce JSON of version 1.
    #[error("the datagram's header is not valid; expected {{\"format\":\"json\",\"version\":1}}")]
    InvalidHeader,
}

impl DatagramFault {
    /// All faults, for counters that must exist before the first one.
    pub const ALL: [DatagramFault; 4] = [
        DatagramFault::Empty,
        DatagramFault::MissingHeader,
        DatagramFault::MissingDocument,
        DatagramFault::InvalidHeader,
    ];

    /// The fault as the label of a counter.
    pub const fn reason(self) -> &'static str {
        match self {
            DatagramFault::Empty => "empty_datagram",
            DatagramFault::MissingHeader => "missing_header",
            DatagramFault::MissingDocument => "missing_document",
            DatagramFault::InvalidHeader => "invalid_header",
        }
    }
}

/// The document in a datagram: everything after the first line feed, whatever it is.
///
/// # Errors
/// As the official daemon refuses datagrams. The document itself is not looked at.
pub fn split_datagram(datagram: &[u8]) -> Result<&[u8], DatagramFault> {
    if datagram.is_empty() {
        return Err(DatagramFault::Empty);
    }
    let end = datagram.iter().position(|byte| *byte == b'\n');
    let (header, rest) =
        end.and_then(|end| datagram.split_at_checked(end)).ok_or(DatagramFault::MissingHeader)?;
    let document = rest.get(1..).unwrap_or_default();
    if document.is_empty() {
        return Err(DatagramFault::MissingDocument);
    }
    if is_valid_header(header) { Ok(document) } else { Err(DatagramFault::InvalidHeader) }
}

fn is_valid_header(header: &[u8]) -> bool {
    // What all SDKs send, in their two spellings; no need to parse it.
    if matches!(
        header,
        br#"{"format":"json","version":1}"# | br#"{"format": "json", "version": 1}"#
    ) {
        return true;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(header);
    let is_valid = deserializer.deserialize_map(HeaderVisitor).unwrap_or(false);
    is_valid && deserializer.end().is_ok()
}

/// Reads a header as the Go daemon does: member names and the format ignore case, other members
/// are ignored, the last of several wins, and the version must be written as an integer.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a datagram header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (mut format, mut version) = (String::new(), 0_i64);
        while let Some(name) = map.next_key::<String>()? {
            if name.eq_ignore_ascii_case("format") {
                format = map.next_value()?;
            } else if name.eq_ignore_ascii_case("version") {
                version = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(format.eq_ignore_ascii_case("json") && version == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_the_official_daemons() {
        let check = |datagram: &str, expect: Result<&str, DatagramFault>| {
            let got = split_datagram(datagram.as_bytes());
            assert_eq!(got, expect.map(str::as_bytes), "{datagram:?}");
        };
        use DatagramFault::{Empty, InvalidHeader, MissingDocument, MissingHeader};
        check("", Err(Empty));
        check("garbage without newline", Err(MissingHeader));
        check("{\"format\":\"json\",\"version\":1}\n", Err(MissingDocument));
        check("\n", Err(MissingDocument));
        check("\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\",\"version\":2}\n{}", Err(InvalidHeader));
        check("{\"format\":\"xml\",\"version\":1}\n{}", Err(InvalidHeader));
        check("not json\n{}", Err(InvalidHeader));
        check("[\"format\",\"json\"]\n{}", Err(InvalidHeader));
        check("{}\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\"}\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\",\"version\":\"1\"}\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\",\"version\":1.0}\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\",\"version\":1} x\n{}", Err(InvalidHeader));
        check("{\"format\":\"json\",\"version\":1}\n{}", Ok("{}"));
        check("{\"format\": \"json\", \"version\": 1}\n{}", Ok("{}"));
        check("{\"format\":\"JSON\",\"version\":1}\n{}", Ok("{}"));
        check("{\"Format\":\"json\",\"VERSION\":1,\"extra\":true}\n{}", Ok("{}"));
        check("{\"format\":\"json\",\"version\":1}\r\n{}", Ok("{}"));
        check("{\"format\":\"json\",\"version\":1}\nnot a segment", Ok("not a segment"));
        check("{\"format\":\"json\",\"version\":1}\n[1,2]\n", Ok("[1,2]\n"));
        check("{\"format\":\"json\",\"version\":1}\n\n", Ok("\n"));
    }

    #[test]
    fn the_header_we_write_is_one_we_take() {
        assert_eq!(split_datagram(&[DATAGRAM_HEADER, b"x"].concat()), Ok(&b"x"[..]));
    }

    #[test]
    fn documents_may_be_any_bytes() {
        let datagram = [DATAGRAM_HEADER, b"\xff\xfe\0binary"].concat();
        assert_eq!(split_datagram(&datagram), Ok(&b"\xff\xfe\0binary"[..]));
        assert_eq!(split_datagram(b"\xff\n{}"), Err(DatagramFault::InvalidHeader));
    }
}
