//! Every source of credentials there is, the role on top, and how requests for them leave the
//! machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::fake::{Answer, Asked, Fake, Log, ok};
use super::{Given, credential_of, in_region};
use crate::settings::IdentitySettings;
use crate::upstream::Signing;

/// Of the day of the clock of these tests.
const SCOPE: &str = "20261122/eu-west-1/xray";

/// Long after the day of the clock.
const CONTAINER: &str = r#"{"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-22T18:00:00Z"}"#;

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// Nobody on this machine is to be asked by mistake.
const NO_IMDS: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

fn given<'a>(variables: &[(&'a str, &'a str)]) -> Given<'a> {
    Given::variables(variables).settings(in_region("eu-west-1"))
}

/// What requests are signed with: access key, scope, and the session token behind a space.
async fn check(given: Given<'_>, expect: &str) {
    let signer = given.identity().signer().await;
    assert_eq!(
        signer.map(|signer| credential_of(&signer)).map_err(|e| e.to_string()),
        Ok(expect.to_owned())
    );
}

#[tokio::test]
async fn from_the_environment() {
    check(given(&KEYS), &format!("AKIDENV/{SCOPE}")).await;
    let with_token = given(&KEYS).with(&[("AWS_SESSION_TOKEN", "token")]);
    check(with_token, &format!("AKIDENV/{SCOPE} token")).await;
}

