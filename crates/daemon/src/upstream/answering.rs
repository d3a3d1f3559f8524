//! An answer as its bytes come in: the head, then the body, whose end is found as RFC 9112 says
//! (sections 6.3 and 9.3). No I/O, so that any bytes can be tried in any pieces.

use std::io;
use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use httparse::{ParserConfig, Status};

use super::Answer;
use super::chunks::Chunks;

/// Longest head that is read, as with the connections of the TCP port. Usual ones have 200 bytes.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// Most headers of an answer; hyper's number.
const MOST_HEADERS: usize = 100;

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("EOF: connection closed before the answer")]
    Closed,
    #[error("unexpected EOF")] // Go's words, like the next ones.
    CutOff,
    #[error("malformed HTTP response: {0}")]
    Malformed(String),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("time is over")]
    Timeout,
}

/// The answer to one request, as far as it has come.
#[derive(Debug)]
pub(super) struct Reading {
    /// Whether it has no body whatever its head says, since the request asked for none.
    is_bodiless: bool,
    most_bytes: usize,
    head: Option<Head>,
    body: BytesMut,
}

/// An answer that is there, or as much of its body as was asked for.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    /// Whether another request may follow on the same connection.
    pub(super) leaves_open: bool,
}

#[derive(Debug)]
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    framing: Framing,
    keeps_alive: bool,
}

/// Where the body ends.
#[derive(Debug)]
enum Framing {
    /// After so many more bytes.
    Length(usize),
    Chunked(Chunks),
    /// Where the connection does.
    UntilEnd,
}

impl Reading {
    /// Of the body the first `most_bytes`, or some more, are enough.
    pub(super) fn new(method: &Method, most_bytes: usize) -> Self {
        let is_bodiless = *method == Method::HEAD;
        Self { is_bodiless, most_bytes, head: None, body: BytesMut::new() }
    }

    /// The status, once the head is there.
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.head.as_ref().map(|head| head.status)
    }

    /// Takes what belongs to the answer out of what was received. `has_ended` says that nothing more
    /// will come.
    ///
    /// # Errors
    /// When it is not HTTP, or ended too early.
    pub(super) fn take(
        &mut self,
        received: &mut BytesMut,
        has_ended: bool,
    ) -> Result<Option<Answered>, Fault> {
        let head = match &mut self.head {
            Some(head) => head,
            None => match take_head(received, self.is_bodiless)? {
                Some(head) => self.head.insert(head),
                None if has_ended => return Err(Fault::Closed),
                None => return Ok(None),
            },
        };
        let is_whole = match &mut head.framing {
            Framing::Length(left) => {
                let part = received.split_to(received.len().min(*left));
                *left -= part.len();
                self.body.unsplit(part);
                *left == 0
            }
            Framing::Chunked(chunks) => chunks.take(received, &mut self.body)?,
            Framing::UntilEnd => {
                self.body.unsplit(received.split());
                has_ended
            }
        };
        if !is_whole && self.body.len() < self.most_bytes {
            return if has_ended { Err(Fault::CutOff) } else { Ok(None) };
        }
        let leaves_open = is_whole && head.keeps_alive && !has_ended && received.is_empty();
        let (status, headers) = (head.status, std::mem::take(&mut head.headers));
        let body = std::mem::take(&mut self.body).freeze();
        Ok(Some(Answered { answer: Answer { status, headers, body }, leaves_open }))
    }
}

/// The head, once it has come whole; those before it that only say that the answer will follow
/// (`100 Continue`) are passed over.
fn take_head(received: &mut BytesMut, is_bodiless: bool) -> Result<Option<Head>, Fault> {
    loop {
        let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            received,
            &mut headers,
        );
        let length = match parsed.map_err(malformed)? {
            Status::Complete(length) => length,
            Status::Partial if received.len() > MOST_HEAD_BYTES => {
                return Err(malformed("its head is too long"));
            }
            Status::Partial => return Ok(None),
        };
        let head = Head::of(&response, is_bodiless)?;
        received.advance(length);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(malformed("it changes to a protocol that nobody asked for"));
        }
        if !head.status.is_informational() {
            return Ok(Some(head));
        }
    }
}

impl Head {
    fn of(response: &httparse::Response<'_, '_>, is_bodiless: bool) -> Result<Self, Fault> {
        let status = StatusCode::from_u16(response.code.unwrap_or_default()).map_err(malformed)?;
        let mut headers = HeaderMap::with_capacity(response.headers.len());
        for header in &*response.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(malformed)?;
            let value = HeaderValue::from_bytes(header.value).map_err(malformed)?;
            headers.append(name, value);
        }
        let is_bodiless = is_bodiless
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let framing = if is_bodiless { Framing::Length(0) } else { framing(&headers)? };
        // Where two headers tell the end of a body, the next one may not have meant this one.
        let is_ambiguous =
            headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
        let is_current = response.version == Some(1);
        let keeps_alive = match is_current {
            true => !has_option(&headers, CONNECTION, "close") && !is_ambiguous,
            false => has_option(&headers, CONNECTION, "keep-alive") && !is_ambiguous,
        };
        Ok(Self { status, headers, framing, keeps_alive })
    }
}

fn framing(headers: &HeaderMap) -> Result<Framing, Fault> {
    if headers.contains_key(TRANSFER_ENCODING) {
        // The length counts for nothing then.
        let last = options(headers, TRANSFER_ENCODING).last().unwrap_or_default();
        let is_chunked = last.eq_ignore_ascii_case(b"chunked");
        return Ok(match is_chunked {
            true => Framing::Chunked(Chunks::default()),
            false => Framing::UntilEnd,
        });
    }
    let mut length = None;
    for text in options(headers, CONTENT_LENGTH) {
        let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(text).ok().filter(|_| is_number);
        let number = number.and_then(|number| number.parse::<usize>().ok());
        let number = number.ok_or_else(|| malformed("its length is no number"))?;
        if length.is_some_and(|length| length != number) {
            return Err(malformed("it has several lengths"));
        }
        length = Some(number);
    }
    Ok(length.map_or(Framing::UntilEnd, Framing::Length))
}

