//! What clients report about a rule, and how it is checked.

use std::ops::AddAssign;

use crate::rule_error::echo;
use crate::time::EpochMicros;

/// Most documents of each kind in one call of GetSamplingTargets (API model).
pub const MAX_STATISTICS_DOCUMENTS: usize = 25;

/// Statistics older than this are refused. The service documents such a refusal without a figure;
/// five minutes is how long a quota lives, so nothing older can tell of a quota still in use.
pub const MAX_DOCUMENT_AGE_SECONDS: u64 = 300;

/// Timestamps from here on are milliseconds: the Java SDKs send those although the API asks for
/// seconds. As seconds this is the year 5138, as milliseconds March 1973.
const FIRST_MILLISECOND_TIMESTAMP: f64 = 1e11;

/// Statistics of one client about one rule since its last report, as sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatisticsDocument {
    /// `RuleName`.
    pub rule_name: String,
    /// `ClientID`, 24 hexadecimal digits in either case.
    pub client_id: String,
    /// `Timestamp`, epoch seconds or, from Java, milliseconds.
    pub timestamp: f64,
    /// `RequestCount`: requests that matched the rule.
    pub request_count: i64,
    /// `SampledCount`: those of them that were sampled.
    pub sampled_count: i64,
    /// `BorrowCount`: those of the sampled that were borrowed; optional on the wire.
    pub borrow_count: Option<i64>,
}

/// Statistics for adaptive sampling, as sent. Accepted, and always answered as unprocessed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoostStatisticsDocument {
    /// `RuleName`.
    pub rule_name: String,
    /// `ServiceName`: the service that saw the anomalies.
    pub service_name: String,
    /// `Timestamp`, epoch seconds or milliseconds.
    pub timestamp: f64,
    /// `AnomalyCount`.
    pub anomaly_count: i64,
    /// `TotalCount`.
    pub total_count: i64,
    /// `SampledAnomalyCount`.
    pub sampled_anomaly_count: i64,
}

/// A document that was not processed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnprocessedStatistics {
    /// The rule the document named, shortened when long.
    pub rule_name: String,
    /// A status as text. SDKs fetch the rules anew when it starts with `4`.
    pub error_code: String,
    /// The reason, for people.
    pub message: String,
}

/// Requests of one rule over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that matched the rule.
    pub requests: u64,
    /// Requests that were sampled, whichever way.
    pub sampled: u64,
    /// Requests sampled before a quota was known.
    pub borrowed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        // Counts come from outside, so a sum may be anything but must not panic.
        self.requests = self.requests.saturating_add(other.requests);
        self.sampled = self.sampled.saturating_add(other.sampled);
        self.borrowed = self.borrowed.saturating_add(other.borrowed);
    }
}

/// Identity of one client process: 96 random bits, written as 24 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; 12]);

impl ClientId {
    /// The id in this text; `None` unless it is 24 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 24 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u128::from_str_radix(text, 16).ok()?;
        let [_, _, _, _, id @ ..] = value.to_be_bytes();
        Some(Self(id))
    }
}

/// A statistics document whose values make sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) client_id: ClientId,
    /// When the client made the report; never later than now.
    pub(crate) at: EpochMicros,
    pub(crate) counts: Counts,
}

impl StatisticsDocument {
    /// The report in this document.
    ///
    /// # Errors
    /// The reason, for people, when the document makes no sense or is too old. A timestamp ahead of
    /// `now` is only a clock ahead of ours and counts as now.
    pub(crate) fn check(&self, now: EpochMicros) -> Result<Report, String> {
        let client_id = ClientId::parse(&self.client_id).ok_or_else(|| {
            format!("ClientID {:?} is not 24 hexadecimal digits", echo(&self.client_id))
        })?;
        let count = |name: &str, value: i64| {
            u64::try_from(value).map_err(|_| format!("{name} {value} is negative"))
        };
        let counts = Counts {
            requests: count("RequestCount", self.request_count)?,
            sampled: count("SampledCount", self.sampled_count)?,
            borrowed: count("BorrowCount", self.borrow_count.unwrap_or(0))?,
        };
        let at = moment(self.timestamp)
            .ok_or_else(|| format!("Timestamp {} is not a time", self.timestamp))?
            .min(now);
        if now.seconds_since(at) > MAX_DOCUMENT_AGE_SECONDS {
            return Err(format!(
                "Timestamp {} is more than {MAX_DOCUMENT_AGE_SECONDS} seconds old",
                self.timestamp
            ));
        }
        Ok(Report { client_id, at, counts })
    }
}

