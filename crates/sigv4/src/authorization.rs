//! What a request says about its own signature: who signed, when, for whom, and which headers.

use crate::canonical::ALGORITHM;
use crate::request::Request;
use crate::signing_key::Scope;
use crate::timestamp::Timestamp;
use crate::verify::VerifyError;

/// Longest `Authorization` header that is read. SDKs send about 300 bytes.
pub const MAX_AUTHORIZATION_BYTES: usize = 4_096;

/// Most headers a signature may name. SDKs sign about ten.
pub const MAX_SIGNED_HEADERS: usize = 64;

/// AWS: an access key id has 16 to 128 characters. Shorter ones are read, since local set-ups make
/// up their own.
const MAX_ACCESS_KEY_BYTES: usize = 128;

/// What the sender claims; true only once [`verify`](crate::verify) has returned it.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    access_key_id: &'a str,
    scope: Scope<'a>,
    pub(crate) signed_headers: Vec<&'a str>,
    pub(crate) signature: [u8; 32],
    signed_at: Timestamp,
    session_token: Option<&'a str>,
}

impl<'a> Claim<'a> {
    /// Reads `Authorization`, `X-Amz-Date` and `X-Amz-Security-Token`, whose shape alone is checked.
    ///
    /// # Errors
    /// [`VerifyError::MissingHeader`] and [`VerifyError::Malformed`].
    pub fn read(request: &Request<'a>) -> Result<Self, VerifyError> {
        let authorization = required(request, "authorization")?;
        if authorization.len() > MAX_AUTHORIZATION_BYTES {
            return Err(VerifyError::Malformed("Authorization is too long"));
        }
        let fields = Fields::read(authorization)?;
        let (access_key_id, scope) = read_credential(fields.credential).ok_or(
            VerifyError::Malformed("Credential is not KEY/DATE/REGION/SERVICE/aws4_request"),
        )?;
        let signature = read_signature(fields.signature)
            .ok_or(VerifyError::Malformed("Signature is not 64 lower-case hexadecimal digits"))?;
        let signed_headers = read_signed_headers(fields.signed_headers)?;
        let signed_at = Timestamp::parse(required(request, "x-amz-date")?)
            .ok_or(VerifyError::Malformed("X-Amz-Date is not a time like 20150830T123600Z"))?;
        let session_token = optional(request, "x-amz-security-token")?;
        Ok(Self { access_key_id, scope, signed_headers, signature, signed_at, session_token })
    }

    /// The access key the sender names.
    pub fn access_key_id(&self) -> &'a str {
        self.access_key_id
    }

    /// What the signing key must be good for.
    pub fn scope(&self) -> Scope<'a> {
        self.scope
    }

    /// When the request was signed.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// The session token, which goes with temporary keys. It is not part of the proof: who issues
    /// temporary keys compares it when looking up the key.
    pub fn session_token(&self) -> Option<&'a str> {
        self.session_token
    }
}

/// The three fields of `Authorization`, in whatever order they came.
struct Fields<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Fields<'a> {
    fn read(authorization: &'a str) -> Result<Self, VerifyError> {
        let fields = authorization
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '))
            .ok_or(VerifyError::Malformed("algorithm of Authorization is not AWS4-HMAC-SHA256"))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field
                .trim_ascii()
                .split_once('=')
                .ok_or(VerifyError::Malformed("Authorization has a field without a value"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(VerifyError::Malformed("Authorization has an unknown field")),
            };
            if place.replace(value).is_some() {
                return Err(VerifyError::Malformed("Authorization has a field twice"));
            }
        }
        Ok(Self {
            credential: credential
                .ok_or(VerifyError::Malformed("Authorization has no Credential"))?,
            signed_headers: signed_headers
                .ok_or(VerifyError::Malformed("Authorization has no SignedHeaders"))?,
            signature: signature.ok_or(VerifyError::Malformed("Authorization has no Signature"))?,
        })
    }
}

/// From the right, since nothing says that an access key has no slash.
fn read_credential(credential: &str) -> Option<(&str, Scope<'_>)> {
    let mut parts = credential.rsplitn(5, '/');
    if parts.next()? != "aws4_request" {
        return None;
    }
    let (service, region, date, access_key_id) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let parts_are_there = ![service, region, date, access_key_id].contains(&"");
    (parts_are_there && access_key_id.len() <= MAX_ACCESS_KEY_BYTES)
        .then_some((access_key_id, Scope { date, region, service }))
}

fn read_signature(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut signature = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != signature.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in signature.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(signature)
}

/// Sorted, in lower case and without repetition, as AWS asks; so the order of the names has one
/// spelling too.
fn read_signed_headers(names: &str) -> Result<Vec<&str>, VerifyError> {
    let names: Vec<&str> = names.split(';').take(MAX_SIGNED_HEADERS + 1).collect();
    if names.len() > MAX_SIGNED_HEADERS {
        return Err(VerifyError::Malformed("SignedHeaders has too many names"));
    }
    let lower_case = |name: &&str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !names.iter().all(lower_case) || !names.is_sorted_by(|one, next| one < next) {
        return Err(VerifyError::Malformed("SignedHeaders is not sorted and in lower case"));
    }
    // Without them a captured signature would serve for another host, or for ever.
    for (required, missing) in [
        ("host", VerifyError::Malformed("SignedHeaders does not have host")),
        ("x-amz-date", VerifyError::Malformed("SignedHeaders does not have x-amz-date")),
    ] {
        if names.binary_search(&required).is_err() {
            return Err(missing);
        }
    }
    Ok(names)
}

fn required<'a>(request: &Request<'a>, name: &'static str) -> Result<&'a str, VerifyError> {
    optional(request, name)?.ok_or_else(|| VerifyError::MissingHeader { name: name.to_owned() })
}

fn optional<'a>(request: &Request<'a>, name: &str) -> Result<Option<&'a str>, VerifyError> {
    let mut values = request.values(name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(VerifyError::Malformed("a header of the signature is there twice"));
    }
    std::str::from_utf8(value)
        .map(|value| Some(value.trim_ascii()))
        .map_err(|_| VerifyError::Malformed("a header of the signature is not UTF-8"))
}
