//! Reading requests and writing replies as JSON, alike for both APIs.

use std::fmt;
use std::marker::PhantomData;

use roentgen_protocol::{ApiError, ErrorKind};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserializer as _, Serialize};

/// Reads a request, which must be an object.
///
/// # Errors
/// [`ErrorKind::Serialization`] when it is no JSON, no object, or has a member of another type.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let request = deserializer.deserialize_map(ObjectVisitor(PhantomData));
    request.and_then(|request| deserializer.end().map(|()| request)).map_err(|error| {
        ApiError::new(ErrorKind::Serialization, format!("The request cannot be read: {error}"))
    })
}

/// Hands an object on to a type, which by itself would also take its members from an array.
struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
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
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        name: Option<String>,
    }

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
        check("{} {}", Err("trailing characters"));
        check("{", Err("EOF"));
        check("", Err("EOF"));
    }
}
