//! Requests whose signatures AWS has published: the Signature Version 4 test suite and the worked
//! examples of the documentation. Each is signed and, with the same signature, verified.
//!
//! The suite's variants without path normalisation are S3's rule, as is `get-space-normalized`,
//! which encodes its path once; this crate follows the other services, which encode twice.

use std::time::{Duration, SystemTime};

use roentgen_sigv4::{
    Credentials, DEFAULT_MAX_SKEW, Payload, Policy, Request, Scope, Signer, SigningKey, Timestamp,
    verify,
};

const SUITE: Keys = Keys {
    id: "AKIDEXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    date: "20150830T123600Z",
    region: "us-east-1",
    service: "service",
};

const IAM: Keys = Keys { service: "iam", ..SUITE };

const LAMBDA: Keys =
    Keys { date: "20210511T154045Z", region: "us-east-2", service: "lambda", ..SUITE };

const S3: Keys = Keys {
    id: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    date: "20130524T000000Z",
    region: "us-east-1",
    service: "s3",
};

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Keys {
    id: &'static str,
    secret: &'static str,
    date: &'static str,
    region: &'static str,
    service: &'static str,
}

impl Keys {
    fn now(&self) -> SystemTime {
        // The suites' three days, as `date -u -d … +%s` has them.
        let epoch_seconds = match self.date {
            "20150830T123600Z" => 1_440_938_160,
            "20210511T154045Z" => 1_620_747_645,
            "20130524T000000Z" => 1_369_353_600,
            other => panic!("no second for {other}"),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch_seconds);
        assert_eq!(Timestamp::from_system_time(now), Timestamp::parse(self.date));
        now
    }
}

/// A request as the suite writes it: the method and target, headers beside the date, the body.
type Example<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const HOST: (&str, &str) = ("Host", "example.amazonaws.com");

fn check(keys: &Keys, example: Example<'_>, token: Option<&str>, expect: &str) {
    let (method, target, headers, body) = example;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let payload = Payload::Bytes(body.as_bytes());
    let request = Request { method, path, query, headers: &headers, payload };

    let mut credentials = Credentials::new(keys.id, keys.secret);
    if let Some(token) = token {
        credentials = credentials.with_session_token(token);
    }
    let signer = Signer::new(credentials, keys.region, keys.service);
    let signed = signer.sign(&request, keys.now()).expect("a host and a time");
    let (_, signature) = signed.authorization.rsplit_once("Signature=").expect("a signature");
    assert_eq!(signature, expect, "{method} {target} {headers:?}");
    assert_eq!(signed.x_amz_date, keys.date);
    assert_eq!(signed.x_amz_security_token, token);

    let mut sent = headers.clone();
    sent.push(("X-Amz-Date", signed.x_amz_date.as_bytes()));
    sent.push(("Authorization", signed.authorization.as_bytes()));
    sent.extend(token.map(|token| ("X-Amz-Security-Token", token.as_bytes())));
    let policy =
        Policy { service: keys.service, region: Some(keys.region), max_skew: DEFAULT_MAX_SKEW };
    let received = Request { headers: &sent, ..request };
    let claim = verify(&received, &policy, keys.now(), |claim| {
        Some(SigningKey::derive(keys.secret, claim.scope()))
    });
    let claim = claim.unwrap_or_else(|error| panic!("{method} {target}: {error}"));
    assert_eq!((claim.access_key_id(), claim.session_token()), (keys.id, token));
}