#[tokio::test]
async fn who_can_do_without_credentials_looks_for_them_from_the_start() {
    let container = Fake::start(|_| ok(CONTAINER)).await;
    let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.address.as_str());
    let check = async |endpoint: Option<&str>, expect: usize| {
        let asked = container.lines().len();
        let given = given(&[uri, NO_IMDS]);
        let identity = Arc::new(given.identity());
        let _signing = identity.signing(endpoint);
        let walk = async {
            while container.lines().len() == asked {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let patience = Duration::from_secs(if expect > 0 { 20 } else { 0 });
        let _ = timeout(patience, walk).await;
        assert_eq!(container.lines().len() - asked, expect, "{endpoint:?}");
    };
    check(Some("http://localhost:4566"), 1).await;
    check(None, 0).await;
}

#[tokio::test]
async fn from_profiles() {
    let files = [
        (
            "/aws/credentials",
            "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n",
        ),
        (
            "/aws/config",
            "[profile program]\ncredential_process = echo '{\"Version\":1,\
             \"AccessKeyId\":\"AKIDPROGRAM\",\"SecretAccessKey\":\"s\"}'\n",
        ),
    ];
    let variables =
        [("AWS_SHARED_CREDENTIALS_FILE", "/aws/credentials"), ("AWS_CONFIG_FILE", "/aws/config")];
    check(given(&variables).files(&files), &format!("AKIDFILE/{SCOPE}")).await;
    let program = given(&variables).with(&[("AWS_PROFILE", "program")]);
    check(program.files(&files), &format!("AKIDPROGRAM/{SCOPE}")).await;
}

/// STS as far as it is asked here; `region` answers `AssumeRole` only in that region.
fn sts(asked: &Asked, region: Option<&str>) -> Answer {
    let has = |parameter: &str| asked.body.split('&').any(|given| given == parameter);
    let operation = ["AssumeRoleWithWebIdentity", "AssumeRole"]
        .into_iter()
        .find(|operation| has(&format!("Action={operation}")))?;
    let scope = format!("/{}/sts/aws4_request", region.unwrap_or("eu-west-1"));
    if operation == "AssumeRole" && !asked.header("authorization").contains(&scope) {
        let error = "<ErrorResponse><Error><Type>Sender</Type>\
                     <Code>RegionDisabledException</Code><Message>STS is not activated in this \
                     region</Message></Error></ErrorResponse>";
        return Some((403, error.to_owned()));
    }
    ok(format!(
        "<{operation}Response><{operation}Result><AssumedRoleUser><AssumedRoleId>A:x\
         </AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/x</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIA{}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>2026-11-22T13:00:00Z</Expiration></Credentials>\
         </{operation}Result></{operation}Response>",
        operation.to_uppercase()
    ))
}

#[tokio::test]
async fn from_a_profile_with_a_role() {
    let sts = Fake::start(|asked| sts(asked, None)).await;
    let config = "[profile a]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = b\n\
                  [profile b]\naws_access_key_id = AKIDB\naws_secret_access_key = s\n";
    check(
        given(&[
            ("AWS_PROFILE", "a"),
            ("AWS_CONFIG_FILE", "/config"),
            ("AWS_ENDPOINT_URL_STS", &sts.address),
        ])
        .files(&[("/config", config)]),
        &format!("ASIAASSUMEROLE/{SCOPE} t"),
    )
    .await;
    assert!(sts.asked()[0].header("authorization").contains("Credential=AKIDB/"));
}

#[tokio::test]
async fn from_web_identity() {
    let sts = Fake::start(|asked| sts(asked, None)).await;
    check(
        given(&[
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
            ("AWS_ENDPOINT_URL_STS", &sts.address),
        ])
        .files(&[("/var/run/token", "web-token")]),
        &format!("ASIAASSUMEROLEWITHWEBIDENTITY/{SCOPE} t"),
    )
    .await;
    let asked = &sts.asked()[0];
    assert!(asked.body.contains("WebIdentityToken=web-token"), "{}", asked.body);
    assert_eq!(asked.header("authorization"), "", "the token is the proof");
}

#[tokio::test]
async fn from_single_sign_on() {
    let portal = Fake::start(|asked| {
        assert_eq!(asked.header("x-amz-sso_bearer_token"), "cached-token");
        ok(r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":1795366800000}}"#)
    })
    .await;
    let config = "[default]\nsso_start_url = https://me.awsapps.com/start\nsso_region = eu-west-1\n\
                  sso_account_id = 123456789012\nsso_role_name = dev\n";
    // The name is the SHA-1 of the start URL.
    let cached = "/users/me/.aws/sso/cache/3911600267c0d9cc9afec1c3050024e8476136ad.json";
    let token = r#"{"accessToken":"cached-token","expiresAt":"2026-11-23T00:00:00Z"}"#;
    check(
        given(&[("HOME", "/users/me"), ("AWS_ENDPOINT_URL_SSO", &portal.address)])
            .files(&[("/users/me/.aws/config", config), (cached, token)]),
        &format!("ASIASSO/{SCOPE} t"),
    )
    .await;
}

#[tokio::test]
async fn from_the_container() {
    let agent = Fake::start(|_| ok(CONTAINER)).await;
    let uri = format!("{}/v1/credentials?id=1", agent.address);
    let full_uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str());
    let signed = format!("ASIACONTAINER/{SCOPE} t");
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "plain-token");
    check(given(&[full_uri, token]), &signed).await;
    // As EKS Pod Identity does; the file wins.
    let token_file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token");
    let files = [("/token", "file-token")];
    check(given(&[full_uri, token, token_file]).files(&files), &signed).await;
    let asked = agent.asked();
    assert_eq!(asked[0].target, "/v1/credentials?id=1");
    assert_eq!(asked[0].header("authorization"), "plain-token");
    assert_eq!(asked[1].header("authorization"), "file-token");
}

fn imds(asked: &Asked) -> Answer {
    let root = "/latest/meta-data/iam/security-credentials/";
    match asked.target.strip_prefix(root) {
        None if asked.line() == "PUT /latest/api/token" => ok("the-token"),
        _ if asked.header("x-aws-ec2-metadata-token") != "the-token" => Some((401, String::new())),
        Some("") => ok("role-of-instance"),
        Some("role-of-instance") => ok(
            r#"{"Code":"Success","LastUpdated":"2026-11-22T11:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAINSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-22T17:00:00Z"}"#,
        ),
        _ => Some((404, String::new())),
    }
}

#[tokio::test]
async fn from_the_instance() {
    let imds = Fake::start(imds).await;
    check(
        given(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address)]),
        &format!("ASIAINSTANCE/{SCOPE} t"),
    )
    .await;
}

