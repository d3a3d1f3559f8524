//! One walk along the AWS SDK's default chain of credentials, and the role to take on with what it
//! finds.
//!
//! The chain is built anew for each walk and dropped after it: keys that were changed in a profile
//! are seen, and between walks, hours apart, nothing of the SDK stays in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::meta::ProviderChainError;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials as SdkCredentials;
use aws_credential_types::provider::error::CredentialsError as SdkError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::os_shim_internal::{Env, Fs};
use roentgen_ops::Clock;
use tokio::time::timeout;
use tracing::info;

use super::causes::{causes, chain};
use super::http::{Http, HttpError};
use super::metadata::variable;
use super::partition::primary_region_of;
use super::sdk::{SdkClock, SdkHttp};
use crate::settings::IdentitySettings;

/// As with the official daemon; it stands in CloudTrail and in trust policies.
const SESSION_NAME: &str = "xray-daemon";

/// Of a whole walk. Programs that give credentials (`credential_process`) may ask a person's
/// browser, and STS is tried three times.
const WALK: Duration = Duration::from_secs(30);

/// Variables that choose a source; one that is chosen and fails ends the walk.
const SOURCE_VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// What helps where no source was chosen.
const ADVICE: &str = "; give the task, pod or instance a role with AWSXRayDaemonWriteAccess, or set \
                      AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// There are no credentials. The text is one line and says which sources were tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CredentialsError(Arc<str>);

impl CredentialsError {
    pub(super) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

/// What a walk found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) credentials: roentgen_sigv4::Credentials,
    /// `None` for keys that do not expire.
    pub(super) expires_at: Option<SystemTime>,
}

/// All that a walk needs.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) settings: IdentitySettings,
    pub(super) env: Env,
    pub(super) fs: Fs,
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether STS of the region is turned off for the account. It stays so for the process.
    pub(super) region_disabled: AtomicBool,
}

impl Chain {
    /// Walks the chain once.
    ///
    /// # Errors
    /// When no source has credentials, one that is set up fails, or [`WALK`] has passed.
    pub(super) async fn walk(&self, region: &str) -> Result<Found, CredentialsError> {
        let found = timeout(WALK, self.resolve(region)).await.map_err(|_| {
            CredentialsError::new(format!(
                "failed to refresh cached credentials, nothing within {} s",
                WALK.as_secs()
            ))
        })?;
        found.map(|found| Found { expires_at: found.expiry(), credentials: into_ours(&found) })
    }

    async fn resolve(&self, region: &str) -> Result<SdkCredentials, CredentialsError> {
        let config = self.configuration(region).await;
        let Some(role_arn) = &self.settings.role_arn else {
            let provider = default_chain(&config)?;
            let found = provider.provide_credentials().await;
            return found.map_err(|source| describe(&source, &self.env, None));
        };
        let is_disabled = self.region_disabled.load(Ordering::Relaxed);
        let region = if is_disabled { primary_region_of(region) } else { region };
        match self.assume(role_arn, &config, region).await {
            Err(source) if !is_disabled && is_region_disabled(&source) => {
                info!(
                    "Credentials for provided RoleARN will be fetched from STS primary region \
                     endpoint instead of regional endpoint."
                );
                self.region_disabled.store(true, Ordering::Relaxed);
                self.assume(role_arn, &config, primary_region_of(region)).await
            }
            outcome => outcome,
        }
        .map_err(|source| describe(&source, &self.env, Some(role_arn)))
    }

    async fn assume(
        &self,
        role_arn: &str,
        config: &SdkConfig,
        region: &str,
    ) -> Result<SdkCredentials, SdkError> {
        let mut builder = AssumeRoleProvider::builder(role_arn)
            .configure(config)
            .region(Region::new(region.to_owned()))
            .session_name(SESSION_NAME);
        if let Some(external_id) = &self.settings.external_id {
            builder = builder.external_id(external_id);
        }
        builder.build().await.provide_credentials().await
    }

    async fn configuration(&self, region: &str) -> SdkConfig {
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(SdkHttp(self.http.clone()))
            .time_source(SdkClock(Arc::clone(&self.clock)));
        self.within_surroundings(loader).load().await
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests have surroundings of their own")]
    fn within_surroundings(&self, loader: ConfigLoader) -> ConfigLoader {
        loader
    }

    /// The SDK takes made-up surroundings in tests only.
    #[cfg(test)]
    fn within_surroundings(&self, loader: ConfigLoader) -> ConfigLoader {
        loader.env(self.env.clone()).fs(self.fs.clone())
    }
}

fn default_chain(config: &SdkConfig) -> Result<SharedCredentialsProvider, CredentialsError> {
    config.credentials_provider().ok_or_else(|| CredentialsError::new("no chain of credentials"))
}

fn into_ours(found: &SdkCredentials) -> roentgen_sigv4::Credentials {
    let ours = roentgen_sigv4::Credentials::new(found.access_key_id(), found.secret_access_key());
    match found.session_token() {
        Some(token) => ours.with_session_token(token),
        None => ours,
    }
}

/// By its name: the type behind it belongs to the SDK's client of STS, not to its interface.
fn is_region_disabled(error: &SdkError) -> bool {
    chain(error).contains("RegionDisabledException")
        || format!("{error:?}").contains("RegionDisabledException")
}

/// The official daemon's words where people search for them, then what was tried.
fn describe(error: &SdkError, env: &Env, role_arn: Option<&str>) -> CredentialsError {
    let mut text = "failed to refresh cached credentials, ".to_owned();
    if let Some(role_arn) = role_arn {
        text.push_str(&format!("role {role_arn}: "));
    }
    let exhausted =
        causes(error).find_map(|cause| cause.downcast_ref::<ProviderChainError<SdkError>>());
    match exhausted {
        None => {
            text.push_str(chain(error).trim_end_matches('.'));
            let chosen = SOURCE_VARIABLES.iter().filter(|name| variable(env, name).is_some());
            let chosen: Vec<&str> = chosen.copied().collect();
            if !chosen.is_empty() {
                text.push_str(&format!("; the source was chosen by {}", chosen.join(", ")));
            } else if role_arn.is_none() {
                // IMDS that refuses ends the walk as well.
                text.push_str(ADVICE);
            }
        }
        Some(exhausted) => {
            let tried: Vec<String> = exhausted
                .attempts()
                .iter()
                .map(|attempt| format!("{} ({})", attempt.name(), reason_of(attempt.error())))
                .collect();
            text.push_str("no EC2 IMDS role found, tried ");
            text.push_str(&tried.join(", "));
            text.push_str(ADVICE);
        }
    }
    if exhausted.is_some_and(imds_is_mute) {
        text.push_str(super::HOP_LIMIT_ADVICE);
    }
    CredentialsError::new(text)
}

/// Without the words that every source begins with.
fn reason_of(error: &SdkError) -> String {
    match std::error::Error::source(error) {
        Some(source) => chain(source),
        None => error.to_string(),
    }
}

/// Whether IMDS took the connection and then said nothing.
fn imds_is_mute(exhausted: &ProviderChainError<SdkError>) -> bool {
    exhausted
        .attempts()
        .iter()
        .filter(|attempt| attempt.name() == "Ec2InstanceMetadata")
        .flat_map(|attempt| causes(attempt.error()))
        .filter_map(|cause| cause.downcast_ref::<HttpError>())
        .any(|error| matches!(error, HttpError::AnswerTimeout { .. }))
}
