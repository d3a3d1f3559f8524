//! Heads and bodies of answers.

/// Most bytes of the line that tells the length of a chunk.
const MAX_CHUNK_LINE: usize = 1024;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the first line is {0:?}")]
    StatusLine(String),
    #[error("the length of the body is {0:?}")]
    Length(String),
    #[error("a transfer encoding {0:?}, which is not understood")]
    Encoding(String),
    #[error("a chunk of length {0:?}")]
    Chunk(String),
    #[error("it is longer than {most} bytes")]
    TooLong { most: usize },
    #[error("it ends before it is complete")]
    Unfinished,
}

/// What the head of an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Whether the server closes the connection behind the answer.
    pub(super) closes: bool,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
    /// As long as the connection lasts.
    ToTheEnd,
}

/// Reads a head and tells how many bytes it has; `None` when it has not arrived whole.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| Malformed::StatusLine(first.chars().take(100).collect()))?;
    let mut head = Head { status, closes: first.starts_with("HTTP/1.0"), length: Length::ToTheEnd };
    // Answers that never have a body, whatever they say.
    let is_empty = status < 200 || status == 204 || status == 304;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") && head.length != Length::Chunked {
            let length = value.parse().map_err(|_| Malformed::Length(value.to_owned()))?;
            head.length = Length::Bytes(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(Malformed::Encoding(value.to_owned()));
            }
            head.length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    if is_empty {
        head.length = Length::Bytes(0);
    }
    head.closes |= head.length == Length::ToTheEnd;
    Ok(Some((head, end + 4)))
}

impl Head {
    /// Whether the body ends where the connection does.
    pub(super) fn ends_with_connection(self) -> bool {
        self.length == Length::ToTheEnd
    }

    /// Moves what has arrived of the body; true when that was all of it.
    pub(super) fn take_body(
        self,
        incoming: &mut Vec<u8>,
        body: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        match self.length {
            Length::Bytes(length) => {
                let wanted = length.saturating_sub(body.len());
                body.extend(incoming.drain(..wanted.min(incoming.len())));
                Ok(body.len() == length)
            }
            Length::ToTheEnd => {
                body.append(incoming);
                Ok(false)
            }
            Length::Chunked => take_chunks(incoming, body),
        }
    }
}

/// Moves whole chunks; true behind the last one.
fn take_chunks(incoming: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, Malformed> {
    loop {
        let Some(line_end) = incoming.windows(2).position(|window| window == b"\r\n") else {
            let is_too_long = incoming.len() > MAX_CHUNK_LINE;
            return if is_too_long { Err(Malformed::Chunk(String::new())) } else { Ok(false) };
        };
        let line = String::from_utf8_lossy(incoming.get(..line_end).unwrap_or_default());
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16)
            .map_err(|_| Malformed::Chunk(digits.chars().take(20).collect()))?;
        let begin = line_end + 2;
        let end = begin.saturating_add(length);
        // Behind the last chunk, of length 0, stand trailers, which nobody sends, and an empty line.
        if incoming.len() < end.saturating_add(2) {
            return Ok(false);
        }
        body.extend_from_slice(incoming.get(begin..end).unwrap_or_default());
        incoming.drain(..end + 2);
        if length == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds an answer byte by byte; gives status, body and whether the connection stays.
    fn read(answer: &str) -> Result<Option<(u16, String, bool)>, Malformed> {
        let (mut incoming, mut body, mut head) = (Vec::new(), Vec::new(), None);
        for byte in answer.bytes() {
            incoming.push(byte);
            if head.is_none()
                && let Some((parsed, length)) = parse_head(&incoming)?
            {
                incoming.drain(..length);
                head = Some(parsed);
            }
            if let Some(head) = head
                && head.take_body(&mut incoming, &mut body)?
            {
                let body = String::from_utf8(body).unwrap();
                return Ok(Some((head.status, body, !head.closes)));
            }
        }
        let ends = head.filter(|head| head.ends_with_connection());
        Ok(ends.map(|head| (head.status, String::from_utf8(body).unwrap(), !head.closes)))
    }

    #[test]
    fn answers() {
        let check = |answer: &str, expect: Option<(u16, &str, bool)>| {
            let expect = expect.map(|(status, body, stays)| (status, body.to_owned(), stays));
            assert_eq!(read(answer), Ok(expect), "{answer:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some((200, "{}", true)));
        check("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", Some((200, "", true)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, "", true)));
        check(
            "HTTP/1.1 429 Too Many\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
            Some((429, "x", false)),
        );
        check("HTTP/1.0 200 OK\r\n\r\nall of it", Some((200, "all of it", false)));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
            Some((200, "abc0123456789", true)),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None);
        check("HTTP/1.1 200 OK\r\nContent-Le", None);
    }

    #[test]
    fn what_is_no_answer() {
        let check = |answer: &str, expect: Malformed| {
            assert_eq!(read(answer), Err(expect), "{answer:?}");
        };
        check("SSH-2.0-x\r\n\r\n", Malformed::StatusLine("SSH-2.0-x".to_owned()));
        check("HTTP/1.1 200\r\nContent-Length: x\r\n\r\n", Malformed::Length("x".to_owned()));
        check(
            "HTTP/1.1 200\r\nTransfer-Encoding: gzip\r\n\r\n",
            Malformed::Encoding("gzip".into()),
        );
        check(
            "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            Malformed::Chunk("zz".to_owned()),
        );
    }
}
