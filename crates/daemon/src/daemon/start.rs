//! The parts, started one after the other.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use http::HeaderValue;
use roentgen_ops::{Clock, Environment as _, Metrics, ProcessEnvironment};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::seams::{Condition, ToIntake};
use crate::batch::{MOST_DOCUMENTS, Memory};
use crate::destinations::{self, DestinationSetup, Destinations, Sending, SpoolError};
use crate::gateway::{self, Gateway, Limits, ListenError};
use crate::identity::{self, Identity};
use crate::intake::listen::resolve;
use crate::intake::{self, Intake};
use crate::policy::Policy;
use crate::settings::{Destination, IdentitySettings, Settings};
use crate::tally::{DestinationTally, Tally};
use crate::telemetry::{Telemetry, TelemetrySetup};
use crate::upstream::{AddressFault, Signing, Upstream};

/// Connections to a destination beside those of its senders: sampling calls and telemetry.
const OTHER_CONNECTIONS: usize = 4;

/// The running daemon.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) intake: Arc<Intake>,
    pub(super) gateway: Option<Gateway>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) tally: Tally,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether it is known by now that there is no region.
    has_no_region: watch::Receiver<bool>,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// An address of a destination, or of the proxy.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// The directory of the spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The TCP port, when it is not an address or is required.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system refuses a thread, a timer or a signal handler.
    #[error("start the daemon: {0}")]
    System(#[source] io::Error),
}

/// Who is known to AWS, and the destination whose endpoint goes by the region.
struct Aws {
    identity: Arc<Identity>,
    of_region: Option<Arc<Upstream>>,
    /// Where sampling calls go, if that does not go by the region.
    told_endpoint: Option<String>,
}

impl Parts {
    /// Starts everything. Must be called within the runtime.
    ///
    /// # Errors
    /// Any [`StartError`]; the log does not have it yet.
    pub(super) fn start(
        settings: &Settings,
        socket: UdpSocket,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::default());
        let tally = Tally::new(&metrics);
        let tasks = TaskTracker::new();
        let is_signing = settings.destinations.iter().any(is_signed);
        let identity_settings = IdentitySettings {
            // Who sends to Roentgen servers only asks nobody who it is.
            local_mode: settings.identity.local_mode || !is_signing,
            ..settings.identity.clone()
        };
        let identity =
            Identity::start(&identity_settings, &settings.outbound, Arc::clone(clock), &tasks);
        let identity = Arc::new(identity);
        if is_signing && let Some(region) = identity.known_region() {
            say_region(&region);
        }
        // Told before anything is started.
        resolve(&settings.tcp_address).map_err(ListenError::Address)?;
        let (setups, of_region) = destination_setups(settings, &identity, &metrics, clock)?;
        let first = setups.first().map(|setup| (Arc::clone(&setup.upstream), setup.tally.clone()));
        let user_agent =
            destinations::user_agent(ProcessEnvironment.variable("AWS_EXECUTION_ENV").as_deref());
        let telemetry = start_telemetry(settings, &setups, &user_agent, &tally, clock);
        let telemetry = Arc::new(telemetry);
        introduce(Arc::clone(&telemetry), Arc::clone(&identity), &tasks);
        let bytes = settings.memory.megabytes.saturating_mul(1 << 20);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let parts = destinations::parts(setups.len(), settings.spool.is_some());
        let memory = Arc::new(Memory::shared(bytes, parts));
        let memory_share = memory.share();
        let sending = Sending {
            concurrency: settings.concurrency,
            retry: settings.retry,
            spool: settings.spool.clone(),
            memory_share,
            user_agent,
        };
        let destinations = Destinations::start(setups, &sending, clock)?;
        let intake = Intake::start(intake::Parts {
            socket,
            memory: Arc::clone(&memory),
            is_signing,
            policy: Policy::new(&settings.policy),
            outlet: Arc::clone(&destinations) as Arc<dyn intake::Outlet>,
            tally: tally.clone(),
            clock: Arc::clone(clock),
        });
        let intake = Arc::new(intake.map_err(StartError::System)?);
        let told_endpoint = settings.destinations.first().and_then(endpoint_of);
        let has_no_region = if is_signing {
            let told_endpoint = told_endpoint.map(str::to_owned);
            find_region(Aws { identity, of_region, told_endpoint }, &tasks)
        } else {
            say_endpoint(told_endpoint.unwrap_or_default());
            watch::Sender::new(false).subscribe()
        };
        tracing::debug!("Batch size: {MOST_DOCUMENTS}");
        let Some((upstream, destination)) = first else {
            // There is at least one destination, `aws` by default.
            return Err(StartError::System(io::Error::other("no destination")));
        };
        let gateway = start_gateway(
            settings,
            memory_share,
            gateway::Parts {
                upstream: Arc::clone(&upstream),
                accept: Arc::new(ToIntake(Arc::clone(&intake))),
                health: Arc::new(Condition::new(
                    Arc::clone(&intake),
                    upstream,
                    destination,
                    memory,
                    &metrics,
                )),
                metrics,
                tally: tally.clone(),
                clock: Arc::clone(clock),
            },
        )?;
        let clock = Arc::clone(clock);
        Ok(Self { intake, gateway, destinations, telemetry, tally, clock, has_no_region })
    }

    /// Returns when it is known that there is no region, without which nothing can be signed.
    pub(super) async fn no_region(&self) {
        let mut has_none = self.has_no_region.clone();
        if has_none.wait_for(|has_none| *has_none).await.is_err() {
            // The region was found, or is not needed.
            std::future::pending::<()>().await;
        }
    }
}

