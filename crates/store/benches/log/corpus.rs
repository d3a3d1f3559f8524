//! Segment documents of about 1 KB as services send them: three of each trace, with random ids, which no compression
//! gets any smaller, among many traces at a time.

use std::fmt::Write as _;

/// Traces that are under way at the same time; their documents arrive in turns.
const TRACES_UNDER_WAY: usize = 64;
/// The services a request passes, outermost first.
const SERVICES: [(&str, &str); 12] = [
    ("storefront", "AWS::ECS::Container"),
    ("cart", "AWS::ECS::Container"),
    ("inventory", "AWS::EC2::Instance"),
    ("checkout", "AWS::ECS::Container"),
    ("payments", "AWS::EKS::Container"),
    ("fraud-check", "AWS::Lambda::Function"),
    ("search", "AWS::ECS::Container"),
    ("ranking", "AWS::EC2::Instance"),
    ("catalogue", "AWS::ECS::Container"),
    ("accounts", "AWS::ECS::Container"),
    ("sessions", "AWS::EC2::Instance"),
    ("audit", "AWS::EKS::Container"),
];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A.240605.024)",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
];
const PATHS: [&str; 8] =
    ["items", "orders", "carts", "customers", "reviews", "offers", "shipments", "invoices"];
const TABLES: [&str; 5] = ["Orders", "Carts", "Stock", "Sessions", "Prices"];
const OPERATIONS: [&str; 4] = ["GetItem", "PutItem", "Query", "UpdateItem"];
const PLANS: [&str; 3] = ["free", "standard", "enterprise"];

/// An endless stream of documents; the same ones for the same seed.
pub(crate) struct Corpus {
    random: Random,
    under_way: Vec<Trace>,
    /// Microseconds since the epoch of the newest document.
    now: u64,
}

struct Trace {
    id: String,
    client_ip: String,
    user: u64,
    agent: &'static str,
    parent: Option<String>,
    service: usize,
    left: u32,
}

impl Corpus {
    /// A stream.
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random(seed), under_way: Vec::new(), now: 1_795_334_987_000_000 }
    }

    fn trace(&mut self) -> Trace {
        let random = &mut self.random;
        Trace {
            id: format!(
                "1-{:08x}-{:016x}{:08x}",
                self.now / 1_000_000,
                random.next(),
                random.next() >> 32
            ),
            client_ip: format!(
                "{}.{}.{}.{}",
                1 + random.below(220),
                random.below(256),
                random.below(256),
                random.below(256)
            ),
            user: random.below(50_000),
            agent: pick(AGENTS, random),
            parent: None,
            service: usize::try_from(random.below(SERVICES.len() as u64)).unwrap_or(0),
            left: 3,
        }
    }

    fn document(&mut self, trace: &mut Trace) -> Vec<u8> {
        let random = &mut self.random;
        let id = format!("{:016x}", random.next());
        let (name, origin) =
            SERVICES.get(trace.service % SERVICES.len()).copied().unwrap_or(("app", ""));
        let took = 800 + random.below(400) * random.below(400);
        let start = self.now - took;
        let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let status = match random.below(100) {
            0 => 500,
            1 => 503,
            2 => 429,
            3..6 => 404,
            6..12 => 201,
            _ => 200,
        };
        let mut text = String::with_capacity(1536);
        let _ = write!(
            text,
            r#"{{"trace_id":"{}","id":"{id}","name":"{name}","start_time":{},"end_time":{}"#,
            trace.id,
            seconds(start),
            seconds(self.now)
        );
        if let Some(parent) = &trace.parent {
            let _ = write!(text, r#","parent_id":"{parent}""#);
        }
        let path = pick(PATHS, random);
        let _ = write!(
            text,
            r#","origin":"{origin}","http":{{"request":{{"method":"{}","url":"https://{name}.shop.example.com/v2/{path}/{}","user_agent":"{}","client_ip":"{}"}},"response":{{"status":{status},"content_length":{}}}}}"#,
            if random.below(4) == 0 { "POST" } else { "GET" },
            random.below(1_000_000),
            trace.agent,
            trace.client_ip,
            random.below(20_000)
        );
        if status >= 500 {
            text.push_str(r#","fault":true"#);
        } else if status >= 400 {
            text.push_str(r#","error":true"#);
        }
        let _ = write!(
            text,
            r#","user":"u{}","annotations":{{"tenant":"t-{}","plan":"{}","cache_hit":{}}},"aws":{{"xray":{{"sdk":"X-Ray for Python","sdk_version":"2.14.0"}},"ecs":{{"container":"ip-10-0-{}-{}"}}}},"service":{{"version":"4.{}.0"}}"#,
            trace.user,
            trace.user % 400,
            pick(PLANS, random),
            random.below(2) == 0,
            random.below(4),
            random.below(32),
            trace.service
        );
        text.push_str(r#","subsegments":["#);
        let call = random.next();
        let at = start + took / 4;
        let _ = write!(
            text,
            r#"{{"id":"{:016x}","name":"DynamoDB","start_time":{},"end_time":{},"namespace":"aws","http":{{"response":{{"status":200,"content_length":{}}}}},"aws":{{"operation":"{}","table_name":"{}","region":"eu-central-1","request_id":"{:032X}","retries":0}}}}"#,
            call,
            seconds(at),
            seconds(at + took / 3),
            random.below(9000),
            pick(OPERATIONS, random),
            pick(TABLES, random),
            u128::from(random.next()) << 64 | u128::from(random.next())
        );
        let parent = if trace.left == 3 {
            let next = SERVICES
                .get((trace.service + 1) % SERVICES.len())
                .map_or("app", |service| service.0);
            let subsegment = format!("{:016x}", random.next());
            let at = start + took / 2;
            let _ = write!(
                text,
                r#",{{"id":"{subsegment}","name":"{next}.shop.example.com","start_time":{},"end_time":{},"namespace":"remote","http":{{"request":{{"method":"GET","url":"https://{next}.shop.example.com/v2/{path}/{}"}},"response":{{"status":200,"content_length":{}}}}}}}"#,
                seconds(at),
                seconds(at + took / 3),
                random.below(1_000_000),
                random.below(20_000)
            );
            Some(subsegment)
        } else {
            None
        };
        text.push_str("]}");
        trace.parent = parent;
        trace.service += 1;
        trace.left -= 1;
        text.into_bytes()
    }
}

impl Iterator for Corpus {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.now += 10; // 100,000 a second.
        while self.under_way.len() < TRACES_UNDER_WAY {
            let trace = self.trace();
            self.under_way.push(trace);
        }
        let index = usize::try_from(self.random.below(TRACES_UNDER_WAY as u64)).ok()?;
        let mut trace = self.under_way.swap_remove(index);
        let document = self.document(&mut trace);
        if trace.left > 0 {
            self.under_way.push(trace);
        }
        Some(document)
    }
}

fn pick<const N: usize>(from: [&'static str; N], random: &mut Random) -> &'static str {
    usize::try_from(random.below(N as u64))
        .ok()
        .and_then(|index| from.get(index))
        .copied()
        .unwrap_or("")
}

/// SplitMix64 (Steele, Lea and Flood, 2014): enough for a corpus, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
