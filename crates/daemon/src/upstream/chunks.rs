//! Bodies that come in chunks (RFC 9112, section 7.1).

use bytes::{Buf as _, BytesMut};
use httparse::{Status, parse_chunk_size};
use memchr::memchr;

use super::answering::{Fault, malformed};

/// Longest line of a chunk's size, which may say more than that, and most bytes of what may follow
/// the last chunk. Nobody is known to send any of it.
const MOST_BESIDE_BYTES: usize = 16 << 10;

const LINE_END: &[u8] = b"\r\n";

/// Takes the body out of its chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    part: Part,
    /// Bytes behind the last chunk so far.
    trailer_bytes: usize,
}

/// What comes next.
#[derive(Debug, Default)]
enum Part {
    #[default]
    Size,
    /// So many more bytes of the chunk.
    Data(u64),
    DataEnd,
    Trailer,
}

impl Chunks {
    /// Moves what belongs to the body from `received` there; whether the body has come to its end.
    ///
    /// # Errors
    /// When these are no chunks.
    pub(super) fn take(
        &mut self,
        received: &mut BytesMut,
        body: &mut BytesMut,
    ) -> Result<bool, Fault> {
        loop {
            self.part = match self.part {
                Part::Size => match parse_chunk_size(received).map_err(malformed)? {
                    Status::Complete((length, size)) => {
                        received.advance(length);
                        if size == 0 { Part::Trailer } else { Part::Data(size) }
                    }
                    Status::Partial => return wait_for_line(received),
                },
                Part::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(received.len());
                    body.extend_from_slice(&received.split_to(length));
                    match left - u64::try_from(length).unwrap_or(left) {
                        0 => Part::DataEnd,
                        left => {
                            self.part = Part::Data(left);
                            return Ok(false);
                        }
                    }
                }
                Part::DataEnd if received.len() < LINE_END.len() => return Ok(false),
                Part::DataEnd if received.starts_with(LINE_END) => {
                    received.advance(LINE_END.len());
                    Part::Size
                }
                Part::DataEnd => return Err(malformed("a chunk does not end where it should")),
                Part::Trailer => {
                    let Some(end) = memchr(b'\n', received) else { return wait_for_line(received) };
                    let line = received.split_to(end + 1);
                    if line.trim_ascii().is_empty() {
                        return Ok(true);
                    }
                    self.trailer_bytes += line.len();
                    if self.trailer_bytes > MOST_BESIDE_BYTES {
                        return Err(too_long());
                    }
                    Part::Trailer
                }
            };
        }
    }
}

/// The end of a line is not there yet.
fn wait_for_line(received: &BytesMut) -> Result<bool, Fault> {
    if received.len() > MOST_BESIDE_BYTES { Err(too_long()) } else { Ok(false) }
}

fn too_long() -> Fault {
    malformed("what comes beside its chunks is too long")
}
