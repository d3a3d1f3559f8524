//! The YAML file: flat keys, each as in the environment without `ROENTGEN_`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use roentgen_ops::{ConfigFaults, nearest_name};
use serde::Deserialize;

/// Largest file that is read; a real one has a few lines.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The values of a file as text, by key.
#[derive(Debug, Default)]
pub(super) struct FileValues {
    path: String,
    values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<String>),
    Other(serde::de::IgnoredAny),
}

impl FileValues {
    /// Reads a file, noting every fault. Keys that are `gone` are read but not suggested.
    pub(super) fn read(
        path: &Path,
        keys: &[&str],
        gone: &[&str],
        faults: &mut ConfigFaults,
    ) -> Self {
        let path_text = path.display().to_string();
        let mut values = BTreeMap::new();
        match read_yaml(path) {
            Ok(found) => {
                for (key, value) in found {
                    match check(&key, value, keys, gone) {
                        Ok(text) => {
                            values.insert(key, text);
                        }
                        Err(reason) => faults.add(path_text.clone(), reason),
                    }
                }
            }
            Err(reason) => faults.add(path_text.clone(), reason),
        }
        Self { path: path_text, values }
    }

    /// A value and the place where it stands.
    pub(super) fn value(&self, key: &str) -> Option<(String, String)> {
        let text = self.values.get(key)?;
        Some((format!("{}: {key}", self.path), text.clone()))
    }
}

fn read_yaml(path: &Path) -> Result<BTreeMap<String, Value>, String> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("{length} bytes are too many; expected a few lines"));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(BTreeMap::new());
    }
    let value: serde_json::Value =
        serde_saphyr::from_str(&text).map_err(|e| format!("not YAML: {e}"))?;
    serde_json::from_value(value)
        .map_err(|_| "expected keys and values, e.g. bind: 127.0.0.1:2000".to_owned())
}

fn check(key: &str, value: Value, keys: &[&str], gone: &[&str]) -> Result<String, String> {
    if !keys.contains(&key) && !gone.contains(&key) {
        return Err(match nearest_name(key, keys) {
            Some(near) => format!("{key} is not a known key; did you mean {near}?"),
            None => format!("{key} is not a known key; known are {}", keys.join(", ")),
        });
    }
    match value {
        Value::Integer(number) => Ok(number.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Text(text) => Ok(text),
        Value::List(items) => Ok(items.join(",")),
        Value::Other(_) => Err(format!("{key}: expected a text, a number or a list of texts")),
    }
}
