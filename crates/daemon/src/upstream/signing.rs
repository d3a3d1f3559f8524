//! Whether requests to a destination are signed, and who signs.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use roentgen_sigv4::{Payload, Request, Signer};
use tokio::time::Instant;

use super::failure::{FailureKind, UpstreamError};
use super::origin::Origin;

/// How long a destination that can do without signatures waits for credentials, counted from its
/// first request. Environment and files answer at once; only IMDS takes longer, and where there is
/// none it takes seconds to say so.
const MOST_WAIT: Duration = Duration::from_millis(500);

/// Proxies on the way add to it, which would break the signature.
const NOT_SIGNED: &str = "x-forwarded-for";

/// What [`SignerSource::signer`] gives.
pub(crate) type SignerFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<Signer>, NoCredentials>> + Send + 'a>>;

/// Who has the credentials.
pub(crate) trait SignerSource: Debug + Send + Sync {
    /// A signer with credentials that are good now. Dropping the future must not end the search
    /// for them.
    fn signer(&self) -> SignerFuture<'_>;

    /// A server did not take a signature (status 403): the credentials may have been replaced, or
    /// taken back, before their time. Called for each such answer.
    fn refused(&self) {}
}

/// There are no credentials; the text says why, as the official daemon does after
/// `get credentials: `.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoCredentials(pub(crate) String);

/// Which requests are signed.
#[derive(Debug)]
pub(crate) enum Signing {
    /// None; nobody is asked for credentials.
    Never,
    /// All: X-Ray itself takes nothing else.
    Always(Arc<dyn SignerSource>),
    /// All once there are credentials: what stands in for X-Ray may want signatures or not.
    IfPossible(Arc<dyn SignerSource>),
}

/// Signs the requests of one upstream.
#[derive(Debug)]
pub(super) struct Signatures {
    signing: Signing,
    first_asked: OnceLock<Instant>,
    /// Whether there ever were credentials: then the destination counts on signatures, and a renewal
    /// that takes long is waited for.
    has_signed: AtomicBool,
    has_warned: AtomicBool,
}

impl Signatures {
    pub(super) fn new(signing: Signing) -> Self {
        Self {
            signing,
            first_asked: OnceLock::new(),
            has_signed: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) fn refused(&self) {
        match &self.signing {
            Signing::Never => {}
            Signing::Always(source) | Signing::IfPossible(source) => source.refused(),
        }
    }

    /// Who signs the next request; nobody if it goes unsigned. `endpoint` is for the log.
    pub(super) async fn signer(
        &self,
        endpoint: &Origin,
    ) -> Result<Option<Arc<Signer>>, NoCredentials> {
        let fault = match &self.signing {
            Signing::Never => return Ok(None),
            Signing::Always(source) => return source.signer().await.map(Some),
            Signing::IfPossible(source) if self.has_signed.load(Ordering::Relaxed) => {
                return source.signer().await.map(Some);
            }
            Signing::IfPossible(source) => {
                let patience_ends = *self.first_asked.get_or_init(Instant::now) + MOST_WAIT;
                match tokio::time::timeout_at(patience_ends, source.signer()).await {
                    Ok(Ok(signer)) => {
                        self.has_signed.store(true, Ordering::Relaxed);
                        return Ok(Some(signer));
                    }
                    Ok(Err(fault)) => fault.to_string(),
                    Err(_) => format!("none found within {} ms", MOST_WAIT.as_millis()),
                }
            }
        };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("No credentials for {endpoint}: requests are not signed ({fault})");
        }
        Ok(None)
    }
}

/// Adds the headers of a signature, in place of any the request had.
pub(super) fn sign(
    headers: &mut HeaderMap,
    target: (&str, &str, &str),
    payload: Payload<'_>,
    signer: &Signer,
    now: std::time::SystemTime,
) -> Result<(), UpstreamError> {
    let (method, path, query) = target;
    let failed = |fault: &dyn std::fmt::Display| {
        UpstreamError::new(FailureKind::Credentials, format!("sign the request: {fault}"))
    };
    let signed = {
        let to_sign = headers.iter().filter(|(name, _)| *name != NOT_SIGNED);
        let to_sign = to_sign.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let to_sign: Vec<(&str, &[u8])> = to_sign.collect();
        let request = Request { method, path, query, headers: &to_sign, payload };
        signer.sign(&request, now).map_err(|e| failed(&e))?
    };
    let value = |text: &str| HeaderValue::from_str(text).map_err(|e| failed(&e));
    headers.insert(AUTHORIZATION, value(&signed.authorization)?);
    headers.insert(HeaderName::from_static("x-amz-date"), value(&signed.x_amz_date)?);
    let token = HeaderName::from_static("x-amz-security-token");
    match signed.x_amz_security_token {
        Some(text) => headers.insert(token, value(text)?),
        None => headers.remove(token),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never knows whether there are credentials.
    #[derive(Debug)]
    struct Undecided;

    impl SignerSource for Undecided {
        fn signer(&self) -> SignerFuture<'_> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_do_without_credentials_waits_for_them_once() {
        let signatures = Signatures::new(Signing::IfPossible(Arc::new(Undecided)));
        let origin: Origin = "http://sink".parse().unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            assert!(signatures.signer(&origin).await.unwrap().is_none());
            // The timer has a resolution of a millisecond.
            assert!(start.elapsed().abs_diff(MOST_WAIT) <= Duration::from_millis(1));
        }
    }
}
