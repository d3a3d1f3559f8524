//! Which crate may use which: the layering of ARCHITECTURE.md, checked against `cargo metadata`.
//!
//! Data flows one way and crates depend the other way. A new arrow is a change of the design, so it
//! is made here and in ARCHITECTURE.md in the same commit.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::workspace::cargo;

/// Every crate of the workspace, lowest layer first, and the ones it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("roentgen-model", &[]),
    ("roentgen-sampling", &[]),
    ("roentgen-ops", &[]),
    ("roentgen-sigv4", &[]),
    ("roentgen-udp", &[]),
    ("roentgen-console", &[]),
    ("roentgen-filter", &["roentgen-model"]),
    ("roentgen-protocol", &["roentgen-model"]),
    ("roentgen-otlp", &["roentgen-model"]),
    ("roentgen-load", &["roentgen-model", "roentgen-protocol", "roentgen-sigv4"]),
    ("roentgen-store", &["roentgen-model", "roentgen-filter", "roentgen-ops"]),
    ("roentgen-export", &["roentgen-model", "roentgen-ops", "roentgen-store"]),
    ("roentgen-daemon", &["roentgen-protocol", "roentgen-sigv4", "roentgen-ops", "roentgen-udp"]),
    ("roentgen-sdk", &["roentgen-model", "roentgen-protocol", "roentgen-sampling"]),
    (
        "roentgen-server",
        &[
            "roentgen-console",
            "roentgen-daemon",
            "roentgen-export",
            "roentgen-filter",
            "roentgen-load",
            "roentgen-model",
            "roentgen-ops",
            "roentgen-otlp",
            "roentgen-protocol",
            "roentgen-sampling",
            "roentgen-sigv4",
            "roentgen-store",
            "roentgen-udp",
        ],
    ),
    // It sees the product from outside, so that building a task does not build the product.
    ("xtask", &[]),
];

/// Every arrow between our crates that the table does not allow.
pub(super) fn faults() -> anyhow::Result<Vec<String>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cargo metadata cannot be started")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    forbidden(&metadata)
}

fn forbidden(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in list(metadata, "packages")? {
        let name = text(package, "name")?;
        let Some((_, allowed)) = ALLOWED.iter().find(|(listed, _)| *listed == name) else {
            faults
                .push(format!("{name}: not in the table of xtask/src/tidy/arrows.rs; add its row"));
            continue;
        };
        for dependency in list(package, "dependencies")? {
            let used = text(dependency, "name")?;
            // A path marks a crate of this workspace; others come from a registry.
            let ours = dependency.get("path").is_some_and(Value::is_string);
            if ours && !allowed.contains(&used) {
                faults.push(format!("{name} -> {used}: an arrow the design does not have"));
            }
        }
    }
    Ok(faults)
}

fn list<'a>(object: &'a Value, member: &str) -> anyhow::Result<&'a Vec<Value>> {
    object.get(member).and_then(Value::as_array).with_context(|| format!("no list {member:?}"))
}

fn text<'a>(object: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    object.get(member).and_then(Value::as_str).with_context(|| format!("no text {member:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(package: &str, dependency: Value, expect: &[&str]) {
        let metadata = json!({"packages": [{"name": package, "dependencies": [dependency]}]});
        assert_eq!(forbidden(&metadata).expect("well formed"), expect);
    }

    #[test]
    fn finds_forbidden_arrows() {
        let ours = |name: &str| json!({"name": name, "path": "crates/x"});
        check("roentgen-store", ours("roentgen-model"), &[]);
        check(
            "roentgen-model",
            ours("roentgen-store"),
            &["roentgen-model -> roentgen-store: an arrow the design does not have"],
        );
        check("roentgen-model", json!({"name": "serde", "path": null}), &[]);
        check("roentgen-model", json!({"name": "serde"}), &[]);
        check(
            "roentgen-new",
            ours("roentgen-model"),
            &["roentgen-new: not in the table of xtask/src/tidy/arrows.rs; add its row"],
        );
    }

    #[test]
    fn the_table_has_no_circle() {
        // Each crate may only use crates that stand above it in the table.
        for (idx, (name, allowed)) in ALLOWED.iter().enumerate() {
            for used in *allowed {
                let position = ALLOWED.iter().position(|(listed, _)| listed == used);
                assert!(position.is_some_and(|above| above < idx), "{name} -> {used}");
            }
        }
    }
}