fn with_role(external_id: Option<&str>) -> IdentitySettings {
    IdentitySettings {
        role_arn: Some("arn:aws:iam::222233334444:role/xray".to_owned()),
        external_id: external_id.map(str::to_owned),
        ..in_region("eu-west-1")
    }
}

#[tokio::test]
async fn a_role_on_top() {
    let sts = Fake::start(|asked| sts(asked, None)).await;
    for external_id in [None, Some("partner-1")] {
        check(
            given(&KEYS)
                .with(&[("AWS_ENDPOINT_URL_STS", &sts.address)])
                .settings(with_role(external_id)),
            &format!("ASIAASSUMEROLE/{SCOPE} t"),
        )
        .await;
    }
    let [plain, partner] = &sts.asked()[..] else { panic!("asked {:?}", sts.lines()) };
    assert!(plain.body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A222233334444%3Arole%2Fxray"));
    assert!(plain.body.contains("&RoleSessionName=xray-daemon"), "{}", plain.body);
    assert!(!plain.body.contains("ExternalId"), "{}", plain.body);
    assert!(partner.body.contains("&ExternalId=partner-1"), "{}", partner.body);
    assert!(plain.header("authorization").contains("Credential=AKIDENV/20261122/eu-west-1/sts/"));
}

#[tokio::test]
async fn sts_that_is_turned_off_in_the_region() {
    let sts = Fake::start(|asked| sts(asked, Some("us-east-1"))).await;
    let log = Log::capture();
    let identity = given(&KEYS)
        .with(&[("AWS_ENDPOINT_URL_STS", &sts.address)])
        .settings(with_role(None))
        .identity();
    let signer = identity.signer().await.unwrap();
    assert_eq!(credential_of(&signer), format!("ASIAASSUMEROLE/{SCOPE} t"));
    let told = "INFO Credentials for provided RoleARN will be fetched from STS primary region \
                endpoint instead of regional endpoint.";
    assert!(log.lines().contains(&told.to_owned()), "{:?}", log.lines());
    assert_eq!(sts.asked().len(), 2);

    // The next walk goes there at once.
    identity.shared.chain.walk("eu-west-1").await.unwrap();
    assert_eq!(sts.asked().len(), 3);
    assert!(sts.asked()[2].header("authorization").contains("/us-east-1/sts/"));
}

#[tokio::test]
async fn a_role_that_may_not_be_taken_on() {
    let sts = Fake::start(|_| {
        let error = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x is not \
                     authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
        Some((403, error.to_owned()))
    })
    .await;
    let identity = given(&KEYS)
        .with(&[("AWS_ENDPOINT_URL_STS", &sts.address)])
        .settings(with_role(None))
        .identity();
    let error = identity.signer().await.unwrap_err().to_string();
    let begin = "failed to refresh cached credentials, role arn:aws:iam::222233334444:role/xray: ";
    assert!(error.starts_with(begin), "{error}");
    assert!(error.contains("not authorized to perform: sts:AssumeRole"), "{error}");
    assert!(error.ends_with("; the source was chosen by AWS_ACCESS_KEY_ID"), "{error}");
    assert_eq!(sts.asked().len(), 1, "it is no use to ask again");
}

#[tokio::test]
async fn no_credentials() {
    let text = given(&[NO_IMDS]).identity().signer().await.unwrap_err().to_string();
    assert!(text.starts_with("failed to refresh cached credentials, no EC2 IMDS role found, "));
    for source in [
        "Environment (",
        "Profile (",
        "WebIdentityToken (",
        "EcsContainer (",
        "Ec2InstanceMetadata (",
    ] {
        assert!(text.contains(source), "{source}: {text}");
    }
    assert!(!text.contains('\n') && !text.contains("hop"), "{text}");
}

#[tokio::test]
async fn no_credentials_to_take_on_a_role_with() {
    let identity = given(&[NO_IMDS]).settings(with_role(None)).identity();
    let text = identity.signer().await.unwrap_err().to_string();
    let begin = "failed to refresh cached credentials, role arn:aws:iam::222233334444:role/xray: \
                 no EC2 IMDS role found, tried Environment (";
    assert!(text.starts_with(begin), "{text}");
}

#[tokio::test]
async fn a_source_that_is_set_up_and_fails_ends_the_walk() {
    let agent = Fake::start(|_| Some((403, "Forbidden".to_owned()))).await;
    let imds = Fake::start(imds).await;
    let given = given(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.address),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
    ]);
    let text = given.identity().signer().await.unwrap_err().to_string();
    assert!(text.contains("403"), "{text}");
    let end = "; the source was chosen by AWS_CONTAINER_CREDENTIALS_FULL_URI";
    assert!(text.ends_with(end), "{text}");
    assert_eq!(imds.lines().len(), 0, "another role than the one meant");
}

