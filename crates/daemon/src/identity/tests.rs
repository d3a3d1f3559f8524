//! The identity against metadata services, STS and proxies that answer as these tests say, on
//! loopback and ports of the system's choosing.

mod credentials;
mod fake;
mod keeping;
mod surroundings;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_types::os_shim_internal::{Env, Fs};
use roentgen_ops::Clock;
use roentgen_sigv4::{Payload, Request, Signer};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::*;

/// A wall clock that goes with tokio's, so that both can be paused together.
#[derive(Debug)]
pub(super) struct TokioClock {
    began: Instant,
    began_wall: SystemTime,
}

impl TokioClock {
    /// From noon of the day that these tests were written.
    pub(super) fn start() -> Arc<Self> {
        let began_wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        Arc::new(Self { began: Instant::now(), began_wall })
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.began_wall + self.began.elapsed()
    }

    fn instant(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// What an identity finds around it.
#[derive(Default)]
struct Given<'a> {
    variables: Vec<(&'a str, &'a str)>,
    files: Vec<(&'a str, &'a str)>,
    settings: IdentitySettings,
    outbound: Outbound,
}

impl<'a> Given<'a> {
    fn variables(variables: &[(&'a str, &'a str)]) -> Self {
        Self { variables: variables.to_vec(), ..Self::default() }
    }

    fn with(mut self, variables: &[(&'a str, &'a str)]) -> Self {
        self.variables.extend_from_slice(variables);
        self
    }

    fn files(mut self, files: &[(&'a str, &'a str)]) -> Self {
        self.files.extend_from_slice(files);
        self
    }

    fn settings(self, settings: IdentitySettings) -> Self {
        Self { settings, ..self }
    }

    fn identity(&self) -> Identity {
        Identity::within(
            Env::from_slice(&self.variables),
            Fs::from_slice(&self.files),
            &self.settings,
            &self.outbound,
            TokioClock::start(),
            &TaskTracker::new(),
        )
    }
}

fn in_region(region: &str) -> IdentitySettings {
    IdentitySettings { region: Some(region.to_owned()), ..IdentitySettings::default() }
}

/// `Credential=` of a signature: access key, day, region, service.
fn credential_of(signer: &Signer) -> String {
    let headers: [(&str, &[u8]); 1] = [("host", b"xray")];
    let payload = Payload::Bytes(b"");
    let request = Request { method: "POST", path: "/", query: "", headers: &headers, payload };
    let signed = signer.sign(&request, TokioClock::start().now()).unwrap();
    let token = signed.x_amz_security_token.map(|token| format!(" {token}")).unwrap_or_default();
    let (_, rest) = signed.authorization.split_once("Credential=").unwrap();
    format!("{}{token}", rest.split_once("/aws4_request").unwrap().0)
}

#[test]
fn what_must_be_signed() {
    fn check(endpoint: Option<&str>, expect: bool) {
        assert_eq!(must_sign(endpoint), expect, "{endpoint:?}");
    }
    check(None, true);
    check(Some("https://xray.us-east-1.amazonaws.com"), true);
    check(Some("https://vpce-1.xray.us-east-1.vpce.amazonaws.com:443/x"), true);
    check(Some("https://xray.cn-north-1.amazonaws.com.cn"), true);
    check(Some("http://localhost:4566"), false);
    check(Some("http://[::1]:4566"), false);
    check(Some("http://amazonaws.com.example.org"), false);
    check(Some("not an address"), false);
}
