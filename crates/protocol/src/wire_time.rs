//! Times on the wire: JSON numbers of epoch seconds.

use std::fmt;

use roentgen_model::Timestamp;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time as every timestamp of the API is written: epoch seconds as a JSON number, with or
/// without a fraction or an exponent. (The API model declares no other format, and the Go SDK
/// fails on strings.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireTime(pub Timestamp);

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_seconds())
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = WireTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as a number of epoch seconds between 1970 and 9999")
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<WireTime, E> {
        Timestamp::from_seconds(seconds)
            .map(WireTime)
            .ok_or_else(|| E::invalid_value(Unexpected::Float(seconds), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<WireTime, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<WireTime, E> {
        self.visit_f64(seconds as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_spelling_are_read() {
        let check = |json: &str, expect: Option<i64>| {
            let got = serde_json::from_str::<WireTime>(json).ok();
            assert_eq!(got.map(|time| time.0.as_micros()), expect, "{json}");
        };
        check("1735689600", Some(1_735_689_600_000_000));
        check("1735689600.5", Some(1_735_689_600_500_000));
        check("1.7356896E9", Some(1_735_689_600_000_000));
        check("0", Some(0));
        check("-1", None);
        check("1735689600000", None); // Milliseconds.
        check("\"2025-01-01T00:00:00Z\"", None);
        check("true", None);
    }

    #[test]
    fn refusals_say_what_is_expected() {
        let error = serde_json::from_str::<WireTime>("\"2025-01-01T00:00:00Z\"").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid type: string \"2025-01-01T00:00:00Z\", expected a time as a number of epoch \
             seconds between 1970 and 9999 at line 1 column 22"
        );
    }

    #[test]
    fn times_are_written_as_numbers() {
        let time = WireTime(Timestamp::from_micros(1_735_689_600_500_000));
        assert_eq!(serde_json::to_string(&time).unwrap(), "1735689600.5");
    }
}
