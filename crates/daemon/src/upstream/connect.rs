//! Connections to a server: the name looked up, TCP, through a proxy's tunnel if need be, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::failure::{FailureKind, UpstreamError};
use super::origin::{Origin, Proxy};
use super::resolver::Resolver;
use super::tls::Tls;

/// When the addresses of the first family do not answer within this time, those of the other
/// family are tried beside them (RFC 8305; hyper's own connector waits as long).
const OTHER_FAMILY_AFTER: Duration = Duration::from_millis(300);

/// Longest answer of a proxy to CONNECT. Squid's error pages have some 4 KB.
const MOST_CONNECT_BYTES: usize = 16 << 10;

/// A connection, encrypted or not, or encrypted within an encrypted one (an `https` server through
/// an `https` proxy).
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Stream>>),
}

/// Connects to `origin`, through `proxy` if there is one: through a tunnel when the server speaks
/// TLS, else only to the proxy.
pub(super) async fn connect(
    origin: &Origin,
    proxy: Option<&Proxy>,
    resolver: &Resolver,
    tls: &Tls,
) -> Result<Stream, UpstreamError> {
    let Some(proxy) = proxy else {
        let stream = dial(origin, resolver).await?;
        return secured(stream, origin, tls).await;
    };
    let to_proxy = dial(&proxy.origin, resolver).await?;
    let mut stream = secured(to_proxy, &proxy.origin, tls).await?;
    if !origin.secure {
        return Ok(stream);
    }
    tunnel(&mut stream, origin, proxy).await?;
    secured(stream, origin, tls).await
}

async fn secured(stream: Stream, origin: &Origin, tls: &Tls) -> Result<Stream, UpstreamError> {
    if !origin.secure {
        return Ok(stream);
    }
    let connector = tls.connector().await?;
    let failed = |fault: String| UpstreamError::new(FailureKind::Other, format!("tls: {fault}"));
    let name = ServerName::try_from(origin.host.clone());
    let name = name.map_err(|e| failed(format!("{:?}: {e}", origin.host)))?;
    let connected = connector.connect(name, stream).await;
    let stream = connected.map_err(|e| failed(format!("{}: {e}", origin.host_and_port())))?;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn dial(origin: &Origin, resolver: &Resolver) -> Result<Stream, UpstreamError> {
    let addresses = match origin.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, origin.port)],
        Err(_) => {
            let found = resolver.addresses(&origin.host, origin.port).await;
            found.map_err(|e| UpstreamError::unknown_host(&origin.host, &e))?
        }
    };
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_ipv4);
    let stream = dial_families(&first, &other).await?;
    // A request is written at once; waiting to fill packets would only delay its end.
    let _ = stream.set_nodelay(true); // Fails only on a connection that is broken already.
    Ok(Stream::Plain(stream))
}

async fn dial_families(
    first: &[SocketAddr],
    other: &[SocketAddr],
) -> Result<TcpStream, UpstreamError> {
    let mut to_first = std::pin::pin!(dial_in_turn(first));
    if other.is_empty() {
        return to_first.await;
    }
    if let Ok(done) = tokio::time::timeout(OTHER_FAMILY_AFTER, &mut to_first).await {
        return match done {
            Ok(stream) => Ok(stream),
            Err(_) => dial_in_turn(other).await,
        };
    }
    let mut to_other = std::pin::pin!(dial_in_turn(other));
    tokio::select! {
        done = &mut to_first => match done {
            Ok(stream) => Ok(stream),
            Err(_) => to_other.await,
        },
        done = &mut to_other => match done {
            Ok(stream) => Ok(stream),
            Err(_) => to_first.await,
        },
    }
}

async fn dial_in_turn(addresses: &[SocketAddr]) -> Result<TcpStream, UpstreamError> {
    let mut last = UpstreamError::new(FailureKind::UnknownHost, "dial tcp: no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = UpstreamError::dial(*address, &error),
        }
    }
    Err(last)
}

/// Asks the proxy for a tunnel to `origin`.
async fn tunnel(stream: &mut Stream, origin: &Origin, proxy: &Proxy) -> Result<(), UpstreamError> {
    let target = origin.host_and_port();
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let failed = |fault: &str| {
        let text = format!("proxyconnect tcp: {}: {fault}", proxy.origin.host_and_port());
        UpstreamError::new(FailureKind::Other, text)
    };
    stream.write_all(&request).await.map_err(|e| failed(&e.to_string()))?;
    let mut answer = Vec::with_capacity(256);
    // Byte by byte, since what follows the empty line belongs to the tunnel. It is one short answer
    // per connection.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MOST_CONNECT_BYTES {
            return Err(failed("answer to CONNECT is too long"));
        }
        answer.push(stream.read_u8().await.map_err(|e| failed(&e.to_string()))?);
    }
    let status_line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status_line = String::from_utf8_lossy(status_line);
    match status_line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(failed(&format!("tunnel to {target} refused: {status_line:?}"))),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    /// True for both: hyper then hands over the body where it lies instead of copying it.
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
