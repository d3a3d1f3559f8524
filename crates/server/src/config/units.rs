//! Times and sizes as people write them.

use std::time::Duration;

/// Parses `90s`, `15m`, `12h`, `30d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let fail = || format!("{text:?} is not a time; expected a number with a unit, e.g. 12h or 30d");
    let (number, unit) = split(text).ok_or_else(fail)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(fail()),
    };
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(fail)?;
    Ok(Duration::from_secs(seconds))
}

/// Less could not hold one full log file of use; who writes less has forgotten the unit.
const FEWEST_BYTES: u64 = 1 << 20;

/// Parses `5000000`, `500MB`, `500MiB`, `10GiB`, `1TB`; at least 1 MiB.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let fail =
        || format!("{text:?} is not a size; expected a number with a unit, e.g. 500MiB or 10GiB");
    let (number, unit) = split(text).ok_or_else(fail)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" => 1 << 10,
        "mb" => 1_000_000,
        "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return Err(fail()),
    };
    let bytes = number.checked_mul(factor).ok_or_else(fail)?;
    if bytes < FEWEST_BYTES {
        return Err(format!("{text:?} is less than 1MiB; is the unit missing, as in {number}GiB?"));
    }
    Ok(bytes)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_duration(text).ok().map(|time| time.as_secs()), expect, "{text}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check(" 12 h ", Some(43_200));
        check("30d", Some(2_592_000));
        check("0d", None);
        check("30", None);
        check("d", None);
        check("-1d", None);
        check("1w", None);
        check("99999999999999999999d", None);
        check("999999999999999999d", None);
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_bytes(text).ok(), expect, "{text}");
        };
        check("5000000", Some(5_000_000));
        check("500MB", Some(500_000_000));
        check("500 MiB", Some(524_288_000));
        check("10gib", Some(10_737_418_240));
        check("0", None);
        check("5", None);
        check("1048575", None);
        check("GiB", None);
        check("1.5GiB", None);
        check("99999999TiB", None);
    }
}
