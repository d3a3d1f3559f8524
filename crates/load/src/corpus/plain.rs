//! The plain corpus: storefront → orders → payments, one segment each, all of it as usual.
//!
//! What the store's figures are measured with, so its documents are neither easier nor harder to
//! store than those of real services: words from small sets, some numbers, and ids, request ids and
//! an order id that nobody can foresee.

use roentgen_model::Micros;

use super::DRAFT_TIME;
use super::shape::Draft;
use crate::json::{Json, Object};
use crate::random::Random;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "GET"];
const PATHS: [&str; 8] =
    ["basket", "checkout", "orders", "wishlist", "returns", "vouchers", "profile", "delivery"];
const USER_AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "okhttp/4.12.0",
    "ShopApp/7.3 (Android 15)",
    "python-requests/2.32.3",
];
const TENANTS: [&str; 12] = [
    "acme", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbor", "iris", "juniper",
    "kelp", "lumen",
];
const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "ap-southeast-2"];
const GOODS: [&str; 16] = [
    "apple",
    "bicycle",
    "candle",
    "desk",
    "earphones",
    "fern",
    "guitar",
    "hammock",
    "ink",
    "jacket",
    "kettle",
    "lamp",
    "mirror",
    "notebook",
    "oven",
    "pillow",
];
const TABLES: [&str; 4] = ["orders", "baskets", "reservations", "customers"];
const OPERATIONS: [&str; 4] = ["PutItem", "GetItem", "UpdateItem", "Query"];
const CONTAINERS: [&str; 8] =
    ["x2x4q", "b7kpz", "m4tq9", "zl8vd", "5hwrn", "c9fgs", "t6jxk", "qd3mb"];
const QUERIES: [&str; 4] = [
    "select * from charges where order_id = ?",
    "insert into charges (id, order_id, amount, currency) values (?, ?, ?, ?)",
    "update charges set captured_at = now() where id = ?",
    "select balance from accounts where customer = ? for update",
];

/// Drafts of requests, each of one trace with three segments.
pub(super) fn requests(seed: u64, count: usize) -> impl Iterator<Item = Vec<Draft>> {
    let mut random = Random::from_seed(seed);
    (0..count).map(move |_| Trace::new(&mut random).documents())
}

/// What runs through the three segments of a trace.
struct Trace<'a> {
    random: &'a mut Random,
    trace_id: String,
    order_id: String,
    customer: u32,
    tenant: &'static str,
    region: &'static str,
    method: &'static str,
    path: &'static str,
    status: u16,
}

impl<'a> Trace<'a> {
    fn new(random: &'a mut Random) -> Self {
        let status = match random.between(1, 100) {
            1 => 500,
            2 | 3 => 404,
            4 => 429,
            5..=20 => 201,
            _ => 200,
        };
        Self {
            trace_id: random.trace_id(DRAFT_TIME).to_string(),
            order_id: uuid(random),
            customer: six_digits(random),
            tenant: random.pick(&TENANTS),
            region: random.pick(&REGIONS),
            method: random.pick(&METHODS),
            path: random.pick(&PATHS),
            status,
            random,
        }
    }

    fn documents(mut self) -> Vec<Draft> {
        let [storefront, to_orders, orders, to_table, to_payments, payments, query] =
            std::array::from_fn(|_| self.random.segment_id().to_string());
        let millisecond = Micros::new(1_000);
        // Times within each other, as calls are; every segment has its own length.
        let lengths: [i64; 4] =
            std::array::from_fn(|_| 2_000 + i64::from(self.random.between(0, 60_000)));
        let [before, table, inner, after] = lengths.map(Micros::new);
        let begin = DRAFT_TIME;
        let called = begin.plus(before);
        let entered = called.plus(millisecond);
        let table_done = entered.plus(table);
        let charged = table_done.plus(millisecond);
        let charged_done = charged.plus(millisecond).plus(inner);
        let left = charged_done.plus(millisecond);
        let returned = left.plus(after);
        let end = returned.plus(millisecond);
        let time = |at: roentgen_model::Timestamp| Json::Number(at.as_seconds());

        let call_orders = self.http_call("orders", &to_orders, time(called), time(returned));
        let first = self
            .segment("storefront", &storefront, None, time(begin), time(end))
            .with("user", format!("customer-{}", self.customer))
            .with_all(self.facts("storefront"))
            .with("subsegments", vec![call_orders.into()]);
        let call_table = self.table_call(&to_table, time(entered), time(table_done));
        let call_payments = self.http_call("payments", &to_payments, time(charged), time(left));
        let second = self
            .segment("orders", &orders, Some(&to_orders), time(entered), time(left))
            .with_all(self.facts("orders"))
            .with("subsegments", vec![call_table.into(), call_payments.into()]);
        let call_database = self.query(&query, time(charged), time(charged_done));
        let third = self
            .segment("payments", &payments, Some(&to_payments), time(charged), time(charged_done))
            .with_all(self.facts("payments"))
            .with("subsegments", vec![call_database.into()]);
        [third, second, first].map(|document| Draft::from(document.write(false))).into()
    }

