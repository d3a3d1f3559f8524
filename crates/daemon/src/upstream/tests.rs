//! Requests as they arrive at a server on loopback: head, signature, proxy, TLS, failures.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use http_body_util::BodyExt as _;
use roentgen_ops::{ManualClock, SystemClock};
use roentgen_sigv4::{Credentials, Policy, Signer, SigningKey};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::fake_upstream::{FakeUpstream, Reply, Seen, start_tunnel_proxy};

const SECOND: Duration = Duration::from_secs(1);

/// When the signatures are made: 2026-11-22T08:17:37Z.
const NOW: Duration = Duration::from_secs(1_795_335_457);

#[derive(Debug)]
struct Always(Arc<Signer>);

impl SignerSource for Always {
    fn signer(&self) -> SignerFuture<'_> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}

#[derive(Debug)]
struct Without;

impl SignerSource for Without {
    fn signer(&self) -> SignerFuture<'_> {
        Box::pin(async { Err(NoCredentials("no EC2 IMDS role found".to_owned())) })
    }
}

fn signer() -> Arc<dyn SignerSource> {
    let credentials = Credentials::new("AKIDEXAMPLE", "SECRET").with_session_token("TOKEN");
    Arc::new(Always(Arc::new(Signer::new(credentials, "us-east-1", "xray"))))
}

fn upstream(outbound: &Outbound, signing: Signing) -> Upstream {
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH + NOW));
    Upstream::new(outbound, signing, 2, clock).unwrap()
}

fn plain(endpoint: &str) -> Upstream {
    let upstream = upstream(&Outbound::default(), Signing::Never);
    upstream.set_endpoint(endpoint).unwrap();
    upstream
}