fn start_telemetry(
    settings: &Settings,
    setups: &[DestinationSetup],
    user_agent: &HeaderValue,
    tally: &Tally,
    clock: &Arc<dyn Clock>,
) -> Telemetry {
    let shows_names = setups.len() > 1;
    let destinations = setups.iter().map(|setup| {
        let name = shows_names.then(|| setup.name.clone());
        (name, Arc::clone(&setup.upstream), setup.tally.clone())
    });
    tracing::debug!("ARN of the AWS resource running the daemon: {}", settings.resource_arn);
    let setup = TelemetrySetup {
        destinations: destinations.collect(),
        tally: tally.clone(),
        resource_arn: settings.resource_arn.clone(),
        user_agent: user_agent.clone(),
        timeout: settings.retry.timeout,
    };
    Telemetry::start(setup, clock)
}

/// Tells telemetry which machine this is, as soon as that is known.
fn introduce(telemetry: Arc<Telemetry>, identity: Arc<Identity>, tasks: &TaskTracker) {
    tasks.spawn(async move { telemetry.introduce(identity.instance().await.clone()) });
}

fn is_signed(destination: &Destination) -> bool {
    match destination {
        Destination::Aws { .. } => true,
        Destination::Roentgen { signed, .. } => *signed,
    }
}

/// The endpoint as far as it is told and does not go by the region.
fn endpoint_of(destination: &Destination) -> Option<&str> {
    match destination {
        Destination::Aws { endpoint } => endpoint.as_deref(),
        Destination::Roentgen { endpoint, .. } => Some(endpoint),
    }
}

fn say_region(region: &str) {
    tracing::info!("Using region: {region}");
}

fn say_endpoint(endpoint: &str) {
    tracing::info!("HTTP Proxy server using X-Ray Endpoint : {endpoint}");
}

/// What each destination needs, and the one that waits for the region.
fn destination_setups(
    settings: &Settings,
    identity: &Arc<Identity>,
    metrics: &Metrics,
    clock: &Arc<dyn Clock>,
) -> Result<(Vec<DestinationSetup>, Option<Arc<Upstream>>), StartError> {
    let mut of_region = None;
    let mut setups = Vec::with_capacity(settings.destinations.len());
    for destination in &settings.destinations {
        let endpoint = endpoint_of(destination);
        let signing = match destination {
            Destination::Aws { .. } => identity.signing(endpoint),
            Destination::Roentgen { signed: true, .. } => {
                Signing::Always(Arc::<Identity>::clone(identity))
            }
            Destination::Roentgen { signed: false, .. } => Signing::Never,
        };
        let connections = settings.concurrency + OTHER_CONNECTIONS;
        let upstream = Upstream::new(&settings.outbound, signing, connections, Arc::clone(clock))?;
        let upstream = Arc::new(upstream);
        match endpoint {
            Some(endpoint) => {
                upstream.set_endpoint(endpoint)?;
                tracing::debug!("Using Endpoint read from Config file: {endpoint}");
                tracing::debug!("Using Endpoint: {endpoint}");
            }
            None => of_region = Some(Arc::clone(&upstream)),
        }
        let name = destinations::name(destination);
        let tally = DestinationTally::new(metrics, &name);
        setups.push(DestinationSetup { name, upstream, tally });
    }
    Ok((setups, of_region))
}

/// Finds the region, now if it is known, else in the background; the receiver learns when there is
/// none.
fn find_region(aws: Aws, tasks: &TaskTracker) -> watch::Receiver<bool> {
    let (has_none, receiver) = watch::channel(false);
    match aws.identity.known_region() {
        Some(region) => {
            has_none.send_replace(!aws.use_region(&region));
        }
        None => {
            tasks.spawn(async move {
                match aws.identity.region().await {
                    Ok(region) => {
                        say_region(&region);
                        has_none.send_replace(!aws.use_region(&region));
                    }
                    Err(_) => {
                        has_none.send_replace(true);
                    }
                }
            });
        }
    }
    receiver
}

impl Aws {
    /// False when the region cannot have an endpoint; the log has it then.
    fn use_region(&self, region: &str) -> bool {
        let endpoint = identity::endpoint_of(region);
        if let Some(upstream) = &self.of_region
            && let Err(fault) = upstream.set_endpoint(&endpoint)
        {
            // A region with characters that no host name has.
            tracing::error!("region {region:?} has no endpoint: {fault}");
            return false;
        }
        say_endpoint(self.told_endpoint.as_deref().unwrap_or(&endpoint));
        true
    }
}

/// Opens the TCP port; without it, when it is taken and not required, the daemon receives all the
/// same.
fn start_gateway(
    settings: &Settings,
    memory_share: usize,
    parts: gateway::Parts,
) -> Result<Option<Gateway>, StartError> {
    // What escaping adds to a document is seldom more than it has itself.
    let document_bytes = Limits::default().document_bytes.min(memory_share / 2);
    let limits = Limits { document_bytes, ..Limits::default() };
    let listener = gateway::listen(&settings.tcp_address);
    let told = told_address(&settings.tcp_address, listener.as_ref().ok());
    tracing::info!("Starting proxy http server on {told}");
    let listener = match listener {
        Ok(listener) => listener,
        Err(error @ ListenError::Refused { .. }) if !settings.tcp_required => {
            tracing::error!("{error}");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    Gateway::start(listener, parts, settings.proxy_everything, limits)
        .map(Some)
        .map_err(StartError::System)
}

/// The address as it was told, or the one the system chose when it was to choose.
fn told_address(text: &str, listener: Option<&TcpListener>) -> String {
    let chosen = listener.and_then(|listener| listener.local_addr().ok());
    match chosen.filter(|_| text.ends_with(":0")) {
        Some(address) => address.to_string(),
        None => text.to_owned(),
    }
}