fn has_option(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    options(headers, name).any(|option| option.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// The parts of a header that is a list.
fn options(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

pub(super) fn malformed(fault: impl ToString) -> Fault {
    Fault::Malformed(fault.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutations::{many_cases, mutated};

    /// Reads an answer that comes in pieces of this size: status, body, and whether the connection
    /// can be used again.
    fn read(bytes: &[u8], piece: usize, most_bytes: usize) -> Result<(u16, Vec<u8>, bool), String> {
        let mut reading = Reading::new(&Method::POST, most_bytes);
        let mut received = BytesMut::new();
        let mut pieces = bytes.chunks(piece);
        loop {
            let next = pieces.next();
            received.extend_from_slice(next.unwrap_or_default());
            match reading.take(&mut received, next.is_none()) {
                Ok(Some(Answered { answer, leaves_open })) => {
                    let leaves_open = leaves_open && pieces.next().is_none();
                    return Ok((answer.status.as_u16(), answer.body.to_vec(), leaves_open));
                }
                Ok(None) => assert!(next.is_some(), "it does not end"),
                Err(fault) => return Err(fault.to_string()),
            }
        }
    }

    fn check(text: &str, expect: Result<(u16, &str, bool), &str>) {
        let expect = expect
            .map(|(status, body, is_open)| (status, body.as_bytes().to_vec(), is_open))
            .map_err(str::to_owned);
        for piece in [1, 2, 3, 7, 50, usize::MAX] {
            assert_eq!(read(text.as_bytes(), piece, 1 << 20), expect, "{text:?} by {piece}");
        }
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        let ok = |body: &'static str, is_open| Ok((200, body, is_open));
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ok("{}", true));
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ok("", true));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\n{}",
            ok("{}", true),
        );
        check("HTTP/1.1 200 OK\r\n\r\n{}", ok("{}", false));
        check(
            "HTTP/1.1 200\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\n{}",
            ok("{}", false),
        );
        check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", ok("{}", false));
        check(
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\n{}",
            ok("{}", true),
        );
        check("HTTP/1.1 204 None\r\nContent-Length: 2\r\n\r\n", Ok((204, "", true)));
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP", ok("{}", false));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 9\r\n\r\n\
             2;a=b\r\n{}\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
            ok("{}0123456789", false),
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ok("{}", true),
        );
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", ok("x", false));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx";
        check(&format!("{interim}{answer}"), Ok((503, "x", true)));
        let protocol = "malformed HTTP response: it changes to a protocol that nobody asked for";
        check("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Err(protocol));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let closed = "EOF: connection closed before the answer";
        check("", Err(closed));
        check("HTTP/1.1 200 OK\r\nContent-", Err(closed));
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", Err("unexpected EOF"));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            Err("unexpected EOF"),
        );
        check("SSH-2.0-OpenSSH\r\n", Err("malformed HTTP response: invalid HTTP version"));
        let length = "malformed HTTP response: its length is no number";
        for text in ["x", "-1", "+1", "99999999999999999999999", "1,"] {
            check(&format!("HTTP/1.1 200 OK\r\nContent-Length: {text}\r\n\r\n"), Err(length));
        }
        let several = "malformed HTTP response: it has several lengths";
        check("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx", Err(several));
        let chunk = "malformed HTTP response: invalid chunk size";
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", Err(chunk));
        let end = "malformed HTTP response: a chunk does not end where it should";
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz", Err(end));
    }

    #[test]
    fn nothing_grows_without_bound() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MOST_HEAD_BYTES));
        let expect = Err("malformed HTTP response: its head is too long".to_owned());
        assert_eq!(read(long.as_bytes(), 4 << 10, 1), expect);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MOST_HEADERS + 1));
        assert!(read(many.as_bytes(), 4 << 10, 1).is_err());
        let body = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
        let (_, part, is_open) = read(body.as_bytes(), 1_000, 3_000).unwrap();
        assert!((3_000..4_100).contains(&part.len()) && !is_open, "{}", part.len());
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for endless in [
            "1;".to_owned() + &"x".repeat(100_000),
            "0\r\n".to_owned() + &"A: b\r\n".repeat(20_000),
        ] {
            let read = read(format!("{head}{endless}").as_bytes(), 1_000, 1 << 20);
            assert!(read.clone().unwrap_err().contains("too long"), "{read:?}");
        }
    }

    #[test]
    fn a_request_for_the_head_alone_gets_no_body() {
        let mut reading = Reading::new(&Method::HEAD, 10);
        let mut received = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        let answered = reading.take(&mut received, false).unwrap().unwrap();
        assert!(answered.leaves_open && answered.answer.body.is_empty());
    }

    const WORDS: &[&str] = &[
        "\r\n",
        "\r\n\r\n",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "0\r\n\r\n",
        "fffffffffffffffff",
        "\u{0}",
    ];

    fn answers() -> impl Strategy<Value = Vec<u8>> {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{\"UnprocessedTraceSegments\":[]}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.0 503 Busy\r\n\r\n<html>",
        ];
        mutated(answers.iter().map(|text| text.as_bytes().to_vec()).collect(), WORDS)
    }

    proptest! {
        #![proptest_config(many_cases())]

        #[test]
        fn pieces_make_no_difference(bytes in answers(), piece in 1_usize..60) {
            prop_assert_eq!(read(&bytes, piece, 1 << 20), read(&bytes, usize::MAX, 1 << 20));
        }
    }
}
