//! What goes wrong in the shop: exceptions in the languages of the services that throw them.

use crate::topology::{Exception, Failure, Latency};

const NODE_DYNAMODB: &[(&str, u32, &str)] = &[
    ("/app/node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js", 1187, "de_CommandError"),
    ("node:internal/process/task_queues", 95, "process.processTicksAndRejections"),
    ("/app/node_modules/@smithy/middleware-serde/dist-cjs/index.js", 35, "async"),
    ("/app/src/stock/table.js", 58, "async StockTable.write"),
    ("/app/src/routes/reservations.js", 31, "async reserve"),
];

pub(super) static CONDITION_FAILED: Exception = Exception::new(
    "ConditionalCheckFailedException",
    "The conditional request failed",
    &[
        ("/app/node_modules/@aws-sdk/client-dynamodb/dist-cjs/index.js", 1187, "de_CommandError"),
        ("/app/src/carts/table.js", 74, "async CartTable.addItem"),
        ("/app/src/routes/items.js", 22, "async post"),
    ],
);

pub(super) static TRANSACTION_CANCELED: Exception = Exception::new(
    "TransactionCanceledException",
    "Transaction cancelled, please refer cancellation reasons for specific reasons \
     [None, ConditionalCheckFailed]",
    NODE_DYNAMODB,
);

pub(super) static THROUGHPUT_EXCEEDED: Exception = Exception::new(
    "ProvisionedThroughputExceededException",
    "The level of configured provisioned throughput for the table was exceeded. Consider \
     increasing your provisioning level with the UpdateTable API.",
    NODE_DYNAMODB,
);

pub(super) static NOT_AUTHORIZED: Exception = Exception::new(
    "NotAuthorizedException",
    "Incorrect username or password.",
    &[
        (
            "/app/node_modules/@aws-sdk/client-cognito-identity-provider/dist-cjs/index.js",
            2210,
            "de_CommandError",
        ),
        ("/app/src/session.js", 47, "async signIn"),
        ("/app/src/routes/login.js", 18, "async post"),
    ],
);

pub(super) static CART_TYPE_ERROR: Exception = Exception::new(
    "TypeError",
    "Cannot read properties of undefined (reading 'unitPrice')",
    &[
        ("/app/src/carts/totals.js", 19, "lineTotal"),
        ("/app/src/carts/totals.js", 33, "Array.reduce"),
        ("/app/src/carts/totals.js", 33, "basketTotal"),
        ("/app/src/routes/cart.js", 41, "async get"),
    ],
);

pub(super) static NULL_PRICE: Exception = Exception::new(
    "java.lang.NullPointerException",
    "Cannot invoke \"java.math.BigDecimal.add(java.math.BigDecimal)\" because \"price\" is null",
    &[
        ("PriceList.java", 88, "example.shop.catalog.PriceList.withTax"),
        ("ProductService.java", 141, "example.shop.catalog.ProductService.describe"),
        ("ProductController.java", 37, "example.shop.catalog.ProductController.product"),
    ],
);

static LOCK_TIMEOUT: Exception = Exception::new(
    "org.postgresql.util.PSQLException",
    "ERROR: canceling statement due to lock timeout",
    &[
        (
            "QueryExecutorImpl.java",
            2733,
            "org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse",
        ),
        ("PgPreparedStatement.java", 180, "org.postgresql.jdbc.PgPreparedStatement.executeUpdate"),
        ("OrderRepository.java", 66, "example.shop.checkout.OrderRepository.insert"),
    ],
);

static ORDER_NOT_SAVED: Exception = Exception::new(
    "org.springframework.dao.CannotAcquireLockException",
    "PreparedStatementCallback; SQL [insert into orders]; ERROR: canceling statement due to lock \
     timeout",
    &[
        (
            "SQLStateSQLExceptionTranslator.java",
            131,
            "org.springframework.jdbc.support.SQLStateSQLExceptionTranslator.doTranslate",
        ),
        ("JdbcTemplate.java", 669, "org.springframework.jdbc.core.JdbcTemplate.execute"),
        ("OrderService.java", 112, "example.shop.checkout.OrderService.place"),
    ],
)
.because_of(&LOCK_TIMEOUT);

static EMPTY_BASKET: Exception = Exception::new(
    "java.lang.IllegalStateException",
    "basket is empty",
    &[
        ("Basket.java", 54, "example.shop.checkout.Basket.requireItems"),
        ("OrderService.java", 71, "example.shop.checkout.OrderService.validate"),
    ],
);

pub(super) static ORDER_INVALID: Exception = Exception::new(
    "example.shop.checkout.OrderException",
    "order could not be validated",
    &[
        ("OrderService.java", 78, "example.shop.checkout.OrderService.validate"),
        ("OrderController.java", 45, "example.shop.checkout.OrderController.place"),
    ],
)
.because_of(&EMPTY_BASKET);

static NO_CONNECTION: Exception = Exception::new(
    "org.postgresql.util.PSQLException",
    "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
    &[
        (
            "QueryExecutorImpl.java",
            2733,
            "org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse",
        ),
        ("HikariPool.java", 471, "com.zaxxer.hikari.pool.HikariPool.createPoolEntry"),
        ("ProductRepository.java", 52, "example.shop.catalog.ProductRepository.find"),
    ],
);

