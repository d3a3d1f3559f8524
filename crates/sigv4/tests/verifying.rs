//! What a request must be to pass, and which error names each thing that is wrong with it.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use roentgen_sigv4::{
    Claim, Credentials, MAX_SIGNED_HEADERS, Payload, Policy, Request, Signer, SigningKey,
    VerifyError, verify,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30T12:36:00Z.
const SIGNED_AT: Duration = Duration::from_secs(1_440_938_160);

const POLICY: Policy<'static> =
    Policy { service: "xray", region: Some("eu-central-1"), max_skew: Duration::from_mins(5) };

/// A request on its way: signed, and then changed by the test.
struct Sent {
    method: &'static str,
    path: &'static str,
    query: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    body: &'static [u8],
}

fn signed() -> Sent {
    let (method, path, query, body): (_, _, _, &[u8]) = ("POST", "/TraceSegments", "a=1", b"{}");
    let plain: [(&str, &[u8]); 2] =
        [("Host", b"localhost:2000"), ("Content-Type", b"application/json")];
    let payload = Payload::Bytes(body);
    let request = Request { method, path, query, headers: &plain, payload };
    let signer = Signer::new(Credentials::new("AKID", SECRET), "eu-central-1", "xray");
    let signed =
        signer.sign(&request, SystemTime::UNIX_EPOCH + SIGNED_AT).expect("a host and a time");
    let mut headers: Vec<(String, Vec<u8>)> =
        plain.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    headers.push(("X-Amz-Date".to_owned(), signed.x_amz_date.into_bytes()));
    headers.push(("Authorization".to_owned(), signed.authorization.into_bytes()));
    Sent { method, path, query, headers, body }
}

impl Sent {
    fn header(mut self, name: &str, change: impl FnOnce(&str) -> String) -> Self {
        let (_, value) =
            self.headers.iter_mut().find(|(sent, _)| sent == name).expect("a header to change");
        *value = change(std::str::from_utf8(value).expect("text")).into_bytes();
        self
    }

    fn authorization(self, from: &str, to: &str) -> Self {
        self.header("Authorization", |text| {
            assert!(text.contains(from), "{text} has no {from}");
            text.replacen(from, to, 1)
        })
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(sent, _)| sent != name);
        self
    }

    fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    fn verify_at(&self, now: SystemTime, policy: &Policy<'_>) -> Result<String, VerifyError> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let (method, path, query) = (self.method, self.path, self.query);
        let payload = Payload::Bytes(self.body);
        let request = Request { method, path, query, headers: &headers, payload };
        let find = |claim: &Claim<'_>| {
            (claim.access_key_id() == "AKID").then(|| SigningKey::derive(SECRET, claim.scope()))
        };
        verify(&request, policy, now, find).map(|claim| claim.access_key_id().to_owned())
    }

    fn verify(&self) -> Result<String, VerifyError> {
        self.verify_at(SystemTime::UNIX_EPOCH + SIGNED_AT, &POLICY)
    }
}

fn check_malformed(sent: Sent, expect: &'static str) {
    assert_eq!(sent.verify(), Err(VerifyError::Malformed(expect)));
}

#[test]
fn what_was_signed_passes_however_it_is_spelled() {
    assert_eq!(signed().verify().as_deref(), Ok("AKID"));
    let mut reordered = signed();
    reordered.headers.reverse();
    assert_eq!(reordered.verify().as_deref(), Ok("AKID"));
    let mut lower = signed();
    lower.headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
    assert_eq!(lower.verify().as_deref(), Ok("AKID"));
    let spaced = signed().header("Content-Type", |text| format!("  {text} "));
    assert_eq!(spaced.verify().as_deref(), Ok("AKID"));
    let tight = signed().header("Authorization", |text| text.replace(", ", ","));
    assert_eq!(tight.verify().as_deref(), Ok("AKID"));
}

#[test]
fn headers_that_were_not_signed_may_be_added() {
    let passed = signed().with("X-Forwarded-For", b"10.0.0.1").with("x-amz-cf-id", b"\xff");
    assert_eq!(passed.verify().as_deref(), Ok("AKID"));
    // Some SDKs add the token after signing (post-sts-header-after in AWS's suite).
    assert_eq!(signed().with("X-Amz-Security-Token", b"token").verify().as_deref(), Ok("AKID"));
}