/// The moment a timestamp of the wire means.
fn moment(timestamp: f64) -> Option<EpochMicros> {
    if !timestamp.is_finite() || timestamp < 0.0 {
        return None;
    }
    let micros_per_unit =
        if timestamp >= FIRST_MILLISECOND_TIMESTAMP { 1_000.0 } else { 1_000_000.0 };
    let micros = timestamp * micros_per_unit;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a float too large becomes the largest integer"
    )]
    Some(EpochMicros(micros as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMicros = EpochMicros::from_seconds(1_795_335_000);

    fn document() -> StatisticsDocument {
        StatisticsDocument {
            rule_name: "Default".to_owned(),
            client_id: "0123456789abcdef01234567".to_owned(),
            timestamp: 1_795_334_990.0,
            request_count: 10,
            sampled_count: 2,
            borrow_count: Some(1),
        }
    }

    #[test]
    fn client_ids() {
        let check = |text: &str, expect: bool| {
            assert_eq!(ClientId::parse(text).is_some(), expect, "{text:?}");
        };
        check("0123456789abcdef01234567", true);
        check("0123456789ABCDEF01234567", true);
        check("", false);
        check("0123456789abcdef0123456", false);
        check("0123456789abcdef012345678", false);
        check("+123456789abcdef01234567", false);
        check("0123456789abcdef0123456g", false);
        check("éééééééééééé", false);
        let upper = ClientId::parse("ABCDEF6789ABCDEF01234567");
        assert_eq!(upper, ClientId::parse("abcdef6789abcdef01234567"));
    }

    #[test]
    fn seconds_fractions_and_milliseconds() {
        let check = |timestamp: f64, expect: u64| {
            let report = StatisticsDocument { timestamp, ..document() }.check(NOW).unwrap();
            assert_eq!(report.at, EpochMicros(expect), "{timestamp}");
        };
        check(1_795_334_990.0, 1_795_334_990_000_000);
        check(1_795_334_990.5, 1_795_334_990_500_000);
        check(1_795_334_990_500.0, 1_795_334_990_500_000);
        // Ahead of our clock: now.
        check(1_795_335_007.0, NOW.0);
        check(f64::MAX, NOW.0);
    }

    #[test]
    fn counts_as_sent() {
        let counts = document().check(NOW).unwrap().counts;
        assert_eq!(counts, Counts { requests: 10, sampled: 2, borrowed: 1 });
        let without = StatisticsDocument { borrow_count: None, ..document() };
        assert_eq!(without.check(NOW).unwrap().counts.borrowed, 0);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let check = |change: &dyn Fn(&mut StatisticsDocument), expect: &str| {
            let mut document = document();
            change(&mut document);
            assert_eq!(document.check(NOW).unwrap_err(), expect);
        };
        check(
            &|document| document.client_id = "client".to_owned(),
            "ClientID \"client\" is not 24 hexadecimal digits",
        );
        check(&|document| document.request_count = -1, "RequestCount -1 is negative");
        check(&|document| document.sampled_count = -2, "SampledCount -2 is negative");
        check(&|document| document.borrow_count = Some(i64::MIN), {
            "BorrowCount -9223372036854775808 is negative"
        });
        check(&|document| document.timestamp = f64::NAN, "Timestamp NaN is not a time");
        check(&|document| document.timestamp = -1.0, "Timestamp -1 is not a time");
        check(&|document| document.timestamp = 1_795_334_699.0, {
            "Timestamp 1795334699 is more than 300 seconds old"
        });
        let oldest = StatisticsDocument { timestamp: 1_795_334_700.0, ..document() };
        assert!(oldest.check(NOW).is_ok());
    }

    #[test]
    fn sums_do_not_overflow() {
        let most = Counts { requests: u64::MAX, sampled: u64::MAX, borrowed: u64::MAX };
        let mut sum = most;
        sum += most;
        assert_eq!(sum, most);
    }
}
