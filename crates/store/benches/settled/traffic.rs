//! Made-up traces for the benchmark: a shop of twelve services.

use roentgen_model::{
    AnnotationSummary, AnnotationValue, EdgeObservation, Flags, HttpSummary, Micros,
    NodeObservation, Outcome, Rollups, ServiceId, Timestamp, TraceGraph, TraceId, TraceSummary,
    UserSummary,
};
use roentgen_store::settled::{Kinds, Position, Sequence, SettledBatch, SettledTrace};

/// When the first trace begins.
pub(crate) const EPOCH: u32 = 1_795_000_000;
/// Six hours.
const SECONDS: u64 = 6 * 3600;
const SERVICES: [&str; 12] = [
    "gateway",
    "orders",
    "payments",
    "stock",
    "users",
    "search",
    "mail",
    "orders-table",
    "sessions",
    "events",
    "fraud-check",
    "images",
];
/// Which services a request goes through, one after the other.
const ROUTES: [&[usize]; 8] = [
    &[0, 1, 7],
    &[0, 1, 2, 10],
    &[0, 1, 3, 7, 9],
    &[0, 4, 8],
    &[0, 5],
    &[0, 5, 11],
    &[0, 1, 2, 6],
    &[0, 4, 8, 9],
];
/// Documents that come while the documents of one trace do.
const SPREAD: u64 = 100_000;
/// Bytes of a compressed document in the log.
const STORED_BYTES: u64 = 165;

/// Traces in the order of time.
pub(crate) struct Traffic {
    random: u64,
    services: Vec<ServiceId>,
    user_agents: Vec<String>,
    made: u64,
    planned: u64,
    documents: u64,
}

