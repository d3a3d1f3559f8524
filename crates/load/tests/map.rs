//! The service map that the shop gives, as the server computes it.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};

use roentgen_load::Shop;
use roentgen_model::{Document, Names, ServiceGraph, Timestamp, Trace, TraceId, assemble};

/// As many as `Settings::new` sends at once when a run begins.
const REQUESTS: i64 = 400;

fn traces() -> Vec<Trace<'static>> {
    let mut shop = Shop::new(20);
    let mut documents: BTreeMap<TraceId, Vec<Document<'_>>> = BTreeMap::new();
    for number in 0..REQUESTS {
        let at = Timestamp::from_micros((1_795_334_983 + number) * 1_000_000);
        for document in shop.request(at) {
            let document = Document::parse(document.json.as_bytes()).unwrap().into_owned();
            documents.entry(document.trace_id).or_default().push(document);
        }
    }
    let mut names = Names::default();
    let traces = documents.into_iter();
    traces.map(|(id, documents)| assemble(id, documents, &mut names).unwrap()).collect()
}

#[test]
fn traces_are_whole() {
    for trace in traces() {
        assert!(!trace.summary.is_partial, "{}", trace.id);
    }
}

/// What a newcomer sees at once: ten services, two of them functions, and all that they call.
#[test]
fn the_history_of_a_start_fills_the_map() {
    let mut graph = ServiceGraph::default();
    for trace in traces() {
        graph.add(&trace.graph);
    }
    let nodes: BTreeSet<(&str, &str)> =
        graph.nodes.keys().map(|node| (&*node.name, node.kind.as_deref().unwrap_or(""))).collect();
    let expect = [
        ("storefront-web", "client"),
        ("storefront-web", "AWS::ElasticBeanstalk::Environment"),
        ("catalog", "AWS::ECS::Container"),
        ("search", "AWS::EC2::Instance"),
        ("recommendations", "AWS::ECS::Container"),
        ("cart", "AWS::ECS::Container"),
        ("checkout", "AWS::EKS::Container"),
        ("payment", "AWS::ECS::Fargate"),
        ("inventory", "AWS::EC2::Instance"),
        ("shipping", "AWS::Lambda"),
        ("shipping", "AWS::Lambda::Function"),
        ("notifications", "AWS::Lambda"),
        ("notifications", "AWS::Lambda::Function"),
        ("SNS", "AWS::SNS"),
        ("order-fulfilment", "AWS::SQS::Queue"),
        ("catalog@catalog-db.shop.internal", "Database::SQL"),
        ("orders@orders-db.shop.internal", "Database::SQL"),
        ("cart-cache", "remote"),
        ("catalog-cache", "remote"),
        ("api.carrier.example", "remote"),
        ("api.payments.example", "remote"),
        ("products.search-cluster.example", "remote"),
        ("push.notify.example", "remote"),
        ("payment-ledger", "AWS::DynamoDB::Table"),
        ("recommendations", "AWS::DynamoDB::Table"),
        ("search-features", "AWS::DynamoDB::Table"),
        ("shipments", "AWS::DynamoDB::Table"),
        ("shop-carts", "AWS::DynamoDB::Table"),
        ("shop-sessions", "AWS::DynamoDB::Table"),
        ("shop-stock", "AWS::DynamoDB::Table"),
        ("mail-templates", "AWS::S3::Bucket"),
        ("shipping-labels", "AWS::S3::Bucket"),
        ("shop-media", "AWS::S3::Bucket"),
        ("shop-models", "AWS::S3::Bucket"),
    ];
    let missing: Vec<_> = expect.iter().filter(|node| !nodes.contains(*node)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {nodes:?}");
    let services: BTreeSet<&str> = Shop::service_names().collect();
    assert_eq!(services.len(), 10);
    assert!(services.iter().all(|service| nodes.iter().any(|(name, _)| name == service)));
    assert!(graph.edges.len() >= 35, "{} edges", graph.edges.len());
}
