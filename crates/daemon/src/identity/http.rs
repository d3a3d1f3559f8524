//! One request over one connection, for the few questions the daemon asks about itself: metadata of
//! instance and task, and what the AWS SDK asks for credentials. These come about once an hour, so
//! no connection is kept.

use std::error::Error;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::causes::chain;
use crate::settings::Outbound;
use crate::upstream::{Dialler, Origin, UpstreamError, Way};

/// Longest answer that is read. Credentials take 2 KB, the metadata of a task with many containers
/// less than 100 KB.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// How long the parts of one request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Looking up the name, TCP, the proxy's answer and TLS together.
    pub(super) connect: Duration,
    /// From the connection on: sending the request and reading the whole answer.
    pub(super) answer: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("dial tcp {host}: i/o timeout")] // Go's words, like those of `Connect`.
    ConnectTimeout { host: String },
    #[error("{0}")]
    Connect(UpstreamError),
    #[error("no answer from {host} within {} s", limit.as_secs_f64())]
    AnswerTimeout { host: String, limit: Duration },
    #[error("answer of {host}: {}", chain(fault.as_ref()))]
    Exchange { host: String, fault: Box<dyn Error + Send + Sync> },
    #[error("address {uri:?} is not an http or https URL with a host")]
    Address { uri: String },
}

impl HttpError {
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout { .. } | Self::AnswerTimeout { .. })
    }

    /// Whether the request may have another fate with another try.
    pub(super) fn is_transient(&self) -> bool {
        !matches!(self, Self::Address { .. })
    }
}

/// Asks over HTTP, through the outbound proxy where that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Http {
    dialler: Dialler,
    /// Hosts, besides addresses of this machine and its link.
    never_proxied: Vec<String>,
}

impl Http {
    /// `metadata_addresses` are the URLs of metadata services, which no proxy can reach.
    pub(super) fn new(
        outbound: &Outbound,
        metadata_addresses: impl IntoIterator<Item = String>,
    ) -> Self {
        let never_proxied = metadata_addresses
            .into_iter()
            .filter_map(|address| Some(origin_of(&address.parse().ok()?)?.host().to_owned()))
            .collect();
        Self { dialler: Dialler::new(outbound), never_proxied }
    }

    /// Sends a request with an absolute URI and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// Any [`HttpError`]; the limits hold whatever the other side does.
    pub(super) async fn fetch(
        &self,
        mut request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, HttpError> {
        let way = self.way_to(request.uri())?;
        let host_header = HeaderValue::from_str(way.origin.authority())
            .map_err(|_| HttpError::Address { uri: request.uri().to_string() })?;
        request.headers_mut().entry(HOST).or_insert(host_header);
        match way.forwarding_proxy() {
            Some(authorization) => {
                if let Some(authorization) = authorization {
                    request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
                }
            }
            None => {
                let path = request.uri().path_and_query().cloned();
                *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
            }
        }

        let host = way.origin.host_and_port();
        let stream = timeout(limits.connect, way.connect())
            .await
            .map_err(|_| HttpError::ConnectTimeout { host: host.clone() })?
            .map_err(HttpError::Connect)?;
        timeout(limits.answer, exchange(stream, request))
            .await
            .map_err(|_| HttpError::AnswerTimeout { host: host.clone(), limit: limits.answer })?
            .map_err(|fault| HttpError::Exchange { host, fault })
    }

    fn way_to(&self, uri: &Uri) -> Result<Way, HttpError> {
        let origin = origin_of(uri).ok_or_else(|| HttpError::Address { uri: uri.to_string() })?;
        let direct = self.goes_direct(origin.host());
        self.dialler.way_to(origin, direct).map_err(HttpError::Connect)
    }

    /// No proxy reaches what is on this machine or its link, and the secrets that answers there
    /// hold are nobody else's business.
    fn goes_direct(&self, host: &str) -> bool {
        if self.never_proxied.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return true;
        }
        match host.parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
            // fd00:ec2::/32 is where EC2 and EKS answer over IPv6.
            Ok(IpAddr::V6(address)) => {
                address.is_loopback() || address.segments().starts_with(&[0xfd00, 0x0ec2])
            }
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}

fn origin_of(uri: &Uri) -> Option<Origin> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    format!("{scheme}://{authority}").parse().ok()
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let (mut answer, connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        // Either the rest of the answer is on its way to us, or the next line gets the reason.
        _ = connection => {}
    }
    answer.await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_proxy(no_proxy: &str, uri: &str, is_proxied: bool) {
        let outbound = Outbound {
            proxy: Some("http://proxy.example:3128".to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
            no_verify_ssl: false,
        };
        let http = Http::new(&outbound, ["http://imds.example:1338/x".to_owned()]);
        let way = http.way_to(&uri.parse().unwrap()).unwrap();
        let expect = is_proxied.then_some("proxy.example:3128".to_owned());
        assert_eq!(way.proxy_address(), expect, "{no_proxy:?} {uri}");
    }

    #[test]
    fn who_goes_through_the_proxy() {
        check_proxy("", "https://sts.eu-west-1.amazonaws.com/", true);
        check_proxy("", "http://sts.example/", true);
        check_proxy("", "http://10.0.0.1/", true);
        check_proxy("", "http://169.254.169.254/latest/api/token", false);
        check_proxy("", "http://169.254.170.2/creds?id=1", false);
        check_proxy("", "http://[fd00:ec2::254]/", false);
        check_proxy("", "http://[fd00:ec3::254]/", true);
        check_proxy("", "http://[::1]:80/", false);
        check_proxy("", "http://127.0.0.2:4566/", false);
        check_proxy("", "http://LocalHost:4566/", false);
        check_proxy("", "https://IMDS.example/", false);
        check_proxy("localhost, .amazonaws.com", "https://sts.eu-west-1.amazonaws.com/", false);
        check_proxy("sts.us-east-1.amazonaws.com", "https://sts.eu-west-1.amazonaws.com/", true);
    }

    #[tokio::test]
    async fn addresses_that_are_none() {
        for uri in ["/only/a/path", "ftp://a.example/", "http://user:password@a.example/"] {
            let http = Http::new(&Outbound::default(), []);
            let request = Request::builder().uri(uri).body(Bytes::new()).unwrap();
            let limits = Limits { connect: Duration::MAX, answer: Duration::MAX };
            let error = http.fetch(request, limits).await.unwrap_err();
            assert!(matches!(error, HttpError::Address { .. }), "{uri}: {error}");
        }
    }

    #[tokio::test]
    async fn a_proxy_address_that_is_none_is_not_passed_by() {
        let outbound = Outbound { proxy: Some("proxy:3128".to_owned()), ..Outbound::default() };
        let http = Http::new(&outbound, []);
        let error = http.way_to(&"https://sts.example".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("parse \"proxy:3128\": "), "{error}");
        assert!(http.way_to(&"http://127.0.0.1".parse().unwrap()).is_ok());
    }
}
