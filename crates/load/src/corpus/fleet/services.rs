//! The services of a fleet: in layers, each calling some of the next, with what they keep their
//! data in. All of it is drawn once per fleet, so the map has the same edges whatever is sent.

use crate::random::Random;
use crate::topology::{Database, Platform, Sdk, Service};

const NAMES: [&str; 24] = [
    "accounts",
    "billing",
    "catalogue",
    "delivery",
    "events",
    "fraud",
    "gateway",
    "history",
    "identity",
    "journal",
    "kiosk",
    "ledger",
    "mailing",
    "notes",
    "offers",
    "pricing",
    "quotas",
    "ratings",
    "stock",
    "tickets",
    "uploads",
    "vouchers",
    "warehouse",
    "xchange",
];

/// Every SDK and every platform in turn. Python comes first: it is the one that streams.
const SDKS: [Sdk; 3] = [Sdk::Python, Sdk::Java, Sdk::Node];
const PLATFORMS: [Platform; 4] =
    [Platform::EcsContainer, Platform::Eks, Platform::Ec2, Platform::EcsFargate];

/// A service and what it reaches.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) service: &'static Service,
    /// Places of the services of the next layer that it calls.
    pub(super) callees: Vec<usize>,
    pub(super) backing: Backing,
}

/// Where a service keeps its data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Backing {
    Table(&'static str),
    Bucket(&'static str),
    Sql(&'static Database),
    Cache(&'static str),
    Https(&'static str),
}

/// All services of a fleet.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) members: Vec<Member>,
    /// How many of them, from the first, are entered from outside.
    pub(super) entries: usize,
    /// The function that consumes messages.
    pub(super) consumer: &'static Service,
}

impl Layers {
    pub(super) fn new(services: usize, depth: usize, fan_out: usize, random: &mut Random) -> Self {
        // Layer `n` is what lies between two of these.
        let bounds: Vec<usize> = (0..=depth).map(|layer| layer * services / depth).collect();
        let members = (0..services)
            .map(|place| {
                let layer = bounds.partition_point(|bound| *bound <= place);
                let next = bounds.get(layer).copied().zip(bounds.get(layer + 1).copied());
                Member {
                    service: service(place),
                    callees: next
                        .map_or_else(Vec::new, |(from, to)| some_of(from, to, fan_out, random)),
                    backing: backing(place),
                }
            })
            .collect();
        let entries = bounds.get(1).copied().unwrap_or(1).max(1);
        Self { members, entries, consumer: consumer() }
    }

    /// The services with the Python SDK.
    pub(super) fn python(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.service.sdk == Sdk::Python)
    }
}

/// Texts and descriptions live as long as the process, as those of the shop do: there is one fleet
/// in a process, and it is needed to the end.
pub(super) fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(super) fn kept_text(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Up to `most` different places from `from` to before `to`, in order.
fn some_of(from: usize, to: usize, most: usize, random: &mut Random) -> Vec<usize> {
    let mut places: Vec<usize> = (from..to).collect();
    while places.len() > most {
        let last = u32::try_from(places.len() - 1).unwrap_or(u32::MAX);
        places.swap_remove(usize::try_from(random.between(0, last)).unwrap_or(0));
    }
    places.sort_unstable();
    places
}

fn name(place: usize) -> String {
    let word = NAMES.get(place % NAMES.len()).copied().unwrap_or_default();
    match place / NAMES.len() {
        0 => word.to_owned(),
        round => format!("{word}-{}", round + 1),
    }
}

fn service(place: usize) -> &'static Service {
    let name = name(place);
    kept(Service {
        host: kept_text(format!("{name}.fleet.internal")),
        name: kept_text(name),
        sdk: SDKS.get(place % SDKS.len()).copied().unwrap_or(Sdk::Python),
        platform: PLATFORMS.get(place % PLATFORMS.len()).copied().unwrap_or(Platform::Ec2),
        version: "4.2.1",
        instances: u32::try_from(place % 4 + 1).unwrap_or(1),
    })
}

fn consumer() -> &'static Service {
    kept(Service {
        name: "fleet-worker",
        host: "fleet-worker.fleet.internal",
        sdk: Sdk::Python,
        platform: Platform::Lambda,
        version: "1.0.0",
        instances: 4,
    })
}

fn backing(place: usize) -> Backing {
    let name = name(place);
    match place % 5 {
        0 => Backing::Table(kept_text(format!("fleet-{name}"))),
        1 => Backing::Sql(kept(Database {
            name: kept_text(name.replace('-', "_")),
            host: kept_text(format!("{name}-db.fleet.internal")),
            user: "fleet",
            version: "16.4",
        })),
        2 => Backing::Cache(kept_text(format!("{name}-cache"))),
        3 => Backing::Bucket(kept_text(format!("fleet-{name}-files"))),
        _ => Backing::Https(kept_text(format!("api.{name}.example"))),
    }
}
