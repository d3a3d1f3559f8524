//! What the shop's services do for each kind of request, and how often each kind comes.

use super::failures as failing;
use super::services::{
    CART, CATALOG, CATALOG_DATABASE, CHECKOUT, INVENTORY, NOTIFICATIONS, ORDERS_DATABASE, PAYMENT,
    RECOMMENDATIONS, SEARCH, SHIPPING, STOREFRONT,
};
use crate::topology::{Annotated, Api, Call, Latency, Operation, Step};

/// What people ask of the shop, with relative weights.
pub(crate) static REQUEST_KINDS: [(u32, &Operation); 10] = [
    (200, &HOME),
    (240, &BROWSE),
    (180, &PRODUCT),
    (150, &SEARCH_PAGE),
    (80, &ADD_TO_CART),
    (50, &VIEW_CART),
    (60, &CHECK_OUT),
    (30, &SIGN_IN),
    (60, &HEALTH),
    (4, &IMPORT),
];

static HOME: Operation = Operation {
    steps: &[
        Step::InParallel(&[
            Step::Call(Call::service(&CATALOG_FEATURED)),
            Step::Call(Call::service(&RECOMMENDED_FOR_USER).tolerated()),
        ]),
        Step::Work("render home", Latency::of(6.0, 0.3), &[]),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn],
    ..Operation::new(&STOREFRONT, "GET", "/")
};

static BROWSE: Operation = Operation {
    refusals: &[(0.02, 404)],
    steps: &[
        Step::Call(Call::service(&CATALOG_LIST)),
        Step::Sometimes(0.35, &[Step::Call(Call::service(&STOCK_LEVEL).tolerated())]),
        Step::Work("render category", Latency::of(7.0, 0.3), &[]),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn, Annotated::Category],
    ..Operation::new(&STOREFRONT, "GET", "/categories/{category}")
};

static PRODUCT: Operation = Operation {
    steps: &[
        Step::InParallel(&[
            Step::Call(Call::service(&CATALOG_PRODUCT)),
            Step::Call(Call::service(&STOCK_LEVEL).tolerated()),
            Step::Call(Call::service(&RECOMMENDED_FOR_USER).tolerated()),
        ]),
        Step::Work(
            "render product",
            Latency::of(8.0, 0.3),
            &[Step::Throws(0.005, &failing::TEMPLATE_ERROR)],
        ),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn, Annotated::Product],
    ..Operation::new(&STOREFRONT, "GET", "/products/{product}")
};

static SEARCH_PAGE: Operation = Operation {
    steps: &[
        Step::Call(Call::service(&SEARCH_QUERY)),
        Step::Work("render results", Latency::of(6.0, 0.3), &[]),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn],
    ..Operation::new(&STOREFRONT, "GET", "/search?q={query}")
};

static ADD_TO_CART: Operation = Operation {
    success: 201,
    refusals: &[(0.03, 400)],
    steps: &[
        Step::Call(Call::table("GetItem", "shop-sessions", Latency::of(4.0, 0.4))),
        Step::Call(Call::service(&CART_ADD)),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn, Annotated::Product],
    ..Operation::new(&STOREFRONT, "POST", "/cart/items")
};

static VIEW_CART: Operation = Operation {
    steps: &[
        Step::Call(Call::table("GetItem", "shop-sessions", Latency::of(4.0, 0.4))),
        Step::Call(Call::service(&CART_GET)),
        Step::Work("render cart", Latency::of(4.0, 0.3), &[]),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn, Annotated::Items],
    ..Operation::new(&STOREFRONT, "GET", "/cart")
};

static CHECK_OUT: Operation = Operation {
    success: 201,
    refusals: &[(0.02, 403)],
    steps: &[
        Step::Call(Call::table("GetItem", "shop-sessions", Latency::of(4.0, 0.4))),
        Step::Call(Call::service(&PLACE_ORDER)),
        Step::Work("render receipt", Latency::of(5.0, 0.3), &[]),
    ],
    annotations: &[Annotated::Tenant, Annotated::SignedIn, Annotated::OrderTotal],
    ..Operation::new(&STOREFRONT, "POST", "/checkout")
};

static SIGN_IN: Operation = Operation {
    steps: &[
        Step::Call(
            Call::aws(Api::Cognito, "InitiateAuth", None, Latency::of(85.0, 0.35))
                .failing(failing::SIGN_IN),
        ),
        Step::Call(Call::table("PutItem", "shop-sessions", Latency::of(6.0, 0.4))),
    ],
    annotations: &[Annotated::Tenant],
    ..Operation::new(&STOREFRONT, "POST", "/login")
};

static HEALTH: Operation =
    Operation { work: Latency::of(0.8, 0.3), ..Operation::new(&STOREFRONT, "GET", "/health") };

static IMPORT: Operation = Operation {
    success: 202,
    steps: &[Step::Call(Call::service(&CATALOG_IMPORT))],
    annotations: &[Annotated::Tenant],
    is_announced: true,
    ..Operation::new(&STOREFRONT, "POST", "/admin/import")
};

