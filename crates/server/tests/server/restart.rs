//! What outlives a process, and what a second one is told.

use std::sync::Arc;

use roentgen_ops::SystemClock;
use roentgen_server::{Config, Server};
use serde_json::json;

use crate::documents::{shop, store, trace_id};
use crate::harness::{Running, config, now};

#[test]
fn everything_is_still_there() {
    let server = Running::start();
    let start = now().floor() - 10.0;
    let id = trace_id(start, 1);
    store(&server, &[shop(&id, start)]);
    let ask = |server: &Running| {
        let range = json!({"StartTime": start, "EndTime": start + 10.0});
        [
            server.ask("/TraceSummaries", &range),
            server.ask("/ServiceGraph", &range),
            server.ask("/Traces", &json!({"TraceIds": [id]})),
            server.get(&format!("/api/v1/traces/{id}/raw")).json(),
        ]
    };
    let before = ask(&server);
    let server = server.restart();
    assert_eq!(ask(&server), before);
}

#[tokio::test]
async fn a_second_server_is_told_what_is_in_the_way() {
    let server = Running::start();
    let start = |config: Config| Server::start(&config, Arc::new(SystemClock)).unwrap_err();
    let other = tempfile::TempDir::new().unwrap();
    let same_port = Config { bind: server.address.to_string(), ..config(other.path()) };
    let message = start(same_port).to_string();
    let expect = format!("port {} of 127.0.0.1 is in use (TCP)", server.address.port());
    assert!(message.starts_with(&expect), "{message}");
    let message = start(config(server.data_dir())).to_string();
    assert!(message.contains("is in use by another process"), "{message}");
    // A runtime must not be dropped within another one.
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
