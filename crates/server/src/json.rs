//! Reading requests and writing replies as JSON, alike for both APIs.

use roentgen_protocol::{ApiError, ErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use objects::Objects;

mod objects;

/// Reads a request, which must be an object, as must be what has named members in it.
///
/// # Errors
/// [`ErrorKind::Serialization`] when it is no JSON, no object, or has a member of another type.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let request = T::deserialize(Objects(&mut deserializer));
    request.and_then(|request| deserializer.end().map(|()| request)).map_err(|error| {
        ApiError::new(ErrorKind::Serialization, format!("The request cannot be read: {error}"))
    })
}

/// Writes a reply.
///
/// # Errors
/// [`ErrorKind::InternalFailure`] when it cannot be written; the log tells why.
pub(crate) fn write<T: Serialize + ?Sized>(reply: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(reply).map_err(|error| unwritable(&error))
}

/// What the caller is told of a reply that cannot be written.
pub(crate) fn unwritable(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "a reply cannot be written as JSON");
    ApiError::new(ErrorKind::InternalFailure, "The reply cannot be written")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        name: Option<String>,
        tag: Option<Tag>,
        tags: Option<Vec<Tag>>,
        by_name: Option<BTreeMap<String, Wrapped>>,
        texts: Option<Vec<String>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Tag {
        key: String,
        share: Option<f64>,
        inner: Option<Box<Tag>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Tag);

    #[test]
    fn requests_are_objects() {
        let check = |body: &str, expect: Result<Option<&str>, &str>| match (
            read::<Request>(body.as_bytes()),
            expect,
        ) {
            (Ok(request), Ok(name)) => assert_eq!(request.name.as_deref(), name, "{body}"),
            (Err(error), Err(part)) => {
                assert_eq!(error.kind, ErrorKind::Serialization, "{body}");
                assert!(error.message.contains(part), "{}", error.message);
            }
            (outcome, _) => panic!("{body}: {outcome:?}"),
        };
        check(r#"{"name": "x", "other": 1}"#, Ok(Some("x")));
        check("{}", Ok(None));
        check(r#"["x"]"#, Err("invalid type: sequence, expected a JSON object"));
        check("[]", Err("expected a JSON object"));
        check("null", Err("expected a JSON object"));
        check(r#"{"name": null, "tag": null, "tags": []}"#, Ok(None));
        check(r#"{"tag": {"key": "k", "share": 1}, "name": "x"}"#, Ok(Some("x")));
        check(r#"{"tags": [{"key": "k"}, {"key": "l", "inner": {"key": "m"}}]}"#, Ok(None));
        check(r#"{"by_name": {"a": {"key": "k", "share": null}}, "texts": ["a", "b"]}"#, Ok(None));
        check(r#"{"other": [["x", {"y": [1]}], 1e999], "name": "x"}"#, Ok(Some("x")));
        check(r#"{"tag": ["k", 0.5]}"#, Err("invalid type: sequence, expected a JSON object"));
        check(r#"{"tag": ["k", 0.5, null]}"#, Err("expected a JSON object"));
        check(r#"{"tags": [["k", 1, null]]}"#, Err("expected a JSON object"));
        check(r#"{"tags": {"key": "k"}}"#, Err("invalid type: map, expected a sequence"));
        let nested = r#"{"tags": [{"key": "l", "inner": ["m", 1, null]}]}"#;
        check(nested, Err("invalid type: sequence, expected a JSON object"));
        check(r#"{"by_name": {"a": ["k", 1, null]}}"#, Err("expected a JSON object"));
        check(r#"{"texts": [["a"]]}"#, Err("invalid type: sequence, expected a string"));
        check(r#"{"tag": {"key": 7}}"#, Err("invalid type: integer `7`, expected a string"));
        check(r#"{"tag": {"key": "k", "share": "1"}}"#, Err("expected f64"));
        check("{} {}", Err("trailing characters"));
        check("{", Err("EOF"));
        check("", Err("EOF"));
    }
}
