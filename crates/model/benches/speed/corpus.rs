//! Documents of about a kilobyte, three to a trace, as a shop's services send them: requests,
//! AWS facts and calls, SQL, annotations, metadata, subsegments; ids and times are random.

/// Documents of one trace.
pub(crate) const PER_TRACE: usize = 3;

/// The documents of so many traces, trace by trace.
pub(crate) fn documents(traces: usize) -> Vec<String> {
    let mut random = Random(0x5eed);
    (0..traces).flat_map(|_| trace(&mut random)).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn id(&mut self) -> String {
        format!("{:016x}", self.next())
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let index = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        of.get(index).copied().unwrap_or_default()
    }
}

/// A front end calls a service, which asks a table and calls another, which asks a database.
fn trace(random: &mut Random) -> [String; PER_TRACE] {
    let second = 1_795_334_983 + random.below(600);
    let trace_id = format!("1-{second:08x}-{:08x}{:016x}", random.next() >> 32, random.next());
    let mut begin = second * 1_000_000 + random.below(1_000_000);
    let mut length = 40_000 + random.below(400_000);
    let mut times = || {
        let (start, end) = (seconds(begin), seconds(begin + length));
        begin += length / 10;
        length = length * 7 / 10;
        format!(r#""start_time":{start},"end_time":{end}"#)
    };
    let [front, middle, back] = [
        random.pick(&["storefront", "mobile-api", "partner-api", "admin"]),
        random.pick(&["catalog", "cart", "checkout", "search", "accounts"]),
        random.pick(&["payments", "inventory", "shipping", "pricing"]),
    ];
    let [front_id, call_id, middle_id, other_call_id, back_id] =
        std::array::from_fn(|_| random.id());
    let (work_id, table_id, query_id, audit_id) =
        (random.id(), random.id(), random.id(), random.id());
    let (number, customer) = (random.below(100_000), random.below(5_000));
    let status = if random.below(50) == 0 { 503 } else { 200 };
    let tenant = random.pick(&["acme", "globex", "initech", "umbrella"]);
    let table = random.pick(&["Products", "Carts", "Orders"]);
    let host = random.below(40);
    let first = format!(
        r#"{{"name":"{front}","id":"{front_id}","trace_id":"{trace_id}",{},"origin":"AWS::ECS::Container","user":"customer-{customer}","http":{{"request":{{"method":"GET","url":"https://shop.example.com/{front}/{middle}/{number}","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","client_ip":"203.0.113.{host}"}},"response":{{"status":{status},"content_length":4821}}}},"aws":{{"ecs":{{"container":"{front}-7d9f6c5b8-{host}"}},"xray":{{"sdk":"X-Ray for Node.js","sdk_version":"3.10.3","package":"aws-xray-sdk"}}}},"service":{{"version":"2026.11.3","runtime":"node","runtime_version":"v24.1.0"}},"annotations":{{"tenant":"{tenant}","region":"eu-central-1","items":{},"express":true}},"subsegments":[{{"id":"{call_id}","name":"{middle}.shop.example.com",{},"namespace":"remote","http":{{"request":{{"method":"GET","url":"https://{middle}.shop.example.com/{number}"}},"response":{{"status":{status}}}}}}},{{"id":"{work_id}","name":"render",{}}}]}}"#,
        times(),
        host % 7,
        times(),
        times(),
    );
    let second = format!(
        r#"{{"name":"{middle}","id":"{middle_id}","trace_id":"{trace_id}","parent_id":"{call_id}",{},"origin":"AWS::EC2::Instance","http":{{"request":{{"method":"GET","url":"https://{middle}.shop.example.com/{number}","client_ip":"10.0.3.{host}","x_forwarded_for":true}},"response":{{"status":{status}}}}},"aws":{{"ec2":{{"instance_id":"i-0a1b2c3d4e5f6{host:04}","availability_zone":"eu-central-1a"}},"xray":{{"sdk":"X-Ray for Java","sdk_version":"2.18.2"}}}},"annotations":{{"tenant":"{tenant}","cache":"miss"}},"metadata":{{"default":{{"products":[{number},{customer},4711],"currency":"EUR","weight":1.25}}}},"subsegments":[{{"id":"{table_id}","name":"DynamoDB",{},"namespace":"aws","aws":{{"operation":"GetItem","table_name":"{table}","region":"eu-central-1","request_id":"{:016X}{:016X}","retries":0}},"http":{{"response":{{"status":200,"content_length":713}}}}}},{{"id":"{other_call_id}","name":"{back}.shop.example.com",{},"namespace":"remote","http":{{"request":{{"method":"POST","url":"https://{back}.shop.example.com/v2"}},"response":{{"status":{status}}}}}}}]}}"#,
        times(),
        times(),
        random.next(),
        random.next(),
        times(),
    );
    let third = format!(
        r#"{{"name":"{back}","id":"{back_id}","trace_id":"{trace_id}","parent_id":"{other_call_id}",{},"origin":"AWS::ECS::Container","http":{{"request":{{"method":"POST","url":"https://{back}.shop.example.com/v2","user_agent":"Java-http-client/21.0.4","client_ip":"10.0.7.{host}"}},"response":{{"status":{status}}}}},"aws":{{"account_id":"123456789012","ecs":{{"container":"{back}-5c7d9f6b8-{host}"}},"xray":{{"sdk":"X-Ray for Python","sdk_version":"2.15.0","sampling_rule_name":"Default"}}}},"annotations":{{"tenant":"{tenant}","attempt":1}},"metadata":{{"default":{{"currency":"EUR","lines":[{{"sku":"A-{number}","count":2}}]}}}},"subsegments":[{{"id":"{query_id}","name":"shop@orders-db.shop.internal",{},"namespace":"remote","sql":{{"url":"jdbc:postgresql://orders-db.shop.internal:5432/shop","database_type":"PostgreSQL","sanitized_query":"SELECT * FROM orders WHERE id = ?"}}}},{{"id":"{audit_id}","name":"audit",{},"annotations":{{"audited":true}}}}]}}"#,
        times(),
        times(),
        times(),
    );
    [first, second, third]
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
