//! Verifying what others sent.

use std::borrow::Borrow;
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq as _;

use crate::authorization::Claim;
use crate::canonical::{SignedHeader, lower_case, signed_names, string_to_sign};
use crate::request::Request;
use crate::signing_key::SigningKey;
use crate::timestamp::Timestamp;

/// How far a signature's time may be from ours, both ways. AWS: "a request must reach AWS within
/// five minutes of the time stamp in the request".
pub const DEFAULT_MAX_SKEW: Duration = Duration::from_mins(5);

/// What a signature must be for.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The service, e.g. `xray`.
    pub service: &'a str,
    /// The region; `None` takes every region, for clients that are only told an address.
    pub region: Option<&'a str>,
    /// How far the time of the signature may be from ours; see [`DEFAULT_MAX_SKEW`].
    pub max_skew: Duration,
}

/// Why a request is not taken for signed. The names are those of AWS's answers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// A header of the signature, or one it covers, is not there. AWS:
    /// `MissingAuthenticationTokenException` for `authorization`, else
    /// `IncompleteSignatureException`.
    #[error("header {name:?} is missing; sign the request and send every header that is signed")]
    MissingHeader {
        /// In lower case.
        name: String,
    },
    /// The signature cannot be read. AWS: `IncompleteSignatureException`.
    #[error("signature cannot be read: {0}")]
    Malformed(&'static str),
    /// The signature is for another day, region or service. AWS: `InvalidSignatureException`.
    #[error("credential is scoped to {part} {claimed:?}; sign for {expected:?}")]
    WrongScope {
        /// `date`, `region` or `service`.
        part: &'static str,
        /// What the request says.
        claimed: String,
        /// What it has to be.
        expected: String,
    },
    /// Signed too long ago, or by a clock that is ahead. AWS: `InvalidSignatureException`
    /// ("Signature expired", "Signature not yet current").
    #[error(
        "signature of {signed_at} is more than {} s from the server's {now}; set the sender's clock",
        max_skew.as_secs()
    )]
    Skewed {
        /// When the request says it was signed.
        signed_at: Timestamp,
        /// The time it was compared with.
        now: Timestamp,
        /// How far apart they may be.
        max_skew: Duration,
    },
    /// Nobody has this access key. AWS: `UnrecognizedClientException`.
    #[error("access key {access_key_id:?} is not known")]
    UnknownKey {
        /// As the request names it.
        access_key_id: String,
    },
    /// The signature is not that of this request by the holder of the secret. AWS:
    /// `InvalidSignatureException`.
    #[error("signature does not match the request; check the secret key and the way of signing")]
    Mismatch,
    /// The time passed in is before 1970 or after 9999.
    #[error("time of the server is not between 1970 and 9999; set the clock")]
    Time,
}

/// Checks that `request` was signed with the secret of the key it names, and is as it was signed.
///
/// `find_key` gives the signing key for the claimed access key id and scope, `None` for keys nobody
/// has. It is asked only when everything but the signature itself is in order, and the payload is
/// hashed only after it answered. Only the headers named in `SignedHeaders` are protected: the
/// others may have been changed or added on the way.
///
/// # Errors
/// Every kind of [`VerifyError`].
pub fn verify<'a, K: Borrow<SigningKey>>(
    request: &Request<'a>,
    policy: &Policy<'_>,
    now: SystemTime,
    find_key: impl FnOnce(&Claim<'a>) -> Option<K>,
) -> Result<Claim<'a>, VerifyError> {
    let now = Timestamp::from_system_time(now).ok_or(VerifyError::Time)?;
    let claim = Claim::read(request)?;
    check_scope(&claim, policy)?;
    if claim.signed_at().distance(now) > policy.max_skew {
        let (signed_at, max_skew) = (claim.signed_at(), policy.max_skew);
        return Err(VerifyError::Skewed { signed_at, now, max_skew });
    }
    let headers = signed_headers(request, &claim)?;
    let unknown = || VerifyError::UnknownKey { access_key_id: claim.access_key_id().to_owned() };
    let key = find_key(&claim).ok_or_else(unknown)?;
    let key: &SigningKey = key.borrow();
    let (names, signed_at) = (signed_names(&headers), claim.signed_at().to_string());
    let string_to_sign = string_to_sign(request, &headers, &names, &signed_at, claim.scope());
    // How long it takes must not tell how much of a guess was right.
    let matches: bool = key.sign(&string_to_sign).ct_eq(&claim.signature).into();
    matches.then_some(claim).ok_or(VerifyError::Mismatch)
}

fn check_scope(claim: &Claim<'_>, policy: &Policy<'_>) -> Result<(), VerifyError> {
    let scope = claim.scope();
    let date = claim.signed_at().date();
    let parts = [
        ("date", scope.date, date.as_str()),
        ("region", scope.region, policy.region.unwrap_or(scope.region)),
        ("service", scope.service, policy.service),
    ];
    let wrong = parts.into_iter().find(|(_, claimed, expected)| claimed != expected);
    wrong.map_or(Ok(()), |(part, claimed, expected)| {
        let (claimed, expected) = (claimed.to_owned(), expected.to_owned());
        Err(VerifyError::WrongScope { part, claimed, expected })
    })
}

/// The headers the sender signed, as we received them.
fn signed_headers<'a>(
    request: &Request<'a>,
    claim: &Claim<'a>,
) -> Result<Vec<SignedHeader<'a>>, VerifyError> {
    let mut headers: Vec<SignedHeader<'a>> = request
        .headers
        .iter()
        .map(|(name, value)| (lower_case(name), *value))
        .filter(|(name, _)| claim.signed_headers.binary_search(&name.as_ref()).is_ok())
        .collect();
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_missing =
        |name: &&&str| headers.binary_search_by(|(sent, _)| (**sent).cmp(**name)).is_err();
    match claim.signed_headers.iter().find(is_missing) {
        Some(name) => Err(VerifyError::MissingHeader { name: (*name).to_owned() }),
        None => Ok(headers),
    }
}
