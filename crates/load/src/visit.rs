//! Who asks the shop for what: the values that run through all services of one request.

use crate::json::{Json, Object};
use crate::random::Random;
use crate::topology::Annotated;

const TENANTS: [&str; 4] = ["gold", "silver", "silver", "free"];
const CATEGORIES: [&str; 8] =
    ["books", "garden", "games", "kitchen", "lamps", "music", "outdoor", "toys"];
const QUERIES: [&str; 8] =
    ["lamp", "red+chair", "tent", "espresso", "board+game", "raincoat", "usb+cable", "notebook"];
const PAYMENT_METHODS: [&str; 4] = ["card", "card", "invoice", "wallet"];
const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
     Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "ShopApp/7.3 (Android 15)",
];
/// The networks set aside for documentation (RFC 5737), so that no address is anybody's.
const CLIENT_NETWORKS: [&str; 3] = ["192.0.2", "198.51.100", "203.0.113"];

/// One request of one person.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) client_ip: String,
    pub(crate) user_agent: &'static str,
    user: u32,
    is_signed_in: bool,
    tenant: &'static str,
    product: u32,
    category: &'static str,
    query: &'static str,
    payment_method: &'static str,
    basket: Vec<BasketItem>,
}

#[derive(Clone, Copy, Debug)]
struct BasketItem {
    product: u32,
    quantity: u32,
    unit_price_cents: u32,
}

impl Visit {
    pub(crate) fn new(random: &mut Random) -> Self {
        let items = random.between(1, 6);
        Self {
            client_ip: format!("{}.{}", random.pick(&CLIENT_NETWORKS), random.between(1, 254)),
            user_agent: random.pick(&USER_AGENTS),
            user: random.between(1, 800),
            is_signed_in: random.chance(0.7),
            tenant: random.pick(&TENANTS),
            product: random.between(1, 400),
            category: random.pick(&CATEGORIES),
            query: random.pick(&QUERIES),
            payment_method: random.pick(&PAYMENT_METHODS),
            basket: (0..items)
                .map(|_| BasketItem {
                    product: random.between(1, 400),
                    quantity: random.between(1, 3),
                    unit_price_cents: random.between(250, 12_000),
                })
                .collect(),
        }
    }

    /// The end user, when signed in.
    pub(crate) fn user(&self) -> Option<String> {
        self.is_signed_in.then(|| format!("user-{}", self.user))
    }

    /// A path with the values of this visit in place of `{user}`, `{product}`, `{category}` and
    /// `{query}`.
    pub(crate) fn fill(&self, path: &str) -> String {
        path.replace("{user}", &self.user.to_string())
            .replace("{product}", &self.product.to_string())
            .replace("{category}", self.category)
            .replace("{query}", self.query)
    }

    /// The annotation with this value; none of a cache when none was asked.
    pub(crate) fn annotation(
        &self,
        annotated: Annotated,
        cache_hit: Option<bool>,
    ) -> Option<(&'static str, Json)> {
        Some(match annotated {
            Annotated::CacheHit => ("cache_hit", cache_hit?.into()),
            Annotated::Category => ("category", self.category.into()),
            Annotated::Items => {
                ("items", self.basket.iter().map(|item| item.quantity).sum::<u32>().into())
            }
            Annotated::OrderTotal => ("order_total", Json::Number(self.order_total())),
            Annotated::PaymentMethod => ("payment_method", self.payment_method.into()),
            Annotated::Product => ("product", self.product.into()),
            Annotated::SignedIn => ("signed_in", self.is_signed_in.into()),
            Annotated::Tenant => ("tenant", self.tenant.into()),
        })
    }

    /// The basket, for metadata.
    pub(crate) fn basket(&self) -> Object {
        let items: Json = self
            .basket
            .iter()
            .map(|item| {
                Object::new()
                    .with("sku", format!("P-{:04}", item.product))
                    .with("quantity", item.quantity)
                    .with("unit_price", Json::Number(f64::from(item.unit_price_cents) / 100.0))
                    .into()
            })
            .collect();
        Object::new().with("items", items).with("currency", "EUR")
    }

    fn order_total(&self) -> f64 {
        let cents: u32 = self.basket.iter().map(|item| item.quantity * item.unit_price_cents).sum();
        f64::from(cents) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_filled_in() {
        let visit = Visit { product: 12, user: 34, ..Visit::new(&mut Random::from_seed(1)) };
        assert_eq!(visit.fill("/users/{user}/products/{product}"), "/users/34/products/12");
        assert_eq!(visit.fill("/health"), "/health");
        let search = visit.fill("/search?q={query}");
        assert!(!search.contains(['{', '}', ' ']), "{search}");
    }

    #[test]
    fn the_cache_is_annotated_only_when_it_was_asked() {
        let visit = Visit::new(&mut Random::from_seed(1));
        assert!(visit.annotation(Annotated::CacheHit, None).is_none());
        assert_eq!(visit.annotation(Annotated::CacheHit, Some(true)).unwrap().0, "cache_hit");
    }
}
