//! Asking the two metadata services about ourselves: IMDSv2 on EC2, the task metadata endpoint
//! (version 4, else 3) on ECS. Every question is bounded by [`LOOK_UP`], however the service fails:
//! outside of AWS nobody answers at its address, or somebody else does.

use std::time::Duration;

use aws_types::os_shim_internal::Env;
use bytes::Bytes;
use http::{HeaderName, Method, Request, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;

use super::http::{Http, HttpError, Limits};

/// Both services are on the link and answer within milliseconds.
const LIMITS: Limits = Limits { connect: Duration::from_secs(1), answer: Duration::from_secs(1) };

/// Of one look-up with all its requests.
const LOOK_UP: Duration = Duration::from_secs(2);

const IMDS_V4: &str = "http://169.254.169.254";
const IMDS_V6: &str = "http://[fd00:ec2::254]";

/// The token serves one look-up, seconds after another at most.
const TOKEN_SECONDS: &str = "60";

/// Why a metadata service gave no answer. Worded as the official daemon does, behind
/// `operation error ec2imds: …, `.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("access disabled to EC2 IMDS via \"AWS_EC2_METADATA_DISABLED\" environment variable")]
    Disabled,
    #[error("request send failed, {} \"{uri}\": {source}{}", verb(method), advice(source, method))]
    Send { method: Method, uri: String, source: HttpError },
    #[error("request send failed, Get \"{uri}\": no answer within {} s", LOOK_UP.as_secs())]
    TooLong { uri: String },
    #[error("https response error StatusCode: {status}, {} \"{uri}\"", verb(method))]
    Status { method: Method, uri: String, status: u16 },
    #[error("answer of \"{uri}\" {reason}")]
    Content { uri: String, reason: String },
}

impl MetadataError {
    /// Whether the service may answer a moment later: it is not there yet, or not ready. What somebody
    /// else answers at its address, such as the metadata service of another cloud, stays as it is.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Send { .. } | Self::TooLong { .. } => true,
            Self::Status { status, .. } => (500..600).contains(status),
            Self::Disabled | Self::Content { .. } => false,
        }
    }
}

/// As Go spells methods in its messages.
fn verb(method: &Method) -> &'static str {
    if *method == Method::PUT { "Put" } else { "Get" }
}

/// The one failure that looks like a network without IMDS and is not: the answer to `PUT` dies on
/// the extra hop into a container.
fn advice(source: &HttpError, method: &Method) -> &'static str {
    match source {
        HttpError::AnswerTimeout { .. } if *method == Method::PUT => super::HOP_LIMIT_ADVICE,
        _ => "",
    }
}

/// The instance metadata service.
pub(super) struct Imds {
    http: Http,
    /// Without a slash at the end; `None` when it is not to be asked.
    endpoint: Option<String>,
}

/// What the identity document says, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceDocument {
    #[serde(default)]
    pub(super) region: String,
}