#[tokio::test]
async fn an_instance_without_a_role_gets_advice() {
    let imds = Fake::start(|_| Some((403, "Forbidden".to_owned()))).await;
    let given = given(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address)]);
    let text = given.identity().signer().await.unwrap_err().to_string();
    assert!(
        text.contains("IMDS is disabled or the caller has insufficient permissions; "),
        "{text}"
    );
    let end = "; give the task, pod or instance a role with AWSXRayDaemonWriteAccess, or set \
               AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    assert!(text.ends_with(end), "{text}");
}

#[tokio::test]
async fn no_region_no_signature() {
    let error = Given::variables(&KEYS).with(&[NO_IMDS]).identity().signer().await.unwrap_err();
    assert!(error.to_string().starts_with("Cannot fetch region"), "{error}");
}

#[tokio::test]
async fn the_proxy_is_for_sts_and_not_for_metadata() {
    let proxy = Fake::start(|asked| sts(asked, None)).await;
    let imds = Fake::start(imds).await;
    let address = proxy.address.replace("http://", "http://user:password@");
    let mut given = given(&[
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
        ("AWS_ENDPOINT_URL_STS", "http://sts.example"),
    ])
    .settings(with_role(None));
    given.outbound.proxy = Some(address);
    check(given, &format!("ASIAASSUMEROLE/{SCOPE} t")).await;
    let asked = proxy.asked();
    assert_eq!(asked[0].line(), "POST http://sts.example/");
    assert_eq!(asked[0].header("proxy-authorization"), "Basic dXNlcjpwYXNzd29yZA==");
    assert_eq!(asked[0].header("host"), "sts.example");
    assert_eq!(imds.lines().len(), 3);
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let proxy = Fake::start(|_| Some((403, String::new()))).await;
    let mut given = given(&KEYS).with(&[("AWS_MAX_ATTEMPTS", "1")]).settings(with_role(None));
    given.outbound.proxy = Some(proxy.address.clone());
    let error = given.identity().signer().await.unwrap_err().to_string();
    assert_eq!(proxy.lines(), ["CONNECT sts.eu-west-1.amazonaws.com:443"], "{error}");
    assert!(error.contains("tunnel to sts.eu-west-1.amazonaws.com:443 refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_mute_metadata_service_holds_up_nothing() {
    let hole = Fake::black_hole().await;
    let given = given(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &hole.address)]);
    let identity = given.identity();
    let began = Instant::now();
    // Whoever cannot wait leaves, and the walk goes on.
    let moment = Duration::from_millis(500);
    assert!(timeout(moment, identity.signer()).await.is_err());
    let error = identity.signer().await.unwrap_err().to_string();
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(error.contains("--http-put-response-hop-limit 2"), "{error}");
    assert_eq!(hole.lines(), ["PUT /latest/api/token"]);

    let began = Instant::now();
    assert!(identity.signer().await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn who_must_sign_gets_signatures() {
    let identity = Arc::new(given(&KEYS).identity());
    let Signing::Always(source) = identity.signing(None) else {
        panic!("AWS is always signed for")
    };
    assert_eq!(credential_of(&source.signer().await.unwrap()), format!("AKIDENV/{SCOPE}"));

    let identity = Arc::new(given(&[NO_IMDS]).identity());
    let error = identity.signer().await.unwrap_err().to_string();
    let Signing::IfPossible(source) = identity.signing(Some("http://localhost:4566")) else {
        panic!("a custom endpoint may do without")
    };
    assert_eq!(source.signer().await.unwrap_err().to_string(), error);
}
