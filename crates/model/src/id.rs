//! The two identifiers of X-Ray: trace ids and segment ids.

use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither `1-<8 hex>-<24 hex>` nor 32 hex digits.
    #[error("{0:?} is not a trace id; expected 1-<8 hex>-<24 hex> or 32 hex digits")]
    TraceId(String),
    /// Not 16 hex digits.
    #[error("{0:?} is not a segment id; expected 16 hex digits")]
    SegmentId(String),
}

/// A trace id: 128 bits, written `1-<8 hex>-<24 hex>`.
///
/// In ids made by X-Ray SDKs the first 32 bits are the epoch second at which the trace began; in
/// ids that come from W3C trace context they are random, and nothing may rely on them
/// (PutTraceSegments API text: since October 2023 neither required nor validated).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The id that the Python and Go SDKs give to every request they do not sample.
    pub const NOOP: TraceId = TraceId([0; 16]);

    /// The id with these 128 bits, the epoch part first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 128 bits, the epoch part first.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The first 32 bits: epoch seconds if an X-Ray SDK made the id, else random.
    pub const fn epoch_seconds(self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The same id as 32 lower-case hex digits, the form of W3C trace context.
    pub fn to_w3c(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses `1-<8 hex>-<24 hex>` only, the form that segment documents must use.
    pub fn parse_xray(text: &str) -> Result<Self, IdError> {
        let fail = || IdError::TraceId(text.chars().take(64).collect());
        let bytes = text.as_bytes();
        let (Some(b"1-"), Some(epoch), Some(b"-"), Some(unique), 35) =
            (bytes.get(..2), bytes.get(2..10), bytes.get(10..11), bytes.get(11..), bytes.len())
        else {
            return Err(fail());
        };
        let mut id = [0; 16];
        let digits = epoch.iter().chain(unique);
        decode_hex(digits, &mut id).ok_or_else(fail)?;
        Ok(Self(id))
    }
}

impl FromStr for TraceId {
    type Err = IdError;

    /// Parses the X-Ray form or 32 hex digits (W3C).
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 32 {
            return Self::parse_xray(text);
        }
        let mut id = [0; 16];
        decode_hex(text.as_bytes().iter(), &mut id)
            .ok_or_else(|| IdError::TraceId(text.to_owned()))?;
        Ok(Self(id))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1-")?;
        for (index, byte) in self.0.iter().enumerate() {
            if index == 4 {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a segment or subsegment: 64 bits, written as 16 hex digits; unique within a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u64);

impl SegmentId {
    /// The id with these 64 bits.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits.
    pub const fn to_u64(self) -> u64 {
        self.0
    }
}

impl FromStr for SegmentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fail = || IdError::SegmentId(text.chars().take(64).collect());
        let mut id = [0; 8];
        if text.len() != 16 {
            return Err(fail());
        }
        decode_hex(text.as_bytes().iter(), &mut id).ok_or_else(fail)?;
        Ok(Self(u64::from_be_bytes(id)))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a hex digit of either case stands for; 16 for what is none. (A table, since the digits of
/// ids are random: branches would be guessed wrong.)
#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which refuses to panic")]
const HEX: [u8; 256] = {
    let mut digits = [16; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Fills `out` from hex digits of either case; `None` when a digit is wrong or their number is.
fn decode_hex<'a>(mut digits: impl Iterator<Item = &'a u8>, out: &mut [u8]) -> Option<()> {
    let mut wrong = 0;
    for byte in out.iter_mut() {
        let high = HEX.get(usize::from(*digits.next()?))?;
        let low = HEX.get(usize::from(*digits.next()?))?;
        wrong |= (high | low) & 16;
        *byte = high << 4 | low & 15;
    }
    (wrong == 0 && digits.next().is_none()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_parse_in_both_forms_and_print_in_xrays() {
        let check = |text: &str, expect: Option<&str>| {
            let got = text.parse::<TraceId>().ok().map(|id| id.to_string());
            assert_eq!(got.as_deref(), expect, "{text}");
        };
        let id = "1-581cf771-a006649127e371903a2de979";
        check(id, Some(id));
        check("1-581CF771-A006649127E371903A2DE979", Some(id));
        check("581cf771a006649127e371903a2de979", Some(id));
        check("2-581cf771-a006649127e371903a2de979", None);
        check("1-581cf771-a006649127e371903a2de97", None);
        check("1-581cf771-a006649127e371903a2de9790", None);
        check("1-581cf77-1a006649127e371903a2de979", None);
        check("1-581cf771-a006649127e371903a2de97g", None);
        check("1-581cf771-a006649127e371903a2de97é", None);
        check("", None);
    }

    #[test]
    fn documents_must_use_the_xray_form() {
        assert!(TraceId::parse_xray("581cf771a006649127e371903a2de979").is_err());
    }

    #[test]
    fn trace_ids_tell_their_epoch() {
        let id: TraceId = "1-581cf771-a006649127e371903a2de979".parse().unwrap();
        assert_eq!(id.epoch_seconds(), 0x581c_f771);
        assert_eq!(id.to_w3c(), "581cf771a006649127e371903a2de979");
        assert_eq!(TraceId::from_bytes(id.to_bytes()), id);
    }

    #[test]
    fn segment_ids_are_sixteen_hex_digits() {
        let check = |text: &str, ok: bool| {
            assert_eq!(text.parse::<SegmentId>().is_ok(), ok, "{text}");
        };
        check("53995c3f42cd8ad8", true);
        check("53995C3F42CD8AD8", true);
        check("53995c3f42cd8ad", false);
        check("53995c3f42cd8ad80", false);
        check("+3995c3f42cd8ad8", false);
        check("53995c3f42cd8adé", false);
        assert_eq!(
            "0000000000000a0F".parse::<SegmentId>().unwrap().to_string(),
            "0000000000000a0f"
        );
    }
}