#[test]
fn test_suite_paths_and_queries() {
    let get = |target, expect| check(&SUITE, ("GET", target, &[HOST], ""), None, expect);
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    get("/", vanilla);
    get("/example/..", vanilla);
    get("/example1/example2/../..", vanilla);
    get("/./", vanilla);
    get("//", vanilla);
    get("/?", vanilla);
    get("/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5");
    get("//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84");
    get("/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741");
    get(
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    );
    get("/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    get("/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
    get(
        "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    );
    get(
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    get(
        "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\
         =-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    );
    get("/?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
    let arn = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction\
               %3Amy-rusty-fun/invocations";
    check(
        &LAMBDA,
        ("POST", arn, &[("Host", "lambda.us-east-2.amazonaws.com")], ""),
        None,
        "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804",
    );
}

#[test]
fn test_suite_headers() {
    let get = |headers: &[(&str, &str)], expect| {
        check(&SUITE, ("GET", "/", &[&[HOST], headers].concat(), ""), None, expect);
    };
    get(
        &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    );
    get(
        &[
            ("My-Header1", "value4"),
            ("My-Header1", "value1"),
            ("My-Header1", "value3"),
            ("My-Header1", "value2"),
        ],
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    );
    // A folded header, unfolded as RFC 9112 §5.2 asks of whoever reads one.
    get(
        &[("My-Header1", "value1   value2      value3")],
        "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
    );
    get(
        &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
}

#[test]
fn test_suite_posts() {
    let post = |target, headers: &[(&str, &str)], body, expect| {
        check(&SUITE, ("POST", target, &[&[HOST], headers].concat(), body), None, expect);
    };
    let vanilla = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    post("/", &[], "", vanilla);
    post(
        "/?Param1=value1",
        &[],
        "",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    );
    post(
        "/",
        &[("My-Header1", "value1")],
        "",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    );
    post(
        "/",
        &[("My-Header1", "VALUE1")],
        "",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    );
    let length = ("Content-Length", "13");
    let hash = (
        "x-amz-content-sha256",
        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
    );
    post(
        "/",
        &[("Content-Type", "application/x-www-form-urlencoded"), length, hash],
        "Param1=value1",
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    );
    post(
        "/",
        &[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), length, hash],
        "Param1=value1",
        "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
    );
}

#[test]
fn test_suite_session_tokens() {
    check(
        &SUITE,
        ("GET", "/", &[HOST], ""),
        Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    );
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqw\
                 AeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8\
                 phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKw\
                 T38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJab\
                 IQwj2ICCR/oLxBA==";
    check(
        &SUITE,
        ("POST", "/", &[HOST], ""),
        Some(token),
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    );
}

#[test]
fn documented_examples() {
    let host = ("Host", "iam.amazonaws.com");
    let form = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    check(
        &IAM,
        ("GET", "/?Action=ListUsers&Version=2010-05-08", &[host, form], ""),
        None,
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    );
    let host = ("Host", "examplebucket.s3.amazonaws.com");
    let hash = ("x-amz-content-sha256", EMPTY_SHA256);
    let s3 = |target, headers: &[(&str, &str)], expect| {
        check(&S3, ("GET", target, &[&[host, hash], headers].concat(), ""), None, expect);
    };
    s3(
        "/test.txt",
        &[("Range", "bytes=0-9")],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    s3("/?lifecycle", &[], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    s3(
        "/?max-keys=2&prefix=J",
        &[],
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn the_hash_stands_for_the_payload() {
    let headers: [(&str, &[u8]); 1] = [("host", b"example.amazonaws.com")];
    let now = SUITE.now();
    let signer = Signer::new(Credentials::new(SUITE.id, SUITE.secret), "us-east-1", "service");
    let sign = |payload| {
        let request = Request { method: "POST", path: "/", query: "", headers: &headers, payload };
        signer.sign(&request, now).expect("a host and a time").authorization
    };
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let hash = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];
    assert_eq!(sign(Payload::Sha256(hash)), sign(Payload::Bytes(b"abc")));
    assert_ne!(sign(Payload::Sha256(hash)), sign(Payload::Bytes(b"abd")));
}

#[test]
fn a_key_says_what_it_is_for_and_not_what_it_is() {
    let scope = Scope { date: "20150830", region: "us-east-1", service: "iam" };
    let key = SigningKey::derive(SUITE.secret, scope);
    assert_eq!(key.scope(), scope);
    assert_eq!(scope.to_string(), "20150830/us-east-1/iam/aws4_request");
    assert_eq!(
        format!("{key:?}"),
        "SigningKey { scope: Scope { date: \"20150830\", region: \"us-east-1\", \
         service: \"iam\" }, .. }"
    );
}
