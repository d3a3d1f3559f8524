//! AWS Signature Version 4: signs the requests we send and verifies those sent to us.
//!
//! Nothing here does I/O or reads a clock: the time is an argument. Source of every rule: AWS, "IAM
//! User Guide", chapter "AWS Signature Version 4 for API requests".
//!
//! * [`Signer`] signs with one pair of keys for one region and service.
//! * [`verify`] checks a request against the secret of the access key it names, over the headers its
//!   *sender* chose to sign, and says with [`VerifyError`] what is wrong with it.
//! * [`SigningKey`] is the part of the arithmetic that stays the same for a day; callers keep it.
//!
//! The signature is in the `Authorization` header. Signatures in the query (presigned addresses),
//! chunked payloads, the multi-region variant SigV4a and S3's own path rule are not here: no client
//! of X-Ray uses them.

mod authorization;
mod canonical;
mod credentials;
mod request;
mod sign;
mod signing_key;
mod timestamp;
mod verify;

pub use authorization::{Claim, MAX_AUTHORIZATION_BYTES, MAX_SIGNED_HEADERS};
pub use credentials::Credentials;
pub use request::{Payload, Request};
pub use sign::{SignError, SignedHeaders, Signer};
pub use signing_key::{Scope, SigningKey};
pub use timestamp::Timestamp;
pub use verify::{DEFAULT_MAX_SKEW, Policy, VerifyError, verify};
