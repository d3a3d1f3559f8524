//! Region and instance: who is asked, in which order, for how long, and what the log says.

use std::time::Duration;

use tokio::time::Instant;

use super::fake::{Answer, Asked, Fake, Log, ok};
use super::{Given, in_region};
use crate::identity::{Instance, NoRegion};
use crate::settings::IdentitySettings;

const TASK: &str = r#"{"Cluster":"default","TaskARN":"arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c","AvailabilityZone":"us-west-2d"}"#;

/// As EC2's: a token first, then what it is shown for.
fn imds(asked: &Asked) -> Answer {
    match asked.line().as_str() {
        "PUT /latest/api/token"
            if !asked.header("x-aws-ec2-metadata-token-ttl-seconds").is_empty() =>
        {
            ok("the-token")
        }
        _ if asked.header("x-aws-ec2-metadata-token") != "the-token" => Some((401, String::new())),
        "GET /latest/dynamic/instance-identity/document" => {
            ok(r#"{"region":"sa-east-1","instanceId":"i-1"}"#)
        }
        "GET /latest/meta-data/hostname" => ok("ip-10-0-0-1.ec2.internal"),
        "GET /latest/meta-data/instance-id" => ok("i-0abc"),
        _ => Some((404, String::new())),
    }
}

fn local() -> IdentitySettings {
    IdentitySettings { local_mode: true, ..IdentitySettings::default() }
}

/// The region found, and the lines logged on the way.
async fn check_region(given: Given<'_>, expect: Result<&str, NoRegion>, lines: &[&str]) {
    let log = Log::capture();
    let identity = given.identity();
    let region = identity.region().await;
    assert_eq!(region.as_deref(), expect.as_ref().copied());
    let told: Vec<String> = log.lines();
    let told: Vec<_> =
        told.into_iter().filter(|line| !line.starts_with("DEBUG No region yet, ")).collect();
    assert_eq!(told, lines);
    let all = log.lines();
    assert_eq!(identity.region().await, region);
    assert_eq!(identity.known_region(), region.ok());
    assert_eq!(log.lines(), all, "asked twice");
}

#[tokio::test]
async fn region_that_is_told() {
    let given = Given::variables(&[("AWS_REGION", "eu-west-3")]);
    check_region(
        given.settings(in_region(" ap-south-1 ")),
        Ok("ap-south-1"),
        &["DEBUG Fetch region ap-south-1 from commandline/config file"],
    )
    .await;
    for settings in [IdentitySettings::default(), local(), in_region("")] {
        check_region(
            Given::variables(&[("AWS_REGION", "eu-west-3"), ("AWS_DEFAULT_REGION", "eu-west-1")])
                .settings(settings),
            Ok("eu-west-3"),
            &["DEBUG Fetch region eu-west-3 from environment variables"],
        )
        .await;
    }
}

#[tokio::test]
async fn region_of_the_ecs_metadata_file() {
    let imds = Fake::start(imds).await;
    let given = || {
        Given::variables(&[
            ("AWS_REGION", ""),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("ECS_ENABLE_CONTAINER_METADATA", "True"),
            ("ECS_CONTAINER_METADATA_FILE", "/ecs.json"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
        ])
    };
    check_region(
        given().files(&[("/ecs.json", r#"{"TaskARN":"arn:aws:ecs:ap-northeast-1:1:task/t"}"#)]),
        Ok("ap-northeast-1"),
        &["DEBUG Fetch region ap-northeast-1 from ECS metadata file"],
    )
    .await;
    assert_eq!(imds.lines().len(), 0);
    check_region(
        given(),
        Ok("sa-east-1"),
        &[
            "ERROR Unable to open ECS metadata file: open /ecs.json: no such file or directory",
            "DEBUG Fetch region sa-east-1 from ec2 metadata",
        ],
    )
    .await;
    check_region(
        given().files(&[("/ecs.json", "{}")]),
        Ok("sa-east-1"),
        &[
            "WARN ECS metadata file names no region: /ecs.json",
            "DEBUG Fetch region sa-east-1 from ec2 metadata",
        ],
    )
    .await;
    check_region(
        given().files(&[("/ecs.json", "not JSON")]),
        Ok("sa-east-1"),
        &[
            "ERROR Unable to read ECS metadata file contents: expected ident at line 1 column 2",
            "DEBUG Fetch region sa-east-1 from ec2 metadata",
        ],
    )
    .await;
}

#[tokio::test]
async fn region_of_the_ecs_task() {
    let imds = Fake::start(imds).await;
    let ecs = Fake::start(|_| ok(TASK)).await;
    let task_uri = format!("{}/v4/1234", ecs.address);
    for name in ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"] {
        check_region(
            Given::variables(&[
                (name, &task_uri),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
            ]),
            Ok("us-west-2"),
            &["DEBUG Fetch region us-west-2 from ECS task metadata"],
        )
        .await;
    }
    assert_eq!(ecs.lines(), ["GET /v4/1234/task", "GET /v4/1234/task"]);
    assert_eq!(imds.lines().len(), 0);
}

#[tokio::test]
async fn region_of_ec2_when_the_task_does_not_tell() {
    let imds = Fake::start(imds).await;
    let ecs = Fake::start(|_| Some((500, "<html>".to_owned()))).await;
    let warning = format!(
        "WARN Unable to fetch ECS task metadata: https response error StatusCode: 500, \
         Get \"{}/task\"",
        ecs.address
    );
    check_region(
        Given::variables(&[
            ("ECS_CONTAINER_METADATA_URI_V4", &ecs.address),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
        ]),
        Ok("sa-east-1"),
        &[&warning, "DEBUG Fetch region sa-east-1 from ec2 metadata"],
    )
    .await;
    let path = "GET /latest/dynamic/instance-identity/document";
    assert_eq!(imds.lines(), ["PUT /latest/api/token", path]);
}

#[tokio::test]
async fn region_of_local_mode() {
    let imds = Fake::start(imds).await;
    let given = |variables| {
        Given::variables(variables)
            .with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address), ("HOME", "/users/me")])
            .files(&[(
                "/users/me/.aws/config",
                "[default]\nregion = eu-north-1\n[profile other]\nregion = eu-south-2\n",
            )])
            .settings(local())
    };
    check_region(
        given(&[("AWS_DEFAULT_REGION", "ca-central-1")]),
        Ok("ca-central-1"),
        &["DEBUG Fetched region ca-central-1 from config"],
    )
    .await;
    check_region(given(&[]), Ok("eu-north-1"), &["DEBUG Fetched region eu-north-1 from config"])
        .await;
    check_region(
        given(&[("AWS_PROFILE", "other")]),
        Ok("eu-south-2"),
        &["DEBUG Fetched region eu-south-2 from config"],
    )
    .await;
    check_region(given(&[("AWS_PROFILE", "none")]), Err(NoRegion), &[NO_REGION]).await;
    assert_eq!(imds.lines().len(), 0);
}

const NO_REGION: &str = "ERROR Cannot fetch region variable from config file, environment \
    variables, ecs metadata, or ec2 metadata. Use local-mode to use the local config region. Or \
    name it with -n or AWS_REGION, or a Roentgen server with --destination.";

#[tokio::test(start_paused = true)]
async fn no_region() {
    // A port that was free a moment ago and is not listened on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    check_region(
        Given::variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://{address}"))]),
        Err(NoRegion),
        &[
            &format!(
                "ERROR Unable to fetch region from EC2 metadata: operation error ec2imds: \
                 GetRegion, request send failed, Put \"http://{address}/latest/api/token\": dial \
                 tcp {address}: connect: connection refused"
            ),
            NO_REGION,
        ],
    )
    .await;
    check_region(
        Given::variables(&[("AWS_EC2_METADATA_DISABLED", "true")]),
        Err(NoRegion),
        &[
            "ERROR Unable to fetch region from EC2 metadata: operation error ec2imds: GetRegion, \
             access disabled to EC2 IMDS via \"AWS_EC2_METADATA_DISABLED\" environment variable",
            NO_REGION,
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn metadata_services_that_never_answer_cost_seconds() {
    let hole = Fake::black_hole().await;
    let given = Given::variables(&[
        ("ECS_CONTAINER_METADATA_URI_V4", &hole.address),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &hole.address),
    ]);
    let began = Instant::now();
    let log = Log::capture();
    assert_eq!(given.identity().region().await, Err(NoRegion));
    // Six times two services of two seconds each, and the pauses.
    assert!(began.elapsed() <= Duration::from_secs(32), "{:?}", began.elapsed());
    let told = log.lines().join("\n");
    assert!(told.contains("--http-put-response-hop-limit 2"), "{told}");

    let given = Given::variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &hole.address)]);
    let began = Instant::now();
    assert_eq!(*given.identity().instance().await, Instance::default());
    assert!(began.elapsed() <= Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn metadata_services_that_come_up_a_moment_later_are_found() {
    // The first three questions are refused, whoever they are for.
    let late = |up: fn(&Asked) -> Answer| {
        let refused = std::sync::atomic::AtomicUsize::new(0);
        move |asked: &Asked| {
            let count = refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if count < 3 { Some((503, String::new())) } else { up(asked) }
        }
    };
    let ec2 = Fake::start(late(imds)).await;
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", ec2.address.as_str());
    let region = Given::variables(&[endpoint]).identity().region().await;
    assert_eq!(region.as_deref(), Ok("sa-east-1"));
    assert_eq!(ec2.lines().len(), 3 + 2);

    let ecs = Fake::start(late(|_| ok(TASK))).await;
    let off = ("AWS_EC2_METADATA_DISABLED", "true");
    let given = Given::variables(&[("ECS_CONTAINER_METADATA_URI_V4", &ecs.address), off]);
    assert_eq!(given.identity().region().await.as_deref(), Ok("us-west-2"));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_change_is_asked_once() {
    let elsewhere = Fake::start(|_| Some((404, "<html>".to_owned()))).await;
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", elsewhere.address.as_str());
    assert_eq!(Given::variables(&[endpoint]).identity().region().await, Err(NoRegion));
    assert_eq!(elsewhere.lines().len(), 1);
}

async fn check_instance(given: Given<'_>, hostname: &str, instance_id: &str, lines: &[&str]) {
    let log = Log::capture();
    let identity = given.identity();
    let expect = Instance { hostname: hostname.to_owned(), instance_id: instance_id.to_owned() };
    assert_eq!(*identity.instance().await, expect);
    assert_eq!(*identity.instance().await, expect);
    assert_eq!(log.lines(), lines);
}

#[tokio::test]
async fn instances() {
    let imds = Fake::start(imds).await;
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.address.as_str());
    check_instance(
        Given::variables(&[endpoint, ("AWS_HOSTNAME", "h1"), ("AWS_INSTANCE_ID", "i-1")]),
        "h1",
        "i-1",
        &[
            "DEBUG Fetch hostname h1 from environment variables",
            "DEBUG Fetch instance ID i-1 from environment variables",
        ],
    )
    .await;
    check_instance(
        Given::variables(&[endpoint]).settings(local()),
        "",
        "",
        &[
            "DEBUG No hostname set for telemetry records",
            "DEBUG No Instance Id set for telemetry records",
        ],
    )
    .await;
    assert_eq!(imds.lines().len(), 0);
    check_instance(
        Given::variables(&[endpoint]),
        "ip-10-0-0-1.ec2.internal",
        "i-0abc",
        &[
            "DEBUG Using ip-10-0-0-1.ec2.internal hostname for telemetry records",
            "DEBUG Using i-0abc Instance Id for Telemetry records",
        ],
    )
    .await;
    let broken = Fake::start(|_| Some((403, String::new()))).await;
    let uri = format!("{}/latest/api/token", broken.address);
    let failure = format!(
        "operation error ec2imds: GetMetadata, https response error StatusCode: 403, Put \"{uri}\""
    );
    check_instance(
        Given::variables(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &broken.address)]),
        "",
        "",
        &[
            &format!("DEBUG Get hostname metadata failed: {failure}"),
            &format!("DEBUG Get instance id metadata failed: {failure}"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_fargate_task_is_not_taken_for_an_instance() {
    let imds = Fake::start(imds).await;
    let ecs = Fake::start(|_| ok(TASK)).await;
    let given = Given::variables(&[
        ("ECS_CONTAINER_METADATA_URI_V4", &ecs.address),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.address),
    ]);
    let log = Log::capture();
    let identity = given.identity();
    assert_eq!(identity.region().await.as_deref(), Ok("us-west-2"));
    assert_eq!(identity.instance().await.hostname, "158d1c8083dd49d6b527399fd6414f5c");
    assert_eq!(
        log.lines(),
        [
            "DEBUG Fetch region us-west-2 from ECS task metadata",
            "DEBUG Using 158d1c8083dd49d6b527399fd6414f5c hostname for telemetry records",
            "DEBUG No Instance Id set for telemetry records",
        ]
    );
    assert_eq!(ecs.lines(), ["GET /task"], "one question serves both");
    assert_eq!(imds.lines().len(), 0);
}
