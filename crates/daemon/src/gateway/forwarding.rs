//! Sending calls on to the destination, and its answers back.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use roentgen_ops::HeldBack;
use roentgen_protocol::{ApiError, ErrorKind};

use super::body::BodyReader;
use super::reply::{ReplyBody, empty_reply};
use super::{Limits, Parts};
use crate::upstream::Call;

/// Headers that concern one connection, not the message (RFC 9110, 7.6.1), beside those that the
/// `Connection` header names. `Keep-Alive` and `Proxy-Connection` are older than that rule.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers of a request that the upstream makes anew: the name of the destination, the length of a
/// body that is whole by now, and our signature. The client's is not sent on in any case.
const MADE_ANEW: [HeaderName; 6] = [
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How often failed calls are logged; the line tells how many were held back. SDKs ask every ten
/// seconds, each process on its own.
const ERROR_PERIOD: Duration = Duration::from_secs(10);

/// What sends calls on.
#[derive(Debug)]
pub(super) struct Forwarding {
    errors: HeldBack,
    reply_timeout: Duration,
    reply_idle_timeout: Duration,
}

impl Forwarding {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            errors: HeldBack::new(ERROR_PERIOD),
            reply_timeout: limits.reply_timeout,
            reply_idle_timeout: limits.reply_idle_timeout,
        }
    }

    /// Sends a call on and gives the answer as it is. Without an answer it is a 502 with an empty
    /// body, as with the official daemon: SDKs then go by their local rules.
    ///
    /// # Errors
    /// When the call cannot be read.
    pub(super) async fn forward(
        &self,
        parts: &Parts,
        bodies: &BodyReader,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let (head, body) = request.into_parts();
        let path_and_query = head.uri.path_and_query().cloned().ok_or_else(|| {
            ApiError::new(ErrorKind::UnknownOperation, "A call needs a path to be sent on to")
        })?;
        let body = bodies.read(body).await?;
        let call = Call {
            method: head.method,
            path_and_query,
            headers: outgoing(head.headers, peer),
            body: body.bytes.clone(),
            sha256: None,
            timeout: self.reply_timeout,
            unsigned_without_credentials: true,
            resends: None,
        };
        match parts.upstream.call(call).await {
            // We asked for no other protocol, and cannot speak one.
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Ok(self.no_answer(parts, &"the destination wants another protocol"))
            }
            Ok(mut answer) => {
                drop_those_of_one_connection(answer.headers_mut());
                Ok(answer.map(|body| ReplyBody::passing(body, self.reply_idle_timeout)))
            }
            Err(error) => Ok(self.no_answer(parts, &error)),
        }
    }

    fn no_answer(&self, parts: &Parts, error: &dyn Display) -> Response<ReplyBody> {
        if let Some(held_back) = self.errors.admit("upstream", parts.clock.instant()) {
            // The text of Go's own proxy, which the official daemon lets through to its stderr.
            let held_back = (held_back > 0).then_some(held_back);
            tracing::error!(held_back, "http: proxy error: {error}");
        }
        empty_reply(StatusCode::BAD_GATEWAY)
    }
}

/// The headers of a request as they leave, but for those that its sender adds.
fn outgoing(mut headers: HeaderMap, peer: IpAddr) -> HeaderMap {
    drop_those_of_one_connection(&mut headers);
    for name in MADE_ANEW {
        headers.remove(name);
    }
    let mut hops: Vec<u8> = Vec::new();
    for earlier in headers.get_all(&X_FORWARDED_FOR) {
        hops.extend_from_slice(earlier.as_bytes());
        hops.extend_from_slice(b", ");
    }
    hops.extend_from_slice(peer.to_string().as_bytes());
    // Bytes of other header values, a comma and an address make a header value.
    if let Ok(hops) = HeaderValue::from_bytes(&hops) {
        headers.insert(X_FORWARDED_FOR, hops);
    }
    headers
}

fn drop_those_of_one_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(OF_ONE_CONNECTION) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let entry = |(name, value): &(&'static str, &'static str)| -> (HeaderName, HeaderValue) {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in list.iter().map(entry) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn headers_as_they_leave() {
        let check = |list: &[(&'static str, &'static str)],
                     expect: &[(&'static str, &'static str)]| {
            let hop = [("x-forwarded-for", "192.0.2.7")];
            let with_hop = [expect, &hop].concat();
            let is_told = expect.iter().any(|(name, _)| *name == "x-forwarded-for");
            let expect = headers(if is_told { expect } else { &with_hop });
            assert_eq!(outgoing(headers(list), "192.0.2.7".parse().unwrap()), expect, "{list:?}");
        };
        check(&[], &[]);
        // What concerns the call.
        let kept = [
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
            ("amz-sdk-invocation-id", "34927444"),
            ("content-type", "application/json"),
            ("user-agent", "test-sdk"),
            ("x-amzn-trace-id", "Root=1-2-3"),
            ("x-foo", "1"),
            ("x-foo", "2"),
        ];
        check(&kept, &kept);
        // What concerns the connection.
        check(&[("connection", "keep-alive"), ("keep-alive", "timeout=5")], &[]);
        check(&[("connection", "close, X-Foo ,"), ("connection", "x-bar")], &[]);
        check(&[("connection", "x-foo"), ("x-foo", "1"), ("x-bar", "2")], &[("x-bar", "2")]);
        check(&[("te", "trailers"), ("trailer", "x-sum"), ("transfer-encoding", "chunked")], &[]);
        check(&[("upgrade", "h2c"), ("proxy-connection", "close")], &[]);
        check(&[("proxy-authorization", "Basic eA=="), ("proxy-authenticate", "Basic")], &[]);
        // What is made anew.
        check(
            &[("host", "localhost:2000"), ("content-length", "2"), ("expect", "100-continue")],
            &[],
        );
        check(
            &[
                ("authorization", "AWS4-HMAC-SHA256 Credential=dummy"),
                ("x-amz-date", "20261122T081740Z"),
                ("x-amz-security-token", "dummy"),
            ],
            &[],
        );
        // Who asked.
        check(&[("x-forwarded-for", "192.0.2.1")], &[("x-forwarded-for", "192.0.2.1, 192.0.2.7")]);
        check(
            &[("x-forwarded-for", "a, b"), ("x-forwarded-for", "c")],
            &[("x-forwarded-for", "a, b, c, 192.0.2.7")],
        );
        check(
            &[("connection", "x-forwarded-for"), ("x-forwarded-for", "192.0.2.1")],
            &[("x-forwarded-for", "192.0.2.7")],
        );
    }
}
