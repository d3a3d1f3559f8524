//! The same requests signed by AWS's own Rust library: random ones, so that rules no published
//! example touches agree too.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as TheirCredentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SigningSettings, sign as their_sign,
};
use aws_sigv4::sign::v4::SigningParams;
use proptest::prelude::*;
use roentgen_sigv4::{
    Credentials, DEFAULT_MAX_SKEW, Payload, Policy, Request, Signer, SigningKey, verify,
};

#[derive(Debug)]
struct Given {
    method: &'static str,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
    secret: String,
    region: String,
    service: String,
    now: SystemTime,
}

/// Segments as they may stand on a request line, dots and encoded slashes among them.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[a-zA-Z0-9._~:@!$&'()*+,;=-]{0,8}",
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just(String::new()),
        1 => "(%2F|%20|%C3%A9|%25|%7E|a){1,3}",
    ];
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn query() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        3 => "[a-zA-Z0-9._~-]{0,6}",
        1 => "(%20|%2B|%3D|%26|%C3%A9|%25|%7E|[+!*'():@/?$,;]|a){0,3}",
    ];
    let parameter = (text.clone(), text, any::<bool>())
        .prop_map(|(name, value, bare)| if bare { name } else { format!("{name}={value}") });
    prop::collection::vec(parameter, 0..5).prop_map(|parameters| parameters.join("&"))
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "(x-amz-[a-c]|[xX]-[a-cA-C]{1,2}|content-type|amz-sdk-request)";
    let value = "[ !-~]{0,6}( {1,3}[!-~]{1,4}){0,3} {0,2}";
    prop::collection::vec((name, value), 0..6)
}

fn given() -> impl Strategy<Value = Given> {
    let request = (
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        path(),
        prop::option::of(query()),
        headers(),
        prop::collection::vec(any::<u8>(), 0..200),
    );
    let signer = (
        prop::option::of("[A-Za-z0-9/+=]{1,40}"),
        "[!-~]{1,80}",
        "[a-z]{2}-[a-z]{4,9}-[1-9]",
        "[a-z0-9-]{1,12}",
        0_u64..=253_402_300_799,
    );
    (request, signer).prop_map(
        |((method, path, query, headers, body), (token, secret, region, service, seconds))| Given {
            method,
            path,
            query,
            headers,
            body,
            token,
            secret,
            region,
            service,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        },
    )
}

/// The headers AWS's library adds: date, token and authorization.
fn theirs(given: &Given, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let credentials =
        TheirCredentials::new("AKIDEXAMPLE", &given.secret, given.token.clone(), None, "test");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.session_token_mode = SessionTokenMode::Include;
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&given.region)
        .name(&given.service)
        .time(given.now)
        .settings(settings)
        .build()
        .expect("all parameters are there")
        .into();
    let target = match &given.query {
        Some(query) => format!("http://localhost:2000{}?{query}", given.path),
        None => format!("http://localhost:2000{}", given.path),
    };
    let headers = headers.iter().copied();
    let body = SignableBody::Bytes(&given.body);
    let request =
        SignableRequest::new(given.method, target, headers, body).expect("a request they sign");
    let (instructions, _) = their_sign(request, &params).expect("a signature").into_parts();
    let added = instructions.headers();
    added.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn signs_as_the_sdk_does_and_takes_what_it_signed(given in given()) {
        let mut plain = vec![("host", "localhost:2000")];
        plain.extend(given.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let added = theirs(&given, &plain);

        let headers: Vec<(&str, &[u8])> =
            plain.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = Request {
            method: given.method,
            path: &given.path,
            query: given.query.as_deref().unwrap_or(""),
            headers: &headers,
            payload: Payload::Bytes(&given.body),
        };
        let mut credentials = Credentials::new("AKIDEXAMPLE", &given.secret);
        if let Some(token) = &given.token {
            credentials = credentials.with_session_token(token);
        }
        let signer = Signer::new(credentials, &given.region, &given.service);
        let ours = signer.sign(&request, given.now).expect("a host and a time");
        prop_assert_eq!(Some(ours.authorization.as_str()), value(&added, "authorization"));
        prop_assert_eq!(Some(ours.x_amz_date.as_str()), value(&added, "x-amz-date"));
        prop_assert_eq!(ours.x_amz_security_token, value(&added, "x-amz-security-token"));

        let mut sent = headers.clone();
        sent.extend(added.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        let received = Request { headers: &sent, ..request };
        let policy =
            Policy { service: &given.service, region: None, max_skew: DEFAULT_MAX_SKEW };
        let verified = verify(&received, &policy, given.now, |claim| {
            Some(SigningKey::derive(&given.secret, claim.scope()))
        });
        prop_assert_eq!(verified.err(), None);
    }
}