impl Imds {
    pub(super) fn new(http: &Http, env: &Env) -> Self {
        let is_disabled = variable(env, "AWS_EC2_METADATA_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let endpoint = (!is_disabled).then(|| imds_address(env));
        Self { http: http.clone(), endpoint }
    }

    /// The region of the instance, out of its identity document.
    pub(super) async fn region(&self) -> Result<String, MetadataError> {
        let path = "/latest/dynamic/instance-identity/document";
        let document: InstanceDocument = read_json(path, &self.get(path).await?)?;
        match document.region.trim() {
            "" => Err(MetadataError::Content {
                uri: path.to_owned(),
                reason: "names no region".to_owned(),
            }),
            region => Ok(region.to_owned()),
        }
    }

    /// One entry of the metadata, e.g. `instance-id`.
    pub(super) async fn entry(&self, name: &str) -> Result<String, MetadataError> {
        let path = format!("/latest/meta-data/{name}");
        let text = self.get(&path).await?;
        let text = std::str::from_utf8(&text).map_err(|source| MetadataError::Content {
            uri: path.clone(),
            reason: source.to_string(),
        })?;
        Ok(text.trim().to_owned())
    }

    async fn get(&self, path: &str) -> Result<Bytes, MetadataError> {
        let endpoint = self.endpoint.as_deref().ok_or(MetadataError::Disabled)?;
        let uri = format!("{endpoint}{path}");
        let look_up = async {
            let ask = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
            let token_uri = format!("{endpoint}/latest/api/token");
            let token = ask_for(&self.http, Method::PUT, &token_uri, Some(ask)).await?;
            let token = String::from_utf8_lossy(&token);
            let show = ("x-aws-ec2-metadata-token", token.trim());
            ask_for(&self.http, Method::GET, &uri, Some(show)).await
        };
        let too_long = |_| MetadataError::TooLong { uri: uri.clone() };
        timeout(LOOK_UP, look_up).await.map_err(too_long)?
    }
}

/// Where IMDS answers, by the variables the SDKs read.
fn imds_address(env: &Env) -> String {
    let address = variable(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| {
        let mode = variable(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let is_v6 = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        if is_v6 { IMDS_V6.to_owned() } else { IMDS_V4.to_owned() }
    });
    address.trim_end_matches('/').to_owned()
}

/// Where the task metadata endpoint answers; `None` outside of ECS.
pub(super) fn task_address(env: &Env) -> Option<String> {
    variable(env, "ECS_CONTAINER_METADATA_URI_V4")
        .or_else(|| variable(env, "ECS_CONTAINER_METADATA_URI"))
}

/// All metadata addresses the environment names: no proxy is asked for them.
pub(super) fn addresses(env: &Env) -> Vec<String> {
    let credentials = variable(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    [Some(imds_address(env)), task_address(env), credentials].into_iter().flatten().collect()
}

/// What ECS says about the task we are a container of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) region: Option<String>,
    /// The last part of the task's ARN.
    pub(super) id: Option<String>,
}

/// Asks the task metadata endpoint at `address`.
pub(super) async fn task(http: &Http, address: &str) -> Result<Task, MetadataError> {
    let uri = format!("{}/task", address.trim_end_matches('/'));
    let too_long = |_| MetadataError::TooLong { uri: uri.clone() };
    let answer =
        timeout(LOOK_UP, ask_for(http, Method::GET, &uri, None)).await.map_err(too_long)??;
    let document: TaskDocument = read_json(&uri, &answer)?;
    Ok(document.into_task())
}

/// The part that the endpoint and the metadata *file* have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskDocument {
    #[serde(rename = "TaskARN")]
    task_arn: Option<String>,
    availability_zone: Option<String>,
}

impl TaskDocument {
    pub(super) fn into_task(self) -> Task {
        let arn = self.task_arn.unwrap_or_default();
        let of_arn = arn.split(':').nth(3).filter(|region| !region.is_empty()).map(str::to_owned);
        let of_zone = || self.availability_zone.as_deref().and_then(region_of_zone);
        let id = arn.rsplit('/').next().filter(|id| !id.is_empty() && arn.contains('/'));
        Task { region: of_arn.or_else(of_zone), id: id.map(str::to_owned) }
    }
}

/// `us-west-2` of `us-west-2d`, and of the local zone `us-west-2-lax-1a`: a region ends with its
/// first number.
fn region_of_zone(zone: &str) -> Option<String> {
    let start = zone.find(|letter: char| letter.is_ascii_digit())?;
    let (name, rest) = zone.split_at_checked(start)?;
    let digits = rest.chars().take_while(char::is_ascii_digit);
    Some(name.chars().chain(digits).collect())
}

/// A variable that is set and not empty.
pub(super) fn variable(env: &Env, name: &str) -> Option<String> {
    env.get(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn read_json<T: for<'de> Deserialize<'de>>(uri: &str, bytes: &[u8]) -> Result<T, MetadataError> {
    serde_json::from_slice(bytes).map_err(|source| MetadataError::Content {
        uri: uri.to_owned(),
        reason: format!("is not as expected: {source}"),
    })
}

async fn ask_for(
    http: &Http,
    method: Method,
    uri: &str,
    header: Option<(&'static str, &str)>,
) -> Result<Bytes, MetadataError> {
    let mut builder = Request::builder().method(method.clone()).uri(uri);
    if let Some((name, value)) = header {
        builder = builder.header(HeaderName::from_static(name), value);
    }
    let malformed = |_| MetadataError::Send {
        method: method.clone(),
        uri: uri.to_owned(),
        source: HttpError::Address { uri: uri.to_owned() },
    };
    let request = builder.body(Bytes::new()).map_err(malformed)?;
    let answer = http.fetch(request, LIMITS).await;
    let (uri, method) = (uri.to_owned(), method);
    match answer {
        Ok(answer) if answer.status() == StatusCode::OK => Ok(answer.into_body()),
        Ok(answer) => Err(MetadataError::Status { method, uri, status: answer.status().as_u16() }),
        Err(source) => Err(MetadataError::Send { method, uri, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_task(document: &str, region: Option<&str>, id: Option<&str>) {
        let document: TaskDocument = serde_json::from_str(document).unwrap();
        let expect = Task { region: region.map(str::to_owned), id: id.map(str::to_owned) };
        assert_eq!(document.into_task(), expect);
    }

    #[test]
    fn tasks() {
        // The example of the documentation of ECS, "Task metadata endpoint version 4".
        check_task(
            r#"{"Cluster":"default","TaskARN":"arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c","Family":"curltest","AvailabilityZone":"us-west-2d"}"#,
            Some("us-west-2"),
            Some("158d1c8083dd49d6b527399fd6414f5c"),
        );
        check_task(
            r#"{"TaskARN":"arn:aws-cn:ecs:cn-north-1:1:task/2f8f8c3e"}"#,
            Some("cn-north-1"),
            Some("2f8f8c3e"),
        );
        check_task(r#"{"AvailabilityZone":"us-gov-west-1a"}"#, Some("us-gov-west-1"), None);
        check_task(r#"{"TaskARN":"x","AvailabilityZone":"eu-west-3c"}"#, Some("eu-west-3"), None);
        check_task(r#"{"TaskARN":null,"Containers":[]}"#, None, None);
    }

    fn check_zone(zone: &str, expect: Option<&str>) {
        assert_eq!(region_of_zone(zone).as_deref(), expect, "{zone}");
    }

    #[test]
    fn zones() {
        check_zone("us-west-2d", Some("us-west-2"));
        check_zone("us-west-2-lax-1a", Some("us-west-2"));
        check_zone("ap-northeast-12b", Some("ap-northeast-12"));
        check_zone("eusc-de-east-1a", Some("eusc-de-east-1"));
        check_zone("nowhere", None);
        check_zone("", None);
    }

    fn check_imds(variables: &[(&str, &str)], expect: Option<&str>) {
        let env = Env::from_slice(variables);
        let http = Http::new(&crate::settings::Outbound::default(), addresses(&env));
        assert_eq!(Imds::new(&http, &env).endpoint.as_deref(), expect);
    }

    #[test]
    fn where_imds_answers() {
        check_imds(&[], Some("http://169.254.169.254"));
        check_imds(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")], Some(IMDS_V6));
        check_imds(
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/")],
            Some("http://127.0.0.1:1338"),
        );
        check_imds(&[("AWS_EC2_METADATA_DISABLED", "TRUE")], None);
        check_imds(&[("AWS_EC2_METADATA_DISABLED", "")], Some(IMDS_V4));
    }
}
