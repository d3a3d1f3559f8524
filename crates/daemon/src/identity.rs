//! Who the daemon is to AWS: region, credentials, instance.
//!
//! Nothing is asked of anybody until somebody here needs the answer, and then in the background:
//! receiving never waits. A daemon that sends to Roentgen servers only asks nothing at all. The AWS
//! SDK stays behind this module.

mod causes;
mod credentials;
mod http;
mod instance;
mod keeper;
mod metadata;
mod partition;
mod region;
mod sdk;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use ::http::Uri;
use aws_types::os_shim_internal::{Env, Fs};
use roentgen_ops::Clock;
use roentgen_sigv4::Signer;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

pub(crate) use credentials::CredentialsError;
pub(crate) use instance::Instance;
pub(crate) use partition::endpoint_of;
pub(crate) use region::NoRegion;

use crate::settings::{IdentitySettings, Outbound};
use crate::upstream::{NoCredentials, SignerFuture, SignerSource, Signing};
use credentials::Chain;
use http::Http;
use keeper::{Held, Keeper};
use metadata::{MetadataError, Task};

/// What the signature names.
const SERVICE: &str = "xray";

/// Follows messages about an IMDS that takes connections and does not answer.
const HOP_LIMIT_ADVICE: &str = "; on EC2, in a container, the answer does not survive a hop limit \
     of 1, so raise it: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 \
     --instance-id ID";

/// Region, credentials and instance, each looked up when it is first asked for. Its background
/// task ends when it is dropped.
pub(crate) struct Identity {
    shared: Arc<Shared>,
    keeper: OnceLock<Keeper>,
    tasks: TaskTracker,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("region", &self.shared.region).finish_non_exhaustive()
    }
}

/// What the background task needs of the identity, so that it does not keep it alive.
struct Shared {
    chain: Chain,
    region: OnceCell<Result<Arc<str>, NoRegion>>,
    task: OnceCell<Option<Task>>,
    instance: OnceCell<Instance>,
}

impl Identity {
    /// Asks nobody yet; a region by flag, file or `AWS_REGION` is known, and logged, at once.
    pub(crate) fn start(
        settings: &IdentitySettings,
        outbound: &Outbound,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Self {
        Self::within(Env::real(), Fs::real(), settings, outbound, clock, tasks)
    }

    fn within(
        env: Env,
        fs: Fs,
        settings: &IdentitySettings,
        outbound: &Outbound,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Self {
        let told = region::told(settings, &env).map(|region| Ok(Arc::from(region)));
        let http = Http::new(outbound, metadata::addresses(&env));
        let chain = Chain {
            settings: settings.clone(),
            env,
            fs,
            http,
            clock,
            region_disabled: AtomicBool::new(false),
        };
        let shared = Shared {
            chain,
            region: OnceCell::new_with(told),
            task: OnceCell::new(),
            instance: OnceCell::new(),
        };
        Self { shared: Arc::new(shared), keeper: OnceLock::new(), tasks: tasks.clone() }
    }

    /// The region; the first to ask has it looked up, within half a minute.
    ///
    /// # Errors
    /// [`NoRegion`], which has been logged; the daemon then ends with exit code 1.
    pub(crate) async fn region(&self) -> Result<Arc<str>, NoRegion> {
        self.shared.region().await
    }

    /// The region if it is known by now.
    pub(crate) fn known_region(&self) -> Option<Arc<str>> {
        self.shared.region.get()?.as_ref().ok().map(Arc::clone)
    }

    /// Host name and instance id for telemetry; the first to ask has them looked up, within 6
    /// seconds.
    pub(crate) async fn instance(&self) -> &Instance {
        self.shared.instance().await
    }

    /// A signer for X-Ray with credentials that are valid now. Cheap but for the first time, and
    /// after a failure too: then the last error is returned while the chain rests.
    ///
    /// # Errors
    /// When there are no credentials, or no region to sign for.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, CredentialsError> {
        self.keeper().signer().await
    }

    /// How requests to the destination `aws` are signed, whose endpoint may have been replaced:
    /// always for AWS itself, also behind a VPC endpoint; else only if there are credentials.
    pub(crate) fn signing(self: &Arc<Self>, endpoint: Option<&str>) -> Signing {
        let source: Arc<dyn SignerSource> = Arc::<Self>::clone(self);
        if must_sign(endpoint) {
            return Signing::Always(source);
        }
        // Who can do without credentials does not wait for them for long, so that the search for
        // them begins now.
        self.keeper();
        Signing::IfPossible(source)
    }

    fn keeper(&self) -> &Keeper {
        self.keeper.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let walk = move || Arc::clone(&shared).walk();
            let (keeper, task) = Keeper::new(walk, Arc::clone(&self.shared.chain.clock));
            self.tasks.spawn(task);
            keeper
        })
    }
}

impl SignerSource for Identity {
    fn signer(&self) -> SignerFuture<'_> {
        Box::pin(async {
            let signer = Self::signer(self).await;
            signer.map_err(|error| NoCredentials(error.to_string()))
        })
    }

    fn refused(&self) {
        self.keeper().renew();
    }
}

/// Whether the endpoint is AWS, which takes nothing unsigned.
fn must_sign(endpoint: Option<&str>) -> bool {
    let Some(endpoint) = endpoint else { return true };
    let endpoint: Option<Uri> = endpoint.trim().parse().ok();
    endpoint.as_ref().and_then(Uri::host).is_some_and(partition::is_aws_host)
}

impl Shared {
    async fn region(&self) -> Result<Arc<str>, NoRegion> {
        let Chain { settings, env, fs, http, .. } = &self.chain;
        let look_up = async {
            let region = if settings.local_mode {
                region::of_local_configuration(env, fs).await
            } else {
                region::of_surroundings(env, fs, http, || self.task()).await
            };
            region.map(Arc::from)
        };
        self.region.get_or_init(|| look_up).await.clone()
    }

    /// What ECS says about our task, `None` when we are none; asked until there is an answer.
    async fn task(&self) -> Result<Option<&Task>, MetadataError> {
        let Chain { env, http, .. } = &self.chain;
        let ask = async || match metadata::task_address(env) {
            Some(address) => metadata::task(http, &address).await.map(Some),
            None => Ok(None),
        };
        self.task.get_or_try_init(ask).await.map(Option::as_ref)
    }

    async fn instance(&self) -> &Instance {
        let Chain { settings, env, http, .. } = &self.chain;
        let look_up = async {
            let task = if settings.local_mode { Ok(None) } else { self.task().await };
            let task = task.unwrap_or_else(|source| {
                tracing::debug!("Unable to fetch ECS task metadata: {source}");
                None
            });
            instance::look_up(env, http, settings.local_mode, task).await
        };
        self.instance.get_or_init(|| look_up).await
    }

    async fn walk(self: Arc<Self>) -> Result<Held, CredentialsError> {
        let region =
            self.region().await.map_err(|error| CredentialsError::new(error.to_string()))?;
        let found = self.chain.walk(&region).await?;
        let signer = Signer::new(found.credentials, &*region, SERVICE);
        Ok(Held { signer: Arc::new(signer), expires_at: found.expires_at })
    }
}
