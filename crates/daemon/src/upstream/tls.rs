//! TLS for `https` endpoints and proxies. The machine's root certificates are read when the first
//! connection needs them: against plain HTTP they would only cost memory.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::failure::{FailureKind, UpstreamError};

/// Sessions kept for a faster second handshake. An upstream talks to one server, or to a proxy and
/// one server.
const KEPT_SESSIONS: usize = 8;

/// Makes TLS connections.
#[derive(Debug)]
pub(super) struct Tls {
    /// Whether any certificate will do.
    no_verify: bool,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(no_verify: bool) -> Self {
        Self { no_verify, config: OnceCell::new() }
    }

    /// Gives what connects; reads the root certificates the first time.
    pub(super) async fn connector(&self) -> Result<TlsConnector, UpstreamError> {
        let no_verify = self.no_verify;
        let make = || async move {
            // Reading and parsing some hundred certificates takes milliseconds.
            let made = tokio::task::spawn_blocking(move || client_config(no_verify)).await;
            made.map_err(|e| e.to_string()).flatten()
        };
        let config = self.config.get_or_try_init(make).await;
        let failed = |fault| UpstreamError::new(FailureKind::Other, format!("tls: {fault}"));
        config.map(|config| TlsConnector::from(Arc::clone(config))).map_err(failed)
    }
}

fn client_config(no_verify: bool) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match no_verify {
        true => Arc::new(TakeAny(provider.signature_verification_algorithms)),
        false => verifier(&provider)?,
    };
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(KEPT_SESSIONS);
    Ok(Arc::new(config))
}

fn verifier(provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "no root certificates found on this machine ({}); install ca-certificates or set \
             SSL_CERT_FILE",
            reasons.join(", ")
        ));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| e.to_string())
}

/// Takes any certificate, as `NoVerifySSL` demands; the handshake itself is still checked.
#[derive(Debug)]
struct TakeAny(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