#[test]
fn what_was_changed_does_not_match() {
    let mut changed = vec![
        signed().header("Host", |_| "localhost:2001".to_owned()),
        signed().header("Content-Type", |_| "text/plain".to_owned()),
        signed().header("X-Amz-Date", |_| "20150830T123601Z".to_owned()),
        signed().with("Content-Type", b"application/json"),
        signed().header("Authorization", |text| {
            let last = if text.ends_with('0') { "1" } else { "0" };
            text[..text.len() - 1].to_owned() + last
        }),
    ];
    changed.push(Sent { method: "PUT", ..signed() });
    changed.push(Sent { path: "/Traces", ..signed() });
    changed.push(Sent { query: "a=2", ..signed() });
    changed.push(Sent { query: "", ..signed() });
    changed.push(Sent { body: b"{} ", ..signed() });
    for (idx, sent) in changed.into_iter().enumerate() {
        assert_eq!(sent.verify(), Err(VerifyError::Mismatch), "change {idx}");
    }
}

#[test]
fn another_secret_does_not_match() {
    let sent = signed();
    let headers: Vec<(&str, &[u8])> =
        sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let request = Request {
        method: sent.method,
        path: sent.path,
        query: sent.query,
        headers: &headers,
        payload: Payload::Bytes(sent.body),
    };
    let find = |claim: &Claim<'_>| Some(SigningKey::derive("other", claim.scope()));
    let verified = verify(&request, &POLICY, SystemTime::UNIX_EPOCH + SIGNED_AT, find);
    assert_eq!(verified.map(|_| ()), Err(VerifyError::Mismatch));
}

#[test]
fn names_the_header_that_is_missing() {
    for (name, named) in [
        ("Authorization", "authorization"),
        ("X-Amz-Date", "x-amz-date"),
        ("Host", "host"),
        ("Content-Type", "content-type"),
    ] {
        let expect = VerifyError::MissingHeader { name: named.to_owned() };
        assert_eq!(signed().without(name).verify(), Err(expect));
    }
}

#[test]
fn says_what_cannot_be_read() {
    let twice = "a header of the signature is there twice";
    check_malformed(signed().with("authorization", b"AWS4-HMAC-SHA256 Credential=x"), twice);
    check_malformed(signed().with("x-amz-date", b"20150830T123600Z"), twice);
    check_malformed(
        signed().without("Authorization").with("Authorization", b"\xff"),
        "a header of the signature is not UTF-8",
    );
    let algorithm = "algorithm of Authorization is not AWS4-HMAC-SHA256";
    check_malformed(signed().header("Authorization", |_| String::new()), algorithm);
    check_malformed(signed().header("Authorization", |_| "Bearer x".to_owned()), algorithm);
    check_malformed(signed().authorization("SHA256 ", "SHA256"), algorithm);
    check_malformed(signed().authorization("HMAC", "ECDSA-P256"), algorithm);
    check_malformed(
        signed().header("Authorization", |text| format!("{text}{}", " ".repeat(4_096)) + "x"),
        "Authorization is too long",
    );
    check_malformed(
        signed().authorization("Signature=", "Signature:"),
        "Authorization has a field without a value",
    );
    check_malformed(
        signed().authorization("Signature=", "Sig="),
        "Authorization has an unknown field",
    );
    check_malformed(
        signed().authorization("Signature=", "Credential="),
        "Authorization has a field twice",
    );
    let cut = |at: &'static str| {
        signed().header("Authorization", move |text| {
            text.split(at).next().expect("a beginning").to_owned()
        })
    };
    check_malformed(cut(", Signature"), "Authorization has no Signature");
    check_malformed(cut(", SignedHeaders"), "Authorization has no SignedHeaders");
    check_malformed(
        signed().authorization("Credential=AKID/20150830/eu-central-1/xray/aws4_request, ", ""),
        "Authorization has no Credential",
    );
    let credential = "Credential is not KEY/DATE/REGION/SERVICE/aws4_request";
    check_malformed(signed().authorization("aws4_request", "aws2_request"), credential);
    check_malformed(signed().authorization("AKID/", ""), credential);
    check_malformed(signed().authorization("AKID/", "/"), credential);
    check_malformed(signed().authorization("eu-central-1", ""), credential);
    check_malformed(signed().authorization("AKID", &"A".repeat(129)), credential);
    let signature = "Signature is not 64 lower-case hexadecimal digits";
    for wrong in ["Signature=0", "Signature=zz", "Signature=AA"] {
        check_malformed(signed().authorization("Signature=", wrong), signature);
    }
    check_malformed(
        signed().header("Authorization", |text| text[..text.len() - 2].to_owned() + "AF"),
        signature,
    );
    check_malformed(
        signed().header("X-Amz-Date", |_| "Sun, 30 Aug 2015 12:36:00 GMT".to_owned()),
        "X-Amz-Date is not a time like 20150830T123600Z",
    );
}

