//! The ten services of the shop and its databases.

use crate::topology::{Database, Platform, Sdk, Service};

/// All services.
pub(crate) static SERVICES: [&Service; 10] = [
    &STOREFRONT,
    &CATALOG,
    &SEARCH,
    &RECOMMENDATIONS,
    &CART,
    &CHECKOUT,
    &PAYMENT,
    &INVENTORY,
    &SHIPPING,
    &NOTIFICATIONS,
];

pub(crate) static STOREFRONT: Service = Service {
    name: "storefront-web",
    host: "shop.example",
    sdk: Sdk::Node,
    platform: Platform::ElasticBeanstalk,
    version: "5.14.2",
    instances: 3,
};

pub(crate) static CATALOG: Service = Service {
    name: "catalog",
    host: "catalog.shop.internal",
    sdk: Sdk::Java,
    platform: Platform::EcsContainer,
    version: "3.8.0",
    instances: 3,
};

pub(crate) static SEARCH: Service = Service {
    name: "search",
    host: "search.shop.internal",
    sdk: Sdk::Python,
    platform: Platform::Ec2,
    version: "1.22.4",
    instances: 2,
};

pub(crate) static RECOMMENDATIONS: Service = Service {
    name: "recommendations",
    host: "recommendations.shop.internal",
    sdk: Sdk::Python,
    platform: Platform::EcsContainer,
    version: "0.9.7",
    instances: 2,
};

pub(crate) static CART: Service = Service {
    name: "cart",
    host: "cart.shop.internal",
    sdk: Sdk::Node,
    platform: Platform::EcsContainer,
    version: "2.3.1",
    instances: 2,
};

pub(crate) static CHECKOUT: Service = Service {
    name: "checkout",
    host: "checkout.shop.internal",
    sdk: Sdk::Java,
    platform: Platform::Eks,
    version: "4.0.6",
    instances: 2,
};

pub(crate) static PAYMENT: Service = Service {
    name: "payment",
    host: "payment.shop.internal",
    sdk: Sdk::Python,
    platform: Platform::EcsFargate,
    version: "2.11.0",
    instances: 2,
};

pub(crate) static INVENTORY: Service = Service {
    name: "inventory",
    host: "inventory.shop.internal",
    sdk: Sdk::Node,
    platform: Platform::Ec2,
    version: "1.7.3",
    instances: 2,
};

pub(crate) static SHIPPING: Service = Service {
    name: "shipping",
    host: "shipping.shop.internal",
    sdk: Sdk::Python,
    platform: Platform::Lambda,
    version: "17",
    instances: 2,
};

pub(crate) static NOTIFICATIONS: Service = Service {
    name: "notifications",
    host: "notifications.shop.internal",
    sdk: Sdk::Node,
    platform: Platform::Lambda,
    version: "42",
    instances: 2,
};

pub(crate) static CATALOG_DATABASE: Database = Database {
    name: "catalog",
    host: "catalog-db.shop.internal",
    user: "catalog_rw",
    version: "16.4",
};

pub(crate) static ORDERS_DATABASE: Database =
    Database { name: "orders", host: "orders-db.shop.internal", user: "checkout", version: "15.8" };