impl Traffic {
    /// As many traces as planned take six hours.
    pub(crate) fn new(planned: u64) -> Self {
        let kind = |number: usize| match number {
            7 | 8 => Some("AWS::DynamoDB::Table"),
            9 => Some("AWS::SQS::Queue"),
            _ => Some("AWS::ECS::Container"),
        };
        let services = SERVICES.iter().enumerate();
        let user_agents = (0..20).map(|n| {
            format!(
                "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
                100 + n,
                100 + n
            )
        });
        Self {
            random: 0x1234_5678,
            services: services
                .map(|(n, name)| ServiceId::new(name, kind(n), Some("123456789012")))
                .collect(),
            user_agents: user_agents.collect(),
            made: 0,
            planned,
            documents: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random() % limit
    }

    fn id(&mut self, epoch: u32) -> TraceId {
        let rest = u128::from(self.random()) << 64 | u128::from(self.random());
        TraceId::from_bytes((u128::from(epoch) << 96 | rest >> 32).to_be_bytes())
    }

    /// An id that no trace has.
    pub(crate) fn absent_id(&mut self, epoch: Option<u32>) -> TraceId {
        let random = u32::try_from(self.random() >> 32).unwrap_or_default();
        self.id(epoch.unwrap_or(random))
    }

    /// The next traces, and what a settled file of them has besides.
    pub(crate) fn batch(
        &mut self,
        sequence: Sequence,
        traces: usize,
    ) -> (Vec<SettledTrace>, SettledBatch) {
        let (mut rollups, mut kinds) = (Rollups::default(), Kinds::default());
        let traces = (0..traces)
            .map(|_| {
                let (trace, graph) = self.trace(&mut kinds);
                rollups.add(&graph);
                trace
            })
            .collect();
        let (corrections, superseded) = (Vec::new(), Vec::new());
        (traces, SettledBatch { sequence, home: 1, kinds, rollups, corrections, superseded })
    }

    fn trace(&mut self, kinds: &mut Kinds) -> (SettledTrace, TraceGraph) {
        let second = u32::try_from(self.made * SECONDS / self.planned).unwrap_or_default();
        self.made += 1;
        let epoch = EPOCH + second;
        let id = self.id(epoch);
        let time = Timestamp::from_micros(i64::from(epoch) * 1_000_000);
        let start = time.plus(Micros::new(self.below(1_000_000).cast_signed()));
        let length = self.length(40_000.0);
        let route = ROUTES[self.below(8) as usize];
        let outcome = match self.below(200) {
            0 => Outcome::Fault,
            1..=4 => Outcome::Error,
            5 => Outcome::Throttle,
            _ => Outcome::Ok,
        };
        let graph = self.graph(route, start, length, outcome);
        let summary = self.summary(id, (time, start, length), route, outcome);
        let documents = 1 + self.below(5);
        let first = self.documents + self.below(SPREAD);
        self.documents += documents;
        let mut positions: Vec<Position> = (0..documents)
            .map(|_| {
                let number = first + self.below(SPREAD);
                Position::from_u64(
                    (1 << 40) | ((number / 16 * 16 * STORED_BYTES) << 8) | (number % 16),
                )
            })
            .collect();
        positions.sort_unstable();
        let bytes = documents * 900 + self.below(documents * 200);
        let observed = kinds.observe(&summary, &graph);
        (SettledTrace { summary, observed, positions, bytes }, graph)
    }

    /// A length with a long tail.
    fn length(&mut self, usual: f64) -> Micros {
        let uniform = (self.below(1_000_000) as f64 + 1.0) / 1_000_001.0;
        let other = self.below(1_000_000) as f64 / 1_000_000.0;
        let normal = (-2.0 * uniform.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        Micros::new((usual * (0.8 * normal).exp()) as i64)
    }

    fn graph(
        &mut self,
        route: &[usize],
        start: Timestamp,
        length: Micros,
        outcome: Outcome,
    ) -> TraceGraph {
        let mut graph = TraceGraph::default();
        let is = |other| outcome == other;
        let flags = Flags {
            error: is(Outcome::Error),
            throttle: is(Outcome::Throttle),
            fault: is(Outcome::Fault),
        };
        let (is_inferred, is_outlived) = (false, false);
        let mut from: Option<ServiceId> = None;
        let mut left = length.get();
        for (depth, number) in route.iter().enumerate() {
            let node = self.services[*number].clone();
            let end = Some(start.plus(Micros::new(left)));
            let (is_root, is_real) = (depth == 0, true);
            graph.nodes.push(NodeObservation {
                node: node.clone(),
                is_real,
                is_root,
                start,
                end,
                is_outlived,
                flags,
            });
            if let Some(from) = from.replace(node.clone()) {
                let to = node;
                graph.edges.push(EdgeObservation {
                    from,
                    to,
                    is_inferred,
                    start,
                    end,
                    is_outlived,
                    flags,
                });
            }
            left = left * (50 + self.below(45).cast_signed()) / 100;
        }
        graph
    }

    fn summary(
        &mut self,
        id: TraceId,
        (time, start, length): (Timestamp, Timestamp, Micros),
        route: &[usize],
        outcome: Outcome,
    ) -> TraceSummary {
        let shop = vec![self.services[route[0]].clone()];
        let order = self.random();
        let mut annotations = vec![
            AnnotationSummary {
                key: "customer_tier".to_owned(),
                value: AnnotationValue::String(
                    ["free", "gold", "team"][self.below(3) as usize].into(),
                ),
                services: shop.clone(),
            },
            AnnotationSummary {
                key: "order_id".to_owned(),
                value: AnnotationValue::String(
                    format!("ord-{:012x}", order & 0xFFFF_FFFF_FFFF).into(),
                ),
                services: shop.clone(),
            },
        ];
        if self.below(2) == 0 {
            annotations.push(AnnotationSummary {
                key: "price".to_owned(),
                value: AnnotationValue::Number(self.below(20_000) as f64 / 100.0),
                services: shop.clone(),
            });
        }
        let mut services: Vec<ServiceId> =
            route.iter().map(|n| self.services[*n].clone()).collect();
        services.sort();
        let paths =
            ["orders", "cart/items", "users", "search", "images", "checkout", "pay", "stock"];
        let path = paths[self.below(8) as usize];
        let user = self.below(50_000);
        let agent = self.below(20) as usize;
        let user_agent = self.user_agents[agent].clone();
        TraceSummary {
            id,
            time,
            start,
            end: start.plus(length),
            duration: length,
            response_time: Some(Micros::new(
                length.get() - i64::from(user.is_multiple_of(10)) * 100,
            )),
            outcome,
            has_fault: outcome == Outcome::Fault,
            has_error: outcome == Outcome::Error,
            has_throttle: outcome == Outcome::Throttle,
            is_partial: false,
            http: HttpSummary {
                url: Some(format!(
                    "https://shop.example.com/api/{path}/{:010}",
                    order % 10_000_000_000
                )),
                status: Some(match outcome {
                    Outcome::Ok => 200,
                    Outcome::Error => 404,
                    Outcome::Throttle => 429,
                    Outcome::Fault => 502,
                }),
                method: Some(["GET", "GET", "POST", "PUT"][self.below(4) as usize].to_owned()),
                user_agent: Some(user_agent),
                client_ip: Some(format!(
                    "{}.{}.{}.{}",
                    10 + self.below(3),
                    self.below(256),
                    self.below(256),
                    self.below(256)
                )),
            },
            annotations,
            users: vec![UserSummary { name: format!("user-{user}"), services: shop.clone() }],
            services,
            resource_arns: Vec::new(),
            instance_ids: Vec::new(),
            availability_zones: vec!["eu-central-1a".to_owned()],
            entry_point: Some(shop[0].clone()),
            segment_count: route.len().min(3),
            revision: route.len().min(3),
        }
    }
}
