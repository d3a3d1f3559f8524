//! What the AWS SDK needs from us: HTTP and the time. Its own HTTP client would bring HTTP/2, a
//! connection pool and a second copy of everything around TLS, for a few requests an hour.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use roentgen_ops::Clock;

use super::http::{Http, HttpError, Limits};

/// For what the SDK sets no limits of its own; its default for connecting, and twice what a slow
/// STS takes.
const DEFAULT_LIMITS: Limits =
    Limits { connect: Duration::from_millis(3_100), answer: Duration::from_secs(10) };

/// Our HTTP behind the interface of the SDK.
#[derive(Clone, Debug)]
pub(super) struct SdkHttp(pub(super) Http);

impl HttpClient for SdkHttp {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limits = Limits {
            connect: settings.connect_timeout().unwrap_or(DEFAULT_LIMITS.connect),
            answer: settings.read_timeout().unwrap_or(DEFAULT_LIMITS.answer),
        };
        SharedHttpConnector::new(Connector { http: self.0.clone(), limits })
    }
}

#[derive(Debug)]
struct Connector {
    http: Http,
    limits: Limits,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, limits) = (self.http.clone(), self.limits);
        HttpConnectorFuture::new(async move {
            // Requests for credentials are small and in memory; only uploads are streams.
            let body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
            let request = request
                .try_into_http1x()
                .map_err(|source| ConnectorError::user(source.into()))?
                .map(|_| body);
            let response = http.fetch(request, limits).await.map_err(classified)?;
            HttpResponse::try_from(response.map(Into::into))
                .map_err(|source| ConnectorError::other(source.into(), None))
        })
    }
}

/// The SDK tries again what it takes for a mishap of the network.
fn classified(error: HttpError) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_transient() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::user(error.into())
    }
}

/// Our clock behind the interface of the SDK, which signs with it.
#[derive(Debug)]
pub(super) struct SdkClock(pub(super) Arc<dyn Clock>);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