static CATALOG_FEATURED: Operation = Operation {
    steps: &[Step::Cached {
        lookup: Call::cache("catalog-cache"),
        hit: 0.85,
        otherwise: &[Step::Call(
            Call::sql(
                &CATALOG_DATABASE,
                "select id, name, price from products where featured order by rank limit ?",
                Latency::of(9.0, 0.5).with_slow(0.02, 12.0),
            )
            .failing(failing::CATALOG_READ),
        )],
    }],
    annotations: &[Annotated::CacheHit],
    ..Operation::new(&CATALOG, "GET", "/featured")
};

static CATALOG_LIST: Operation = Operation {
    steps: &[Step::Cached {
        lookup: Call::cache("catalog-cache"),
        hit: 0.7,
        otherwise: &[
            Step::Call(
                Call::sql(
                    &CATALOG_DATABASE,
                    "select id, name, price from products where category = ? order by name limit ?",
                    Latency::of(14.0, 0.6).with_slow(0.03, 15.0),
                )
                .failing(failing::CATALOG_READ),
            ),
            Step::Work("map rows", Latency::of(1.2, 0.4), &[]),
        ],
    }],
    annotations: &[Annotated::CacheHit, Annotated::Category],
    ..Operation::new(&CATALOG, "GET", "/products?category={category}")
};

static CATALOG_PRODUCT: Operation = Operation {
    refusals: &[(0.035, 404)],
    steps: &[
        Step::Cached {
            lookup: Call::cache("catalog-cache"),
            hit: 0.6,
            otherwise: &[Step::Call(Call::sql(
                &CATALOG_DATABASE,
                "select * from products where id = ?",
                Latency::of(4.0, 0.5).with_slow(0.01, 20.0),
            ))],
        },
        Step::Work("price", Latency::of(1.0, 0.3), &[Step::Throws(0.012, &failing::NULL_PRICE)]),
        Step::Sometimes(
            0.3,
            &[Step::Call(Call::bucket("GetObject", "shop-media", Latency::of(28.0, 0.5)))],
        ),
    ],
    annotations: &[Annotated::CacheHit, Annotated::Product],
    ..Operation::new(&CATALOG, "GET", "/products/{product}")
};

static CATALOG_IMPORT: Operation = Operation {
    success: 202,
    steps: &[
        Step::Work(
            "read feed",
            Latency::of(20.0, 0.3),
            &[Step::Call(Call::bucket("GetObject", "supplier-feeds", Latency::of(90.0, 0.4)))],
        ),
        Step::Work(
            "write products",
            Latency::of(4.0, 0.3),
            &[Step::Repeated(
                110,
                160,
                &Step::Call(Call::sql(
                    &CATALOG_DATABASE,
                    "insert into products values (?, ?, ?, ?) on conflict (id) do update",
                    Latency::of(5.0, 0.4),
                )),
            )],
        ),
    ],
    is_announced: true,
    ..Operation::new(&CATALOG, "POST", "/import")
};

static SEARCH_QUERY: Operation = Operation {
    refusals: &[(0.02, 400)],
    steps: &[
        Step::Work("parse query", Latency::of(1.5, 0.4), &[]),
        Step::Call(
            Call::https(
                "POST",
                "products.search-cluster.example",
                "/products/_search",
                Latency::of(35.0, 0.55).with_slow(0.03, 10.0),
            )
            .failing(failing::SEARCHED),
        ),
        Step::Sometimes(
            0.25,
            &[Step::Work(
                "rerank",
                Latency::of(3.0, 0.4),
                &[Step::Repeated(
                    6,
                    44,
                    &Step::Call(Call::table("GetItem", "search-features", Latency::of(3.0, 0.4))),
                )],
            )],
        ),
    ],
    annotations: &[Annotated::Tenant],
    ..Operation::new(&SEARCH, "GET", "/query?q={query}")
};

static RECOMMENDED_FOR_USER: Operation = Operation {
    refusals: &[(0.02, 429)],
    steps: &[
        Step::Call(Call::table("Query", "recommendations", Latency::of(7.0, 0.5))),
        Step::Sometimes(
            0.08,
            &[Step::Call(Call::bucket("GetObject", "shop-models", Latency::of(160.0, 0.5)))],
        ),
        Step::Work(
            "score",
            Latency::of(18.0, 0.5).with_slow(0.04, 8.0),
            &[Step::Throws(0.009, &failing::SCORE_ERROR)],
        ),
    ],
    annotations: &[Annotated::Tenant],
    ..Operation::new(&RECOMMENDATIONS, "GET", "/users/{user}")
};

static CART_GET: Operation = Operation {
    steps: &[
        Step::Cached {
            lookup: Call::cache("cart-cache"),
            hit: 0.75,
            otherwise: &[Step::Call(Call::table("Query", "shop-carts", Latency::of(6.0, 0.4)))],
        },
        Step::Throws(0.006, &failing::CART_TYPE_ERROR),
    ],
    annotations: &[Annotated::CacheHit, Annotated::Items],
    records_basket: true,
    ..Operation::new(&CART, "GET", "/carts/{user}")
};

