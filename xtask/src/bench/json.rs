//! Members of JSON objects by their names.

use anyhow::Context as _;
use serde_json::Value;

/// A member; null where there is none.
pub(super) fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

/// A member that is a text; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    member(object, name).as_str().unwrap_or_default()
}

/// A member that must be a list.
pub(super) fn list<'a>(object: &'a Value, name: &str) -> anyhow::Result<&'a Vec<Value>> {
    member(object, name).as_array().with_context(|| format!("no list {name:?}"))
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}
