//! Which region the daemon works for. Order: flag or file, `AWS_REGION`, the ECS metadata file, the
//! ECS task metadata endpoint, IMDS; in local mode the AWS SDK's own setting instead of the last
//! three. The task metadata endpoint is ours: the official daemon does not ask it and fails in most
//! ECS tasks that do not name a region.
//!
//! Log lines are those of the official daemon.

use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use aws_types::os_shim_internal::{Env, Fs};
use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::causes::chain;
use super::http::Http;
use super::metadata::{Imds, MetadataError, Task, TaskDocument, variable};
use crate::settings::IdentitySettings;

/// Pauses between the questions to metadata services that do not answer: on a machine that boots, and
/// beside a proxy that starts with us, they do a moment later. The official daemon asks for some 6
/// seconds where they refuse, and longer where they are silent.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// There is no region. The daemon cannot send to AWS and ends with exit code 1. The last sentence is
/// ours: in local mode the one before it advises what was done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Cannot fetch region variable from config file, environment variables, ecs metadata, or ec2 \
     metadata. Use local-mode to use the local config region. Or name it with -n or AWS_REGION, or a \
     Roentgen server with --destination."
)]
pub(crate) struct NoRegion;

/// The region as far as it is known without asking anybody.
pub(super) fn told(settings: &IdentitySettings, env: &Env) -> Option<String> {
    let given = settings.region.as_deref().map(str::trim).filter(|region| !region.is_empty());
    if let Some(region) = given {
        debug!("Fetch region {region} from commandline/config file");
        return Some(region.to_owned());
    }
    let region = variable(env, "AWS_REGION")?;
    debug!("Fetch region {region} from environment variables");
    Some(region)
}

/// The region of the AWS SDK's configuration, for local mode.
pub(super) async fn of_local_configuration(env: &Env, fs: &Fs) -> Result<String, NoRegion> {
    let region = match variable(env, "AWS_DEFAULT_REGION") {
        Some(region) => Some(region),
        None => of_profile(env, fs).await,
    };
    match &region {
        Some(region) => debug!("Fetched region {region} from config"),
        None => error!("{NoRegion}"),
    }
    region.ok_or(NoRegion)
}

async fn of_profile(env: &Env, fs: &Fs) -> Option<String> {
    let profiles = aws_config::profile::load(fs, env, &Default::default(), None).await;
    let profiles = profiles
        .inspect_err(|source| error!("Unable to get default config: {}", chain(source)))
        .ok()?;
    let region = profiles.get("region")?.trim();
    (!region.is_empty()).then(|| region.to_owned())
}

/// The region of the task or instance we run on. `ask_task` asks what ECS says, if we are a task.
pub(super) async fn of_surroundings<'a, F>(
    env: &Env,
    fs: &Fs,
    http: &Http,
    ask_task: impl Fn() -> F,
) -> Result<String, NoRegion>
where
    F: Future<Output = Result<Option<&'a Task>, MetadataError>>,
{
    if let Some(region) = of_task_file(env, fs).await {
        debug!("Fetch region {region} from ECS metadata file");
        return Ok(region);
    }
    let imds = Imds::new(http, env);
    let mut pauses = PAUSES.into_iter();
    loop {
        let task = ask_task().await;
        if let Ok(Some(Task { region: Some(region), .. })) = task {
            debug!("Fetch region {region} from ECS task metadata");
            return Ok(region.clone());
        }
        let source = match imds.region().await {
            Ok(region) => {
                say_no_task(&task);
                debug!("Fetch region {region} from ec2 metadata");
                return Ok(region);
            }
            Err(source) => source,
        };
        let may_answer_later = source.is_passing() || task.as_ref().is_err_and(|e| e.is_passing());
        let Some(pause) = pauses.next().filter(|_| may_answer_later) else {
            say_no_task(&task);
            error!(
                "Unable to fetch region from EC2 metadata: \
                 operation error ec2imds: GetRegion, {source}"
            );
            error!("{NoRegion}");
            return Err(NoRegion);
        };
        debug!("No region yet, asking again in {} ms: {source}", pause.as_millis());
        sleep(pause).await;
    }
}

fn say_no_task(task: &Result<Option<&Task>, MetadataError>) {
    if let Err(source) = task {
        warn!("Unable to fetch ECS task metadata: {source}");
    }
}

/// The region in the metadata file of the ECS agent, when it is turned on.
async fn of_task_file(env: &Env, fs: &Fs) -> Option<String> {
    let enabled = variable(env, "ECS_ENABLE_CONTAINER_METADATA")?;
    if !enabled.eq_ignore_ascii_case("true") {
        return None;
    }
    let path = variable(env, "ECS_CONTAINER_METADATA_FILE").unwrap_or_default();
    let content = fs.read_to_end(Path::new(&path)).await;
    let content = content
        .inspect_err(|source| error!("Unable to open ECS metadata file: {}", as_go(&path, source)))
        .ok()?;
    let document: TaskDocument = serde_json::from_slice(&content)
        .inspect_err(|source| error!("Unable to read ECS metadata file contents: {source}"))
        .ok()?;
    let region = document.into_task().region;
    if region.is_none() {
        // The official daemon ends in a panic here.
        warn!("ECS metadata file names no region: {path}");
    }
    region
}

/// `open nope.json: no such file or directory`, as Go has it.
fn as_go(path: &str, source: &io::Error) -> String {
    let reason = match source.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => source.to_string(),
    };
    format!("open {path}: {reason}")
}
