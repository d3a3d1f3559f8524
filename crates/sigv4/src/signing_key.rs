//! The key signatures are made with: the secret, narrowed to one day, region and service.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a signing key is good for; with `/aws4_request` behind it the *credential scope*.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scope<'a> {
    /// The day in UTC, `20150830`.
    pub date: &'a str,
    /// The region, e.g. `eu-central-1`.
    pub region: &'a str,
    /// The service, e.g. `xray`.
    pub service: &'a str,
}

/// As in `Credential=` after the access key.
impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// A derived key. Deriving is four authentication codes, signing with the key is one, and the key is
/// the same for a whole day: callers with many requests keep it by access key and [`Scope`].
#[derive(Clone)]
pub struct SigningKey {
    date: String,
    region: String,
    service: String,
    /// With the key already worked in, which saves two of the four blocks a signature hashes.
    keyed: Hmac<Sha256>,
}

impl SigningKey {
    /// The key for signatures within `scope` by the holder of `secret_access_key`.
    pub fn derive(secret_access_key: &str, scope: Scope<'_>) -> Self {
        let secret = [b"AWS4", secret_access_key.as_bytes()].concat();
        let parts = [scope.date, scope.region, scope.service, "aws4_request"];
        let keyed = parts
            .iter()
            .fold(keyed(&secret), |key, part| keyed(&authenticate(key, part.as_bytes())));
        Self {
            date: scope.date.to_owned(),
            region: scope.region.to_owned(),
            service: scope.service.to_owned(),
            keyed,
        }
    }

    /// What it is good for.
    pub fn scope(&self) -> Scope<'_> {
        Scope { date: &self.date, region: &self.region, service: &self.service }
    }

    /// The signature of a string to sign.
    pub(crate) fn sign(&self, string_to_sign: &str) -> [u8; 32] {
        authenticate(self.keyed.clone(), string_to_sign.as_bytes())
    }
}

/// Shows the scope only: who has the key can sign for the rest of the day.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("scope", &self.scope()).finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn authenticate(mut keyed: Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    keyed.update(message);
    keyed.finalize().into_bytes().into()
}