fn call(body: &'static str) -> Call {
    Call {
        method: Method::POST,
        path_and_query: PathAndQuery::from_static("/TraceSegments"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
        sha256: None,
        timeout: 20 * SECOND,
        unsigned_without_credentials: false,
        resends: None,
    }
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Verifies a request with the code of the server's side, over the path the server saw.
fn verify(seen: &Seen) -> Result<String, String> {
    let headers: Vec<(&str, &[u8])> =
        seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = roentgen_sigv4::Request {
        method: seen.method.as_str(),
        path: seen.uri.path(),
        query: seen.uri.query().unwrap_or_default(),
        headers: &headers,
        payload: Payload::Bytes(&seen.body),
    };
    let policy = Policy {
        service: "xray",
        region: Some("us-east-1"),
        max_skew: roentgen_sigv4::DEFAULT_MAX_SKEW,
    };
    let claim = roentgen_sigv4::verify(&request, &policy, SystemTime::UNIX_EPOCH + NOW, |claim| {
        (claim.access_key_id() == "AKIDEXAMPLE")
            .then(|| SigningKey::derive("SECRET", claim.scope()))
    });
    claim
        .map(|claim| claim.session_token().unwrap_or_default().to_owned())
        .map_err(|e| e.to_string())
}

#[tokio::test]
async fn a_signed_request_passes_the_servers_own_check() {
    let server = FakeUpstream::start().await;
    let upstream = upstream(&Outbound::default(), Signing::Always(signer()));
    upstream.set_endpoint(&format!("{}/gate/", server.url())).unwrap();
    let mut request = call(r#"{"TraceSegmentDocuments":[]}"#);
    request.path_and_query = PathAndQuery::from_static("/TraceSegments?a=b&c=%20d");
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "roentgen-daemon"),
        ("authorization", "AWS4-HMAC-SHA256 of someone else"),
        ("x-amz-date", "20000101T000000Z"),
        ("x-forwarded-for", "10.0.0.1"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let answer = upstream.call_whole(request, 1_000).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let seen = &server.seen()[0];
    assert_eq!(seen.uri.to_string(), "/gate/TraceSegments?a=b&c=%20d");
    assert_eq!(verify(seen), Ok("TOKEN".to_owned()));
    assert_eq!(header(seen, "x-amz-date"), "20261122T081737Z");
    assert_eq!(header(seen, "x-forwarded-for"), "10.0.0.1");
    let signed = "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token,";
    assert!(header(seen, "authorization").contains(signed), "{:?}", seen.headers);

    let mut changed = seen.clone();
    changed.body = Bytes::from_static(b"{}");
    assert!(verify(&changed).is_err());
}

/// A source that counts what it is told.
#[derive(Debug)]
struct Counting(Arc<Signer>, AtomicU32);

impl SignerSource for Counting {
    fn signer(&self) -> SignerFuture<'_> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }

    fn refused(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_source_hears_of_signatures_that_are_refused() {
    let server = FakeUpstream::start().await;
    let signer = Signer::new(Credentials::new("AKIDEXAMPLE", "OLD"), "us-east-1", "xray");
    let source = Arc::new(Counting(Arc::new(signer), AtomicU32::new(0)));
    let signing = Signing::Always(Arc::<Counting>::clone(&source));
    let upstream = upstream(&Outbound::default(), signing);
    upstream.set_endpoint(&server.url()).unwrap();
    for (status, expect) in [(200, 0), (400, 0), (403, 1), (500, 1), (403, 2)] {
        server.always(Reply::status(status));
        upstream.call_whole(call("{}"), 1_000).await.unwrap();
        assert_eq!(source.1.load(Ordering::Relaxed), expect, "{status}");
    }
}

#[tokio::test]
async fn connections_are_used_again_and_bounded() {
    let server = FakeUpstream::start().await;
    let upstream = plain(&server.url());
    for _ in 0..20 {
        upstream.call_whole(call("{}"), 1_000).await.unwrap();
    }
    assert_eq!(server.connections(), 1);

    server.always(Reply::Held);
    let together = async {
        let (one, other, third) = tokio::join!(
            upstream.call_whole(call("{}"), 1_000),
            upstream.call_whole(call("{}"), 1_000),
            upstream.call_whole(call("{}"), 1_000),
        );
        one.and(other).and(third).unwrap();
    };
    let release = async {
        server.wait_for(23).await;
        server.let_go();
    };
    tokio::join!(together, release);
    assert_eq!(server.connections(), 3);
    server.always(Reply::ok());
    for _ in 0..5 {
        upstream.call_whole(call("{}"), 1_000).await.unwrap();
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_no_failure() {
    let server = FakeUpstream::start().await;
    let upstream = plain(&server.url());
    upstream.call_whole(call("{}"), 1_000).await.unwrap();
    // The server takes the request on the old connection and closes it, as one does that was about
    // to close it when the request came.
    server.script([Reply::HangUp]);
    let answer = upstream.call_whole(call("{}"), 1_000).await.unwrap();
    assert_eq!((answer.status, server.connections()), (StatusCode::OK, 2));
    // On a new connection it is one.
    server.script([Reply::HangUp, Reply::HangUp]);
    let error = upstream.call_whole(call("{}"), 1_000).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Other);
    assert_eq!(error.to_string(), "EOF: connection closed before the answer");
}

#[tokio::test]
async fn statuses_and_bodies_are_no_errors() {
    let server = FakeUpstream::start().await;
    server.always(Reply::Now(503, vec![("retry-after", "1")], "x".repeat(300_000)));
    let upstream = plain(&server.url());
    let whole = upstream.call_whole(call("{}"), 1 << 20).await.unwrap();
    assert_eq!((whole.status.as_u16(), whole.body.len()), (503, 300_000));
    assert_eq!(whole.headers["retry-after"], "1");
    let part = upstream.call_whole(call("{}"), 1_000).await.unwrap();
    assert!((1_000..200_000).contains(&part.body.len()), "{}", part.body.len());
    let streamed = upstream.call(call("{}")).await.unwrap();
    assert_eq!(streamed.into_body().collect().await.unwrap().to_bytes().len(), 300_000);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let silent = FakeUpstream::start().await;
    silent.always(Reply::Silence);
    let mut request = call("{}");
    request.timeout = Duration::from_millis(20);
    let error = plain(&silent.url()).call_whole(request, 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Timeout);
    let expect = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(error.to_string(), expect);

    let gone = FakeUpstream::start().await;
    let (address, url) = (gone.address, gone.url());
    gone.stop().await;
    let error = plain(&url).call_whole(call("{}"), 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::ConnectionRefused);
    assert_eq!(error.to_string(), format!("dial tcp {address}: connect: connection refused"));

    let error = plain("http://xray.invalid").call_whole(call("{}"), 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::UnknownHost);
    let expect = "dial tcp: lookup xray.invalid: no such host (";
    assert!(error.to_string().starts_with(expect), "{error}");
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_counted() {
    let server = FakeUpstream::start().await;
    server.script([Reply::ok(), Reply::HangUp]);
    let upstream = plain(&server.url());
    let resends = Counter::default();
    for expect in [0, 1] {
        let again = Call { resends: Some(resends.clone()), ..call("{}") };
        assert_eq!(upstream.call_whole(again, 1_000).await.unwrap().status, StatusCode::OK);
        assert_eq!(resends.get(), expect);
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 2));
}

/// A server that lets connect, says this when a request begins, and reads no more of it.
fn start_deaf(says: &'static str) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        while let Ok((mut connection, _)) = listener.accept() {
            std::io::Read::read_exact(&mut connection, &mut [0; 4]).unwrap();
            std::io::Write::write_all(&mut connection, says.as_bytes()).unwrap();
            connections.push(connection);
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_stops_reading_does_not_hold_the_body() {
    let check = async |says: &'static str, expect: Option<FailureKind>| {
        let address = start_deaf(says);
        let upstream = plain(&format!("http://{address}"));
        // More than the kernel takes for a connection whose other end does not read.
        let body = Bytes::from(vec![b'x'; 32 << 20]);
        let timeout = Duration::from_millis(100);
        let deaf = Call { body: body.clone(), timeout, ..call("") };
        match upstream.call_whole(deaf, 1_000).await {
            Ok(answer) => assert_eq!((answer.status.as_u16(), expect), (503, None)),
            Err(error) => assert_eq!(Some(error.kind()), expect, "{says:?}"),
        }
        // The task that is ended has to come to its turn.
        tokio::time::timeout(20 * SECOND, async {
            while !body.is_unique() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the body is held");
    };
    check("", Some(FailureKind::Timeout)).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", Some(FailureKind::Timeout)).await;
    check("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", None).await;
}

/// A server with one connection, whose requests end with `{}` and get these answers in turn.
fn start_scripted(answers: &'static [&'static str]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        for answer in answers {
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut byte = [0];
                std::io::Read::read_exact(&mut connection, &mut byte).unwrap();
                request.extend(byte);
            }
            std::io::Write::write_all(&mut connection, answer.as_bytes()).unwrap();
        }
    });
    address
}

#[tokio::test]
async fn answers_of_any_framing_come_over_one_connection() {
    let address = start_scripted(&[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbc\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ]);
    let upstream = plain(&format!("http://{address}"));
    for expect in ["a", "bc", "", "until the end"] {
        let answer = upstream.call_whole(call("{}"), 1_000).await.unwrap();
        assert_eq!(answer.body, expect);
    }
}

#[tokio::test]
async fn calls_wait_for_the_endpoint() {
    let server = FakeUpstream::start().await;
    let upstream = upstream(&Outbound::default(), Signing::Never);
    let mut request = call("{}");
    request.timeout = Duration::from_millis(20);
    let error = upstream.call_whole(request, 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Timeout);
    let (answer, ()) = tokio::join!(upstream.call_whole(call("{}"), 1_000), async {
        tokio::task::yield_now().await;
        upstream.set_endpoint(&server.url()).unwrap();
    });
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    upstream.endpoint_known().await;
    assert_eq!(upstream.url("/x"), format!("{}/x", server.url()));
}

#[tokio::test]
async fn without_credentials() {
    let server = FakeUpstream::start().await;
    let must = upstream(&Outbound::default(), Signing::Always(Arc::new(Without)));
    must.set_endpoint(&server.url()).unwrap();
    let error = must.call_whole(call("{}"), 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Credentials);
    assert_eq!(error.to_string(), "no EC2 IMDS role found");
    assert_eq!(server.seen().len(), 0);

    let mut request = call("{}");
    request.unsigned_without_credentials = true;
    must.call_whole(request, 1).await.unwrap();
    let may = upstream(&Outbound::default(), Signing::IfPossible(Arc::new(Without)));
    may.set_endpoint(&server.url()).unwrap();
    may.call_whole(call("{}"), 1).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("authorization")));
}

/// Has credentials the first time; the renewal takes a second.
#[derive(Debug, Default)]
struct Renewing(std::sync::atomic::AtomicBool);

impl SignerSource for Renewing {
    fn signer(&self) -> SignerFuture<'_> {
        let is_renewal = self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            if is_renewal {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            signer().signer().await
        })
    }

    fn refused(&self) {}
}

