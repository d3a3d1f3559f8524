//! What the services of a fleet do for one request: a tree of calls through the layers, with one
//! particular thing somewhere in it.

use super::Particular;
use super::services::{Backing, Layers, Member, kept};
use crate::random::Random;
use crate::topology::{Annotated, Call, Exception, Latency, Operation, Step};

static BROKEN: Exception = Exception::new(
    "IllegalStateError",
    "The record was changed by somebody else",
    &[("records.py", 118, "store"), ("handlers.py", 41, "post"), ("app.py", 77, "dispatch")],
);

const PATHS: [(&str, &str); 6] = [
    ("GET", "/v1/items/{product}"),
    ("GET", "/v1/users/{user}"),
    ("POST", "/v1/items"),
    ("GET", "/v1/search?q={query}"),
    ("PUT", "/v1/users/{user}/items/{product}"),
    ("GET", "/v1/categories/{category}"),
];

const ANNOTATIONS: [&[Annotated]; 4] = [
    &[Annotated::Tenant, Annotated::Product],
    &[Annotated::Tenant, Annotated::OrderTotal, Annotated::Items],
    &[Annotated::Category, Annotated::SignedIn],
    &[Annotated::PaymentMethod, Annotated::Tenant],
];

/// More subsegments than any SDK that streams keeps in a segment.
const STREAMED_SUBSEGMENTS: (u32, u32) = (110, 130);

/// Of three tries at least one is likely to fail, and one to succeed.
const REFUSED_TRIES: f64 = 0.5;

/// Builds requests to a fleet.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) layers: &'a Layers,
    pub(super) big_segments: usize,
}

