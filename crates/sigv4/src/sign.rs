//! Signing what we send.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::canonical::{
    ALGORITHM, SignedHeader, lower_case, push_hex, signed_names, string_to_sign,
};
use crate::credentials::Credentials;
use crate::request::Request;
use crate::signing_key::{Scope, SigningKey};
use crate::timestamp::Timestamp;

/// Headers a signature leaves out: proxies on the way rewrite them, or the signature itself comes
/// with them. The SDKs leave out the same.
const NOT_SIGNED: &[&str] = &[
    "authorization",
    "connection",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amz-date",
    "x-amz-security-token",
    "x-amzn-trace-id",
];

/// Why a request could not be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignError {
    /// AWS refuses signatures that do not cover the host.
    #[error("request has no host header; give the one that will be sent")]
    NoHost,
    /// The year of the time passed in does not have four digits, or is before 1970.
    #[error("time of the signature is not between 1970 and 9999; set the clock")]
    Time,
}

/// The headers to send with a signed request, in place of any the request had by these names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedHeaders<'a> {
    /// `Authorization`.
    pub authorization: String,
    /// `X-Amz-Date`.
    pub x_amz_date: String,
    /// `X-Amz-Security-Token`, with temporary keys.
    pub x_amz_security_token: Option<&'a str>,
}

/// Signs requests with one pair of keys, for one region and service, from any thread.
#[derive(Debug)]
pub struct Signer {
    credentials: Credentials,
    region: String,
    service: String,
    /// The key of the day that was last signed for.
    key: Mutex<Option<Arc<SigningKey>>>,
}

impl Signer {
    /// A signer for `region` and `service`, e.g. `eu-central-1` and `xray`.
    pub fn new(
        credentials: Credentials,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        let (region, service) = (region.into(), service.into());
        Self { credentials, region, service, key: Mutex::new(None) }
    }

    /// Signs a request at `now`.
    ///
    /// Every header of the request is signed but those that proxies rewrite (`connection`,
    /// `expect`, `transfer-encoding`, `user-agent`, `x-amzn-trace-id`). Headers of an older
    /// signature are ignored, so a forwarded request can be signed anew.
    pub fn sign(
        &self,
        request: &Request<'_>,
        now: SystemTime,
    ) -> Result<SignedHeaders<'_>, SignError> {
        let signed_at = Timestamp::from_system_time(now).ok_or(SignError::Time)?;
        let x_amz_date = signed_at.to_string();
        let mut headers: Vec<SignedHeader<'_>> = request
            .headers
            .iter()
            .map(|(name, value)| (lower_case(name), *value))
            .filter(|(name, _)| !NOT_SIGNED.contains(&name.as_ref()))
            .collect();
        if !headers.iter().any(|(name, _)| name == "host") {
            return Err(SignError::NoHost);
        }
        headers.push((lower_case("x-amz-date"), x_amz_date.as_bytes()));
        if let Some(token) = self.credentials.session_token() {
            headers.push((lower_case("x-amz-security-token"), token.as_bytes()));
        }
        // Stable: the values of a repeated header stay in the order of the message.
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));

        let (date, _) = x_amz_date.split_once('T').ok_or(SignError::Time)?;
        let key = self.key_of(date);
        let names = signed_names(&headers);
        let string_to_sign = string_to_sign(request, &headers, &names, &x_amz_date, key.scope());
        let signature = key.sign(&string_to_sign);
        let mut authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature=",
            self.credentials.access_key_id(),
            key.scope(),
        );
        push_hex(&mut authorization, &signature);
        let x_amz_security_token = self.credentials.session_token();
        Ok(SignedHeaders { authorization, x_amz_date, x_amz_security_token })
    }

    fn key_of(&self, date: &str) -> Arc<SigningKey> {
        // Replaced as a whole, so it is whole whatever happened to a thread that held the lock.
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.as_ref().filter(|key| key.scope().date == date) {
            return Arc::clone(key);
        }
        let scope = Scope { date, region: &self.region, service: &self.service };
        let key = Arc::new(SigningKey::derive(self.credentials.secret_access_key(), scope));
        *kept = Some(Arc::clone(&key));
        key
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::request::Payload;

    fn request<'a>(headers: &'a [(&'a str, &'a [u8])]) -> Request<'a> {
        Request { method: "POST", path: "/", query: "", headers, payload: Payload::Bytes(b"{}") }
    }

    fn signer() -> Signer {
        Signer::new(Credentials::new("AKID", "secret"), "eu-central-1", "xray")
    }

    const NOON: Duration = Duration::from_secs(1_440_936_000);

    #[test]
    fn leaves_out_what_proxies_rewrite_and_older_signatures() {
        let plain = request(&[("host", b"xray"), ("content-type", b"text/plain")]);
        let forwarded = request(&[
            ("Authorization", b"AWS4-HMAC-SHA256 Credential=other"),
            ("Connection", b"close"),
            ("content-type", b"text/plain"),
            ("Expect", b"100-continue"),
            ("Host", b"xray"),
            ("Transfer-Encoding", b"chunked"),
            ("User-Agent", b"curl"),
            ("X-Amz-Date", b"20000101T000000Z"),
            ("X-Amz-Security-Token", b"other"),
            ("X-Amzn-Trace-Id", b"Root=1"),
        ]);
        let now = SystemTime::UNIX_EPOCH + NOON;
        let signer = signer();
        let signed = signer.sign(&plain, now).unwrap();
        assert!(signed.authorization.contains("SignedHeaders=content-type;host;x-amz-date,"));
        assert_eq!(signer.sign(&forwarded, now).unwrap(), signed);
    }

    #[test]
    fn says_what_it_cannot_sign() {
        let now = SystemTime::UNIX_EPOCH + NOON;
        assert_eq!(signer().sign(&request(&[]), now), Err(SignError::NoHost));
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(signer().sign(&request(&[("host", b"xray")]), before), Err(SignError::Time));
    }

    #[test]
    fn the_kept_key_is_of_the_day_that_is_signed() {
        let request = request(&[("host", b"xray")]);
        let kept = signer();
        for day in [0, 1, 1, 0, 30] {
            let now = SystemTime::UNIX_EPOCH + NOON + Duration::from_secs(day * 86_400);
            assert_eq!(kept.sign(&request, now).unwrap(), signer().sign(&request, now).unwrap());
        }
    }
}