    fn segment(
        &mut self,
        service: &str,
        id: &str,
        parent_id: Option<&str>,
        start: Json,
        end: Json,
    ) -> Object {
        let request = Object::new()
            .with("method", self.method)
            .with("url", format!("https://{service}.shop.example/{}/{}", self.path, self.customer))
            .with_some("user_agent", parent_id.is_none().then(|| self.random.pick(&USER_AGENTS)))
            .with_some("client_ip", parent_id.is_none().then(|| self.client_ip()));
        let response = Object::new()
            .with("status", self.status)
            .with("content_length", six_digits(self.random));
        Object::new()
            .with("name", service)
            .with("id", id)
            .with("trace_id", self.trace_id.as_str())
            .with_some("parent_id", parent_id)
            .with("start_time", start)
            .with("end_time", end)
            .with("origin", "AWS::ECS::Container")
            .with("http", Object::new().with("request", request).with("response", response))
            .with_flag("error", (400..500).contains(&self.status))
            .with_flag("throttle", self.status == 429)
            .with_flag("fault", self.status >= 500)
    }

    fn client_ip(&mut self) -> String {
        format!("203.0.113.{}", self.random.between(1, 254))
    }

    fn facts(&mut self, service: &str) -> Object {
        let random = &mut *self.random;
        let container = format!("{service}-7d9f6c5b8-{}", random.pick(&CONTAINERS));
        let aws = Object::new().with("ecs", Object::new().with("container", container));
        let basket: Json = (0..random.between(1, 3)).map(|_| random.pick(&GOODS).into()).collect();
        let annotations = Object::new()
            .with("order_id", self.order_id.as_str())
            .with("tenant", self.tenant)
            .with("items", random.between(1, 12));
        let metadata = Object::new()
            .with("basket", basket)
            .with("request_id", uuid(random))
            .with("amount", six_digits(random));
        Object::new()
            .with("aws", aws)
            .with("annotations", annotations)
            .with("metadata", Object::new().with("default", metadata))
    }

    fn http_call(&mut self, callee: &str, id: &str, start: Json, end: Json) -> Object {
        let url = format!("https://{callee}.shop.example/{}/{}", self.path, self.customer);
        let request = Object::new().with("method", self.method).with("url", url);
        let response = Object::new().with("status", self.status);
        Object::new()
            .with("name", format!("{callee}.shop.example"))
            .with("id", id)
            .with("start_time", start)
            .with("end_time", end)
            .with("namespace", "remote")
            .with("http", Object::new().with("request", request).with("response", response))
    }

    fn table_call(&mut self, id: &str, start: Json, end: Json) -> Object {
        let aws = Object::new()
            .with("operation", self.random.pick(&OPERATIONS))
            .with("table_name", self.random.pick(&TABLES))
            .with("region", self.region)
            .with("request_id", uuid(self.random))
            .with("retries", self.random.between(0, 1));
        Object::new()
            .with("name", "DynamoDB")
            .with("id", id)
            .with("start_time", start)
            .with("end_time", end)
            .with("namespace", "aws")
            .with("aws", aws)
    }

    fn query(&mut self, id: &str, start: Json, end: Json) -> Object {
        let sql = Object::new()
            .with("url", "jdbc:postgresql://payments-db.shop.example:5432/payments")
            .with("sanitized_query", self.random.pick(&QUERIES));
        Object::new()
            .with("name", "payments@payments-db.shop.example")
            .with("id", id)
            .with("start_time", start)
            .with("end_time", end)
            .with("namespace", "remote")
            .with("sql", sql)
    }
}

fn uuid(random: &mut Random) -> String {
    [8, 4, 4, 4, 12].map(|digits| random.hex(digits)).join("-")
}

fn six_digits(random: &mut Random) -> u32 {
    random.between(100_000, 999_999)
}