pub(super) static TEMPLATE_ERROR: Exception = Exception::new(
    "ReferenceError",
    "views/product.ejs:41 badge is not defined",
    &[
        ("/app/views/product.ejs", 41, "eval"),
        ("/app/node_modules/ejs/lib/ejs.js", 703, "anonymous"),
        ("/app/src/render.js", 16, "async render"),
    ],
);

pub(super) static SCORE_ERROR: Exception = Exception::new(
    "ValueError",
    "operands could not be broadcast together with shapes (64,) (48,)",
    &[
        ("scoring.py", 91, "dot"),
        ("scoring.py", 57, "score"),
        ("app.py", 44, "for_user"),
        ("bottle.py", 996, "_handle"),
    ],
);

static PROVIDER_TIMEOUT: Exception = Exception::new(
    "ReadTimeout",
    "HTTPSConnectionPool(host='api.payments.example', port=443): Read timed out. (read timeout=3.0)",
    &[
        ("adapters.py", 713, "send"),
        ("sessions.py", 703, "send"),
        ("provider.py", 62, "charge"),
        ("app.py", 39, "charge"),
    ],
);

static CARRIER_UNREACHABLE: Exception = Exception::new(
    "ConnectionError",
    "HTTPSConnectionPool(host='api.carrier.example', port=443): Max retries exceeded with url: \
     /v2/labels (Caused by NewConnectionError('Failed to establish a new connection: [Errno 111] \
     Connection refused'))",
    &[
        ("adapters.py", 700, "send"),
        ("sessions.py", 703, "send"),
        ("labels.py", 28, "buy_label"),
        ("handler.py", 17, "handler"),
    ],
);

static LABEL_ACCESS_DENIED: Exception = Exception::new(
    "ClientError",
    "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
    &[
        ("client.py", 1078, "_make_api_call"),
        ("client.py", 601, "_api_call"),
        ("labels.py", 47, "store_label"),
        ("handler.py", 21, "handler"),
    ],
);

static ADDRESS_REJECTED: Exception = Exception::new(
    "MessageRejected",
    "Email address is not verified. The following identities failed the check in region US-EAST-1",
    &[
        ("/var/task/node_modules/@aws-sdk/client-ses/dist-cjs/index.js", 1804, "de_CommandError"),
        ("/var/task/src/mail.js", 26, "async send"),
        ("/var/task/index.js", 12, "async handler"),
    ],
);

pub(super) static CATALOG_READ: &[Failure] =
    &[Failure::thrown(0.02, None, &NO_CONNECTION, 500).after(Latency::of(1_000.0, 0.01))];

pub(super) static STOCK_READ: &[Failure] =
    &[Failure::thrown(0.006, Some(400), &THROUGHPUT_EXCEEDED, 503)
        .throttled()
        .after(Latency::of(420.0, 0.3))];

pub(super) static STOCK_RESERVED: &[Failure] = &[
    Failure::thrown(0.03, Some(400), &TRANSACTION_CANCELED, 409),
    Failure::thrown(0.02, Some(400), &THROUGHPUT_EXCEEDED, 429)
        .throttled()
        .after(Latency::of(650.0, 0.3)),
];

pub(super) static CART_WRITTEN: &[Failure] =
    &[Failure::thrown(0.012, Some(400), &CONDITION_FAILED, 409)];

pub(super) static SIGN_IN: &[Failure] = &[Failure::thrown(0.09, Some(400), &NOT_AUTHORIZED, 401)];

pub(super) static CHARGED: &[Failure] = &[
    Failure::response(0.05, 402, 402),
    Failure::response(0.012, 503, 502),
    Failure::response(0.006, 429, 503),
    Failure::thrown(0.01, None, &PROVIDER_TIMEOUT, 504).after(Latency::of(3_000.0, 0.002)),
];

pub(super) static SEARCHED: &[Failure] = &[
    Failure::response(0.012, 429, 429).after(Latency::of(4.0, 0.3)),
    Failure::response(0.015, 503, 502).after(Latency::of(900.0, 0.3)),
];

pub(super) static ORDER_SAVED: &[Failure] =
    &[Failure::thrown(0.015, None, &ORDER_NOT_SAVED, 500).after(Latency::of(2_000.0, 0.02))];

pub(super) static LABEL_BOUGHT: &[Failure] = &[
    Failure::thrown(0.015, None, &CARRIER_UNREACHABLE, 500).after(Latency::of(60.0, 0.2)),
    Failure::response(0.01, 500, 500),
];

pub(super) static LABEL_STORED: &[Failure] =
    &[Failure::thrown(0.008, Some(403), &LABEL_ACCESS_DENIED, 500)];

pub(super) static MAIL_SENT: &[Failure] =
    &[Failure::thrown(0.02, Some(400), &ADDRESS_REJECTED, 500)];

pub(super) static PUSHED: &[Failure] = &[Failure::response(0.04, 410, 200)];
