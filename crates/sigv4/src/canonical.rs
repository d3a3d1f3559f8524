//! The canonical request: one spelling for all the ways the same request can be written, so that
//! both ends hash the same bytes.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest as _, Sha256};

use crate::request::Request;
use crate::signing_key::Scope;

/// The one algorithm; it stands in the header and in the string to sign.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// A header that is signed: its name in lower case, and one value.
pub(crate) type SignedHeader<'a> = (Cow<'a, str>, &'a [u8]);

/// The string a signature is made of. `headers` are sorted by name, repeated ones in their order;
/// `names` are theirs ([`signed_names`]), and `signed_at` is the time as it is sent.
pub(crate) fn string_to_sign(
    request: &Request<'_>,
    headers: &[SignedHeader<'_>],
    names: &str,
    signed_at: &str,
    scope: Scope<'_>,
) -> String {
    let hash = Sha256::digest(canonical_request(request, headers, names));
    let mut text = format!("{ALGORITHM}\n{signed_at}\n{scope}\n");
    push_hex(&mut text, &hash.into());
    text
}

fn canonical_request(request: &Request<'_>, headers: &[SignedHeader<'_>], names: &str) -> Vec<u8> {
    let mut canonical = Vec::with_capacity(1_024); // Those of batches have some 700.
    canonical.extend_from_slice(request.method.as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(canonical_path(request.path).as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(canonical_query(request.query).as_bytes());
    canonical.push(b'\n');
    for group in headers.chunk_by(|(name, _), (next, _)| name == next) {
        push_header(&mut canonical, group);
    }
    canonical.push(b'\n');
    canonical.extend_from_slice(names.as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(&hex(&request.payload.sha256()));
    canonical
}

/// The names of `headers` as `SignedHeaders=` lists them.
pub(crate) fn signed_names(headers: &[SignedHeader<'_>]) -> String {
    let mut names = String::with_capacity(256);
    for group in headers.chunk_by(|(name, _), (next, _)| name == next) {
        let Some((name, _)) = group.first() else { continue };
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    names
}

/// In lower case; borrowed where it is already, as every HTTP library has it.
pub(crate) fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// In lower-case hexadecimal digits, as SigV4 writes every hash.
pub(crate) fn push_hex(text: &mut String, hash: &[u8; 32]) {
    // ASCII, so that it is text.
    text.push_str(str::from_utf8(&hex(hash)).unwrap_or_default());
}

/// All digits together: through `write!`, and even one by one, they were a third of the cost of a
/// signature.
fn hex(hash: &[u8; 32]) -> [u8; 64] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(hash) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    digits
}

/// Without `.`, `..` and doubled slashes, and then encoded *as it was sent*: a path that had to be
/// encoded for the request line is encoded twice. Borrowed where nothing of that is needed, as in the
/// paths of X-Ray.
fn canonical_path(path: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    if path.starts_with('/') && path.bytes().all(is_plain) && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = true;
    for segment in path.split('/') {
        // RFC 3986 §5.2.4: a path that ends in a dot segment ends in a slash.
        ends_open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 8);
    for segment in &segments {
        canonical.push('/');
        canonical.extend(percent_encode(segment.as_bytes(), RESERVED_IN_PATHS));
    }
    if ends_open || segments.is_empty() {
        canonical.push('/');
    }
    Cow::Owned(canonical)
}

/// Names and values decoded, encoded in the one way, and sorted as encoded. A `+` is a space, as in
/// a form: the SDKs that sign a query they did not write read it so (aws-sigv4, Go), and those that
/// write it themselves never send one.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encode_again(name), encode_again(value)))
        .collect();
    parameters.sort_unstable();
    let mut canonical = String::with_capacity(query.len() + 8);
    for (name, value) in parameters {
        if !canonical.is_empty() {
            canonical.push('&');
        }
        canonical.push_str(&name);
        canonical.push('=');
        canonical.push_str(&value);
    }
    canonical
}

fn encode_again(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let decoded: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
    percent_encode(&decoded, RESERVED).to_string()
}

/// `name:value,value`, each value without spaces around it and with single spaces inside.
fn push_header(canonical: &mut Vec<u8>, group: &[SignedHeader<'_>]) {
    for (idx, (name, value)) in group.iter().enumerate() {
        if idx == 0 {
            canonical.extend_from_slice(name.as_bytes());
            canonical.push(b':');
        } else {
            canonical.push(b',');
        }
        let value = value.trim_ascii();
        if !value.windows(2).any(|bytes| bytes == b"  ") {
            canonical.extend_from_slice(value);
            continue;
        }
        let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        for (place, word) in words.enumerate() {
            if place > 0 {
                canonical.push(b' ');
            }
            canonical.extend_from_slice(word);
        }
    }
    canonical.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Payload;

    fn check_path(path: &str, expect: &str) {
        assert_eq!(canonical_path(path), expect, "{path}");
    }

    #[test]
    fn paths() {
        check_path("", "/");
        check_path("/", "/");
        check_path("//", "/");
        check_path("/./", "/");
        check_path("/..", "/");
        check_path("/TraceSegments", "/TraceSegments");
        check_path("/./example", "/example");
        check_path("//example//", "/example/");
        check_path("/a//b/", "/a/b/");
        check_path("/a/b/..", "/a/");
        check_path("/a/../../b", "/b");
        check_path("/a/...", "/a/...");
        check_path("/-._~", "/-._~");
        check_path("/ሴ", "/%E1%88%B4");
        check_path("/arn%3Aaws", "/arn%253Aaws");
        check_path("/a:b@c=d", "/a%3Ab%40c%3Dd");
    }

    fn check_query(query: &str, expect: &str) {
        assert_eq!(canonical_query(query), expect, "{query}");
    }

    #[test]
    fn queries() {
        check_query("", "");
        check_query("&&", "");
        check_query("lifecycle", "lifecycle=");
        check_query("b=2&a=1", "a=1&b=2");
        check_query("a=2&a=1", "a=1&a=2");
        check_query("a=b=c", "a=b%3Dc");
        check_query("a-b=1&a=2", "a=2&a-b=1");
        check_query("a=b+c%20d%2Be", "a=b%20c%20d%2Be");
        check_query("a=%7e%5f", "a=~_");
        check_query("a=%e1%88%b4&b=ሴ", "a=%E1%88%B4&b=%E1%88%B4");
        check_query("a=%zz%4", "a=%25zz%254");
        check_query("a=%ff", "a=%FF");
    }

    #[test]
    fn headers() {
        let headers: Vec<SignedHeader<'_>> = vec![
            (lower_case("Host"), b"example.com"),
            (lower_case("x-one"), b"  a   b  "),
            (lower_case("X-ONE"), b""),
            (lower_case("x-one"), b"\"c  d\""),
            (lower_case("x-two"), b"\xff"),
        ];
        let names = signed_names(&headers);
        assert_eq!(names, "host;x-one;x-two");
        let request = Request {
            method: "GET",
            path: "/",
            query: "",
            headers: &[],
            payload: Payload::Sha256([0xab; 32]),
        };
        let mut expect = b"GET\n/\n\nhost:example.com\nx-one:a b,,\"c d\"\nx-two:\xff\n\n".to_vec();
        expect.extend_from_slice(b"host;x-one;x-two\n");
        expect.extend_from_slice("ab".repeat(32).as_bytes());
        assert_eq!(canonical_request(&request, &headers, &names), expect);
    }

    #[test]
    fn hashes() {
        let mut hash = [0; 32];
        let digits = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x0a, 0x9f];
        hash[..10].copy_from_slice(&digits);
        let mut text = "=".to_owned();
        push_hex(&mut text, &hash);
        assert_eq!(text, format!("=0123456789abcdef0a9f{}", "0".repeat(44)));
    }
}