#[test]
fn the_list_of_signed_headers_has_one_spelling() {
    let signed = |list: &str| signed().authorization("content-type;host;x-amz-date", list);
    let order = "SignedHeaders is not sorted and in lower case";
    check_malformed(signed("host;content-type;x-amz-date"), order);
    check_malformed(signed("content-type;host;host;x-amz-date"), order);
    check_malformed(signed("Content-Type;host;x-amz-date"), order);
    check_malformed(signed("content-type;x-amz-date"), "SignedHeaders does not have host");
    check_malformed(signed("content-type;host"), "SignedHeaders does not have x-amz-date");
    check_malformed(signed(""), "SignedHeaders does not have host");
    let many: Vec<String> = (0..=MAX_SIGNED_HEADERS).map(|idx| format!("h{idx:03}")).collect();
    check_malformed(signed(&many.join(";")), "SignedHeaders has too many names");
    // Fewer headers than were signed: readable, but another signature.
    assert_eq!(signed("host;x-amz-date").verify(), Err(VerifyError::Mismatch));
}

#[test]
fn a_signature_is_for_one_day_region_and_service() {
    let check = |sent: Sent, policy: &Policy<'_>, part, claimed: &str, expected: &str| {
        let (claimed, expected) = (claimed.to_owned(), expected.to_owned());
        assert_eq!(
            sent.verify_at(SystemTime::UNIX_EPOCH + SIGNED_AT, policy),
            Err(VerifyError::WrongScope { part, claimed, expected })
        );
    };
    let other_day = signed().authorization("/20150830/", "/20150831/");
    check(other_day, &POLICY, "date", "20150831", "20150830");
    let here = Policy { region: Some("eu-west-1"), ..POLICY };
    check(signed(), &here, "region", "eu-central-1", "eu-west-1");
    let sqs = Policy { service: "sqs", ..POLICY };
    check(signed(), &sqs, "service", "xray", "sqs");
    let anywhere = Policy { region: None, ..POLICY };
    assert!(signed().verify_at(SystemTime::UNIX_EPOCH + SIGNED_AT, &anywhere).is_ok());
    // The region is taken as it is named, but it is signed too.
    let moved = signed().authorization("eu-central-1", "eu-west-1");
    assert_eq!(
        moved.verify_at(SystemTime::UNIX_EPOCH + SIGNED_AT, &anywhere),
        Err(VerifyError::Mismatch)
    );
}

#[test]
fn a_signature_is_good_for_some_minutes() {
    let at = |seconds: i64| {
        let signed_at = SystemTime::UNIX_EPOCH + SIGNED_AT;
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let now = if seconds < 0 { signed_at - distance } else { signed_at + distance };
        signed().verify_at(now, &POLICY)
    };
    assert!(at(0).is_ok());
    assert!(at(300).is_ok());
    assert!(at(-300).is_ok());
    let late = at(301).expect_err("late");
    assert_eq!(
        late.to_string(),
        "signature of 20150830T123600Z is more than 300 s from the server's 20150830T124101Z; \
         set the sender's clock"
    );
    assert!(matches!(late, VerifyError::Skewed { .. }), "{late:?}");
    let early = at(-301).expect_err("early");
    assert!(matches!(early, VerifyError::Skewed { .. }), "{early:?}");
    let no_time = signed().verify_at(SystemTime::UNIX_EPOCH - Duration::from_secs(1), &POLICY);
    assert_eq!(no_time, Err(VerifyError::Time));
}

#[test]
fn names_the_key_nobody_has() {
    let expect = VerifyError::UnknownKey { access_key_id: "some/one".to_owned() };
    assert_eq!(signed().authorization("AKID", "some/one").verify(), Err(expect));
}

#[test]
fn the_key_is_looked_up_only_for_requests_in_order() {
    let sent = signed().without("Host");
    let headers: Vec<(&str, &[u8])> =
        sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let request = Request {
        method: sent.method,
        path: sent.path,
        query: sent.query,
        headers: &headers,
        payload: Payload::Bytes(sent.body),
    };
    let looked_up = Cell::new(false);
    let verified = verify(&request, &POLICY, SystemTime::UNIX_EPOCH + SIGNED_AT, |claim| {
        looked_up.set(true);
        Some(SigningKey::derive(SECRET, claim.scope()))
    });
    assert!(verified.is_err());
    assert!(!looked_up.get());
}
