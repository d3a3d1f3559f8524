//! Connections to any server at all, by the same rules as those of an upstream, for the few
//! requests that go elsewhere: to STS and other sources of credentials, and to metadata services.

use http::HeaderValue;

use super::connect::{self, Stream};
use super::failure::{FailureKind, UpstreamError};
use super::no_proxy::NoProxy;
use super::origin::{AddressFault, Origin, Proxy};
use super::resolver::Resolver;
use super::tls::Tls;
use crate::settings::Outbound;

/// Knows the proxy and who is reached without it. Keeps nothing between connections: the root
/// certificates that one takes, more than 1 MB of memory, are dropped after it.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    proxy: Result<Option<Proxy>, AddressFault>,
    no_proxy: NoProxy,
    resolver: Resolver,
}

/// The way to one server.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) origin: Origin,
    proxy: Option<Proxy>,
    resolver: Resolver,
}

impl Dialler {
    pub(crate) fn new(outbound: &Outbound) -> Self {
        let proxy = outbound.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        Self {
            proxy: proxy.map(str::parse).transpose(),
            no_proxy: NoProxy::parse(outbound.no_proxy.as_deref().unwrap_or_default()),
            resolver: Resolver::new(),
        }
    }

    /// The way to `origin`: straight on if `direct` or the settings say so, else through the proxy.
    ///
    /// # Errors
    /// When the proxy is needed and its address cannot be read.
    pub(crate) fn way_to(&self, origin: Origin, direct: bool) -> Result<Way, UpstreamError> {
        let resolver = self.resolver.clone();
        if direct || self.no_proxy.matches(&origin) {
            return Ok(Way { origin, proxy: None, resolver });
        }
        match &self.proxy {
            Ok(proxy) => Ok(Way { origin, proxy: proxy.clone(), resolver }),
            Err(fault) => Err(UpstreamError::new(FailureKind::Other, format!("proxy {fault}"))),
        }
    }
}

impl Way {
    /// A new connection, on which certificates are always verified, whatever `NoVerifySSL` says:
    /// that is for X-Ray behind somebody's proxy, and what goes over this one are secrets.
    ///
    /// # Errors
    /// When there is none to be had. Sets no limit in time.
    pub(crate) async fn connect(&self) -> Result<Stream, UpstreamError> {
        let (proxy, tls) = (self.proxy.as_ref(), Tls::new(false));
        connect::connect(&self.origin, proxy, &self.resolver, &tls).await
    }

    /// The proxy that reads the request itself: it wants the whole address on the request line, and
    /// maybe a header `Proxy-Authorization`.
    pub(crate) fn forwarding_proxy(&self) -> Option<Option<&HeaderValue>> {
        let proxy = self.proxy.as_ref().filter(|_| !self.origin.secure)?;
        Some(proxy.authorization.as_ref())
    }

    /// Host and port of the proxy, if there is one.
    #[cfg(test)]
    pub(crate) fn proxy_address(&self) -> Option<String> {
        self.proxy.as_ref().map(|proxy| proxy.origin.host_and_port())
    }
}