impl Builder<'_> {
    /// One request to one of the services of the first layer.
    pub(super) fn request(
        &self,
        particular: Particular,
        random: &mut Random,
    ) -> &'static Operation {
        if particular == Particular::Big {
            return self.big(random);
        }
        let last = u32::try_from(self.layers.entries).unwrap_or(1).saturating_sub(1);
        let entry = usize::try_from(random.between(0, last)).unwrap_or(0);
        let entry = if particular == Particular::Streamed { 0 } else { entry };
        let member = self.member(entry);
        let mut operation = self.operation(member, particular, random);
        match particular {
            Particular::InProgress => operation.is_announced = true,
            Particular::Streamed => {
                let (least, most) = STREAMED_SUBSEGMENTS;
                let item =
                    kept(Step::Call(Call::table("GetItem", "fleet-items", Latency::of(2.0, 0.4))));
                operation.steps = with(operation.steps, Step::Repeated(least, most, item));
            }
            Particular::Queue => {
                let consumer = kept(Operation {
                    work: Latency::of(6.0, 0.4),
                    steps: steps(vec![Step::Call(Call::table(
                        "PutItem",
                        "fleet-jobs",
                        Latency::of(5.0, 0.4),
                    ))]),
                    annotations: &[Annotated::Tenant],
                    ..Operation::new(self.layers.consumer, "POST", "/")
                });
                let send = Step::Call(Call::queue("fleet-jobs", consumer));
                operation.steps = with(operation.steps, send);
            }
            _ => {}
        }
        kept(operation)
    }

    fn member(&self, place: usize) -> &Member {
        let members = &self.layers.members;
        members.get(place).or(members.first()).expect("a fleet has a service")
    }

    /// What `member` does, and all it calls. A particular thing that happens within a service
    /// happens at the end of one path.
    fn operation(&self, member: &Member, particular: Particular, random: &mut Random) -> Operation {
        let (method, path) = random.pick(&PATHS);
        let mut done = vec![Step::Work("check", Latency::of(0.8, 0.4), &[]), data(member, random)];
        let calls = self.calls(member, particular, random);
        let is_leaf = calls.is_empty();
        match random.chance(0.4) {
            true if calls.len() > 1 => done.push(Step::InParallel(steps(calls))),
            _ => done.extend(calls),
        }
        if random.chance(0.6) {
            done.push(Step::Work("respond", Latency::of(1.5, 0.5).with_slow(0.01, 10.0), &[]));
        }
        let mut operation = Operation {
            annotations: random.pick(&ANNOTATIONS),
            success: if method == "POST" { 201 } else { 200 },
            records_basket: random.chance(0.2),
            ..Operation::new(member.service, method, path)
        };
        if is_leaf {
            match particular {
                Particular::Error => operation.refusals = &[(1.0, 404)],
                Particular::Throttle => operation.refusals = &[(1.0, 429)],
                Particular::Retry => operation.refusals = &[(REFUSED_TRIES, 503)],
                Particular::Fault => done.push(Step::Throws(1.0, &BROKEN)),
                Particular::Slow => operation.work = Latency::of(2_500.0, 0.6),
                _ => {}
            }
        }
        operation.steps = steps(done);
        operation
    }

    fn calls(&self, member: &Member, particular: Particular, random: &mut Random) -> Vec<Step> {
        let callees = &member.callees;
        let Some(last) = callees.len().checked_sub(1) else { return Vec::new() };
        let last = u32::try_from(last).unwrap_or(0);
        let troubled = usize::try_from(random.between(0, last)).unwrap_or(0);
        let mut calls = Vec::new();
        for (index, callee) in callees.iter().enumerate() {
            let is_troubled = index == troubled;
            // Not every request needs every service, but the troubled one is always asked.
            if !is_troubled && random.chance(0.3) {
                continue;
            }
            let inner = if is_troubled { particular } else { Particular::Nothing };
            let operation = kept(self.operation(self.member(*callee), inner, random));
            let call = Call::service(operation);
            calls.push(Step::Call(if inner == Particular::Retry { call.tried(3) } else { call }));
        }
        calls
    }

    /// One segment that calls √n services at once, each of which calls √n at once.
    fn big(&self, random: &mut Random) -> &'static Operation {
        let python: Vec<&Member> = self.layers.python().collect();
        let member = |level: usize| python.get(level % python.len()).copied();
        let outer = self.big_segments.isqrt();
        let inner = (self.big_segments - 1) / outer - 1;
        let rest = self.big_segments - 1 - outer * (inner + 1);
        let leaf = |random: &mut Random| {
            let (method, path) = random.pick(&PATHS);
            let member = member(2).unwrap_or(self.member(0));
            kept(Operation {
                work: Latency::of(1.0, 0.5),
                ..Operation::new(member.service, method, path)
            })
        };
        let leaves = |count: usize, random: &mut Random| -> &'static [Step] {
            steps((0..count).map(|_| Step::Call(Call::service(leaf(random)))).collect())
        };
        let middles = (0..outer).map(|index| {
            // What does not divide evenly goes to the first ones.
            let count = inner + usize::from(index < rest);
            let middle = member(1).unwrap_or(self.member(0));
            let operation = kept(Operation {
                steps: steps(vec![Step::InParallel(leaves(count, random))]),
                ..Operation::new(middle.service, "GET", "/v1/parts/{product}")
            });
            Step::Call(Call::service(operation))
        });
        let middles = middles.collect();
        kept(Operation {
            steps: steps(vec![Step::InParallel(steps(middles))]),
            annotations: &[Annotated::Tenant],
            ..Operation::new(self.member(0).service, "POST", "/v1/batches")
        })
    }
}

/// A look at the service's own data.
fn data(member: &Member, random: &mut Random) -> Step {
    let operations = ["GetItem", "Query", "PutItem", "UpdateItem"];
    Step::Call(match member.backing {
        Backing::Table(table) => Call::table(
            random.pick(&operations),
            table,
            Latency::of(4.0, 0.5).with_slow(0.01, 20.0),
        ),
        Backing::Bucket(bucket) => {
            Call::bucket("GetObject", bucket, Latency::of(25.0, 0.5).with_slow(0.02, 8.0))
        }
        Backing::Sql(database) => Call::sql(
            database,
            "select * from records where owner = ? order by changed_at desc limit 50",
            Latency::of(6.0, 0.6).with_slow(0.01, 30.0),
        ),
        Backing::Cache(name) => Call::cache(name),
        Backing::Https(host) => {
            Call::https("GET", host, "/v2/records", Latency::of(45.0, 0.5).with_slow(0.02, 6.0))
        }
    })
}

fn steps(steps: Vec<Step>) -> &'static [Step] {
    Box::leak(steps.into_boxed_slice())
}

/// Steps within a subsegment, and another one behind it.
fn with(inner: &'static [Step], last: Step) -> &'static [Step] {
    steps(vec![Step::Work("prepare", Latency::of(0.5, 0.3), inner), last])
}