#[tokio::test]
async fn a_slow_renewal_is_waited_for_and_nothing_goes_unsigned() {
    let server = FakeUpstream::start().await;
    let may = upstream(&Outbound::default(), Signing::IfPossible(Arc::new(Renewing::default())));
    may.set_endpoint(&server.url()).unwrap();
    for _ in 0..2 {
        may.call_whole(call("{}"), 1).await.unwrap();
    }
    assert!(server.seen().iter().all(|seen| seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn plain_http_goes_through_the_proxy_in_absolute_form() {
    let proxy = FakeUpstream::start().await;
    let server = FakeUpstream::start().await;
    let mut outbound = Outbound {
        proxy: Some(format!("http://me:secret@{}", proxy.address)),
        no_proxy: None,
        no_verify_ssl: false,
    };
    let through = upstream(&outbound, Signing::Always(signer()));
    through.set_endpoint(&server.url()).unwrap();
    through.call_whole(call("{}"), 1).await.unwrap();
    let seen = &proxy.seen()[0];
    assert_eq!(seen.uri.to_string(), format!("{}/TraceSegments", server.url()));
    assert_eq!(header(seen, "host"), server.address.to_string());
    assert_eq!(header(seen, "proxy-authorization"), "Basic bWU6c2VjcmV0");
    assert_eq!(verify(seen), Ok("TOKEN".to_owned()));
    assert_eq!(server.seen().len(), 0);

    outbound.no_proxy = Some(format!("example.com, 127.0.0.0/8:1, {}", server.address));
    let past = upstream(&outbound, Signing::Never);
    past.set_endpoint(&server.url()).unwrap();
    past.call_whole(call("{}"), 1).await.unwrap();
    assert_eq!((proxy.seen().len(), server.seen().len()), (1, 1));
    assert_eq!(server.seen()[0].uri.to_string(), "/TraceSegments");
    assert_eq!(header(&server.seen()[0], "proxy-authorization"), "");
}

fn acceptor() -> TlsAcceptor {
    let certificate = include_bytes!("../../testdata/loopback-cert.pem");
    let key = include_bytes!("../../testdata/loopback-key.pem");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate).unwrap()],
            PrivateKeyDer::from_pem_slice(key).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

fn without_verification(proxy: Option<String>) -> Outbound {
    Outbound { proxy, no_proxy: None, no_verify_ssl: true }
}

#[tokio::test]
async fn https_checks_the_certificate_unless_told_not_to() {
    let server = FakeUpstream::start_tls(acceptor()).await;
    let url = format!("https://{}", server.address);
    let trusting = upstream(&without_verification(None), Signing::Always(signer()));
    trusting.set_endpoint(&url).unwrap();
    for _ in 0..3 {
        trusting.call_whole(call("{}"), 1).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(verify(&server.seen()[0]), Ok("TOKEN".to_owned()));

    // Whether this machine has root certificates or not, ours is not one of them.
    let error = plain(&url).call_whole(call("{}"), 1).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Other);
    assert!(error.to_string().starts_with("tls: "), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_of_the_proxy() {
    let server = FakeUpstream::start_tls(acceptor()).await;
    let (proxy, heads) = start_tunnel_proxy("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let outbound = without_verification(Some(format!("http://me:secret@{proxy}")));
    let through = upstream(&outbound, Signing::Never);
    through.set_endpoint(&format!("https://{}", server.address)).unwrap();
    for _ in 0..2 {
        through.call_whole(call("{}"), 1).await.unwrap();
    }
    let target = server.address;
    let expect = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic \
         bWU6c2VjcmV0\r\n\r\n"
    );
    assert_eq!(*heads.lock().unwrap(), [expect]);
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].uri.to_string()), (2, "/TraceSegments".to_owned()));
    assert_eq!(header(&seen[0], "proxy-authorization"), "");
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_told() {
    let (proxy, _) = start_tunnel_proxy("HTTP/1.1 407 Who are you\r\nA: b\r\n\r\n").await;
    let outbound = without_verification(Some(format!("http://{proxy}")));
    let through = upstream(&outbound, Signing::Never);
    through.set_endpoint("https://xray.invalid").unwrap();
    let error = through.call_whole(call("{}"), 1).await.unwrap_err();
    let expect = format!(
        "proxyconnect tcp: {proxy}: tunnel to xray.invalid:443 refused: \"HTTP/1.1 407 Who are \
         you\""
    );
    assert_eq!((error.kind(), error.to_string()), (FailureKind::Other, expect));
}

#[tokio::test]
async fn an_https_proxy_hides_even_the_name_of_the_server() {
    let proxy = FakeUpstream::start_tls(acceptor()).await;
    let outbound = without_verification(Some(format!("https://{}", proxy.address)));
    let through = upstream(&outbound, Signing::Never);
    through.set_endpoint("http://xray.invalid").unwrap();
    through.call_whole(call("{}"), 1).await.unwrap();
    assert_eq!(proxy.seen()[0].uri.to_string(), "http://xray.invalid/TraceSegments");
}

#[test]
fn addresses_that_cannot_be_read_are_refused_at_the_start() {
    let outbound = Outbound { proxy: Some("http://a b".to_owned()), ..Outbound::default() };
    let clock = Arc::new(SystemClock);
    assert!(Upstream::new(&outbound, Signing::Never, 1, clock.clone()).is_err());
    let none = Outbound { proxy: Some(String::new()), ..Outbound::default() };
    let upstream = Upstream::new(&none, Signing::Never, 1, clock).unwrap();
    assert!(upstream.set_endpoint("xray").is_err());
    assert_eq!(upstream.url("/a"), "/a");
}

#[tokio::test]
async fn only_requests_with_a_body_tell_its_length() {
    let server = FakeUpstream::start().await;
    let upstream = plain(&server.url());
    for (method, body, expect) in
        [(Method::GET, "", ""), (Method::GET, "x", "1"), (Method::POST, "", "0")]
    {
        let mut request = call(body);
        request.method = method.clone();
        upstream.call_whole(request, 1).await.unwrap();
        let seen = server.seen();
        let length = header(seen.last().unwrap(), "content-length");
        assert_eq!(length, expect, "{method} {body:?}");
    }
}