static CART_ADD: Operation = Operation {
    success: 201,
    steps: &[
        Step::Call(Call::service(&STOCK_LEVEL).tried(2)),
        Step::Call(
            Call::table("UpdateItem", "shop-carts", Latency::of(8.0, 0.4))
                .failing(failing::CART_WRITTEN)
                .tried(3),
        ),
        Step::Call(Call::cache("cart-cache")),
    ],
    annotations: &[Annotated::Items],
    ..Operation::new(&CART, "POST", "/carts/{user}/items")
};

static STOCK_LEVEL: Operation = Operation {
    steps: &[Step::Call(
        Call::table("GetItem", "shop-stock", Latency::of(4.0, 0.4).with_slow(0.01, 20.0))
            .failing(failing::STOCK_READ)
            .tried(3),
    )],
    ..Operation::new(&INVENTORY, "GET", "/stock/{product}")
};

static RESERVE_STOCK: Operation = Operation {
    success: 201,
    steps: &[Step::Call(
        Call::table("TransactWriteItems", "shop-stock", Latency::of(14.0, 0.4))
            .failing(failing::STOCK_RESERVED)
            .tried(3),
    )],
    annotations: &[Annotated::Items],
    ..Operation::new(&INVENTORY, "POST", "/reservations")
};

static PLACE_ORDER: Operation = Operation {
    success: 201,
    steps: &[
        Step::Work(
            "validate order",
            Latency::of(2.0, 0.4),
            &[Step::Call(Call::service(&CART_GET)), Step::Throws(0.008, &failing::ORDER_INVALID)],
        ),
        Step::Call(Call::service(&RESERVE_STOCK)),
        Step::Call(Call::service(&CHARGE).tried(2)),
        Step::Call(
            Call::sql(
                &ORDERS_DATABASE,
                "insert into orders (id, customer, total) values (?, ?, ?)",
                Latency::of(7.0, 0.5).with_slow(0.02, 15.0),
            )
            .failing(failing::ORDER_SAVED),
        ),
        Step::Call(Call::queue("order-fulfilment", &SHIP_ORDER)),
        Step::Call(Call::aws(
            Api::Sns,
            "Publish",
            Some(("topic_arn", "arn:aws:sns:us-east-1:123456789012:order-events")),
            Latency::of(11.0, 0.4),
        )),
        Step::Call(Call::invoke(&NOTIFY)),
    ],
    annotations: &[Annotated::Tenant, Annotated::OrderTotal, Annotated::Items],
    records_basket: true,
    ..Operation::new(&CHECKOUT, "POST", "/orders")
};

static CHARGE: Operation = Operation {
    success: 201,
    steps: &[
        Step::Sometimes(
            0.15,
            &[Step::Call(Call::aws(
                Api::SecretsManager,
                "GetSecretValue",
                None,
                Latency::of(18.0, 0.4),
            ))],
        ),
        Step::Work(
            "charge card",
            Latency::of(1.0, 0.3),
            &[Step::Call(
                Call::https(
                    "POST",
                    "api.payments.example",
                    "/v1/charges",
                    Latency::of(190.0, 0.45).with_slow(0.05, 5.0),
                )
                .failing(failing::CHARGED),
            )],
        ),
        Step::Call(Call::table("PutItem", "payment-ledger", Latency::of(7.0, 0.4))),
    ],
    annotations: &[Annotated::Tenant, Annotated::OrderTotal, Annotated::PaymentMethod],
    ..Operation::new(&PAYMENT, "POST", "/charges")
};

static SHIP_ORDER: Operation = Operation {
    work: Latency::of(4.0, 0.4),
    steps: &[
        Step::Call(
            Call::https("POST", "api.carrier.example", "/v2/labels", Latency::of(240.0, 0.5))
                .failing(failing::LABEL_BOUGHT),
        ),
        Step::Call(
            Call::bucket("PutObject", "shipping-labels", Latency::of(35.0, 0.4))
                .failing(failing::LABEL_STORED),
        ),
        Step::Call(Call::table("PutItem", "shipments", Latency::of(7.0, 0.4))),
    ],
    annotations: &[Annotated::Tenant, Annotated::Items],
    ..Operation::new(&SHIPPING, "POST", "/")
};

static NOTIFY: Operation = Operation {
    work: Latency::of(3.0, 0.4),
    steps: &[
        Step::Work(
            "render mail",
            Latency::of(12.0, 0.4),
            &[Step::Call(Call::bucket("GetObject", "mail-templates", Latency::of(24.0, 0.4)))],
        ),
        Step::Call(
            Call::aws(Api::Ses, "SendEmail", None, Latency::of(70.0, 0.4))
                .failing(failing::MAIL_SENT),
        ),
        Step::Call(
            Call::https("POST", "push.notify.example", "/send", Latency::of(55.0, 0.5))
                .failing(failing::PUSHED)
                .tolerated(),
        ),
    ],
    annotations: &[Annotated::Tenant, Annotated::OrderTotal],
    ..Operation::new(&NOTIFICATIONS, "POST", "/")
};
