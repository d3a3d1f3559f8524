//! Host name and instance id, which X-Ray's telemetry names. Nothing else depends on them, so
//! their absence is told at debug level only; the official daemon's error line about it has been
//! scaring people on Fargate and EKS for years.

use aws_types::os_shim_internal::Env;
use tracing::debug;

use super::http::Http;
use super::metadata::{self, Imds, Task, variable};

/// Where the daemon runs, as telemetry tells it. Empty means not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) hostname: String,
    pub(crate) instance_id: String,
}

/// What `AWS_HOSTNAME` and `AWS_INSTANCE_ID` say, and for the rest who can be asked: the task in
/// ECS, IMDS elsewhere, nobody in local mode.
pub(super) async fn look_up(
    env: &Env,
    http: &Http,
    local_mode: bool,
    task: Option<&Task>,
) -> Instance {
    let is_task = metadata::task_address(env).is_some();
    let imds = (!local_mode && !is_task).then(|| Imds::new(http, env));
    let hostname = match variable(env, "AWS_HOSTNAME") {
        Some(hostname) => {
            debug!("Fetch hostname {hostname} from environment variables");
            hostname
        }
        None => host_of_surroundings(imds.as_ref(), task).await,
    };
    let instance_id = match variable(env, "AWS_INSTANCE_ID") {
        Some(id) => {
            debug!("Fetch instance ID {id} from environment variables");
            id
        }
        None => instance_of_surroundings(imds.as_ref()).await,
    };
    Instance { hostname, instance_id }
}

async fn host_of_surroundings(imds: Option<&Imds>, task: Option<&Task>) -> String {
    let found = match (imds, task.and_then(|task| task.id.clone())) {
        (None, None) => {
            debug!("No hostname set for telemetry records");
            return String::new();
        }
        (None, Some(id)) => Ok(id),
        (Some(imds), _) => imds.entry("hostname").await,
    };
    match found {
        Ok(hostname) => {
            debug!("Using {hostname} hostname for telemetry records");
            hostname
        }
        Err(source) => {
            debug!("Get hostname metadata failed: operation error ec2imds: GetMetadata, {source}");
            String::new()
        }
    }
}

async fn instance_of_surroundings(imds: Option<&Imds>) -> String {
    let Some(imds) = imds else {
        debug!("No Instance Id set for telemetry records");
        return String::new();
    };
    match imds.entry("instance-id").await {
        Ok(id) => {
            debug!("Using {id} Instance Id for Telemetry records");
            id
        }
        Err(source) => {
            debug!(
                "Get instance id metadata failed: operation error ec2imds: GetMetadata, {source}"
            );
            String::new()
        }
    }
}
