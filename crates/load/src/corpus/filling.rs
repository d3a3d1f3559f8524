//! The values of one request, each a function of the corpus's seed and the request's number, and
//! the writing of them into its documents.

use roentgen_model::TraceId;

use super::spelling::{
    epoch_second, hex_8, hex_16, microseconds, milliseconds, put, scientific, six_digits, uuid,
};
use super::template::{Template, TimeStyle, Value};

/// What the times of a request are multiplied by is a number of these.
pub(crate) const PACE_UNIT: u64 = 1 << 16;

/// Most traces of one request.
pub(super) const MAX_TRACES: u64 = 256;

/// Steps between the values of one request; odd, so that they repeat after 2⁶⁴ only.
const ID_STEP: u64 = 0xd134_2543_de82_ef95;
const UUID_STEP: u64 = 0xaf25_1af3_b0f0_25b5;
const DIGITS_STEP: u64 = 0xb564_ef22_ec7a_ece5;
const TRACE_STEP: u64 = 0xf7c2_ebc0_8f67_f2b5;

/// The values of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'a> {
    /// What all values come from.
    key: u64,
    /// What the ids of traces come from: never the same for two requests of a corpus.
    trace_key: u64,
    /// When the request begins, microseconds since the epoch.
    pub(super) start: i64,
    /// What its times are multiplied by.
    pub(super) pace: u64,
    /// When its traces begin after the request does, before they are multiplied.
    traces: &'a [i64],
}

impl<'a> Filling<'a> {
    /// The values of request `number`, whose last segment ends at `end` microseconds.
    pub(super) fn new(seed: u64, number: u64, end: i64, span: i64, traces: &'a [i64]) -> Self {
        let key = scattered(scattered(seed).wrapping_add(number));
        // From once to two and a half times as long as drafted.
        let pace = PACE_UNIT + (key & 0xffff) * 3 / 2;
        let trace_key = scattered(!seed).wrapping_add(number.wrapping_mul(MAX_TRACES));
        Self { key, trace_key, start: end - scaled(span, pace), pace, traces }
    }

    /// The values of a request that takes as long as drafted.
    pub(super) fn as_drafted(start: i64, traces: &'a [i64]) -> Self {
        Self { key: 0, trace_key: 0, start, pace: PACE_UNIT, traces }
    }

    /// Appends a document.
    pub(super) fn write(&self, template: &Template, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&template.text);
        let Some(text) = out.get_mut(begin..) else { return };
        for place in &template.places {
            let at = place.at;
            match place.value {
                Value::Id(index) => put(text, at, &hex_16(self.value(index, ID_STEP))),
                Value::Time { offset, style } => {
                    let time = self.start + scaled(offset, self.pace);
                    match style {
                        TimeStyle::Microseconds => put(text, at, &microseconds(time)),
                        TimeStyle::Milliseconds => put(text, at, &milliseconds(time)),
                        TimeStyle::Scientific => put(text, at, &scientific(time)),
                    }
                }
                Value::Trace(index) => {
                    let (epoch, high, low) = self.trace(index);
                    put(text, at, b"1-");
                    put(text, at + 2, &hex_8(epoch));
                    put(text, at + 10, b"-");
                    put(text, at + 11, &hex_16(high));
                    put(text, at + 27, &hex_8(low));
                }
                Value::Uuid(index) => {
                    let high = self.value(index, UUID_STEP);
                    put(text, at, &uuid(high, scattered(high)));
                }
                Value::Digits(index) => {
                    put(text, at, &six_digits(self.value(index, DIGITS_STEP)));
                }
            }
        }
    }

    /// The id of one of the request's traces.
    pub(super) fn trace_id(&self, index: u32) -> TraceId {
        let (epoch, high, low) = self.trace(index);
        let mut bytes = [0; 16];
        put(&mut bytes, 0, &epoch.to_be_bytes());
        put(&mut bytes, 4, &high.to_be_bytes());
        put(&mut bytes, 12, &low.to_be_bytes());
        TraceId::from_bytes(bytes)
    }

    fn trace(&self, index: u32) -> (u32, u64, u32) {
        let offset = usize::try_from(index).ok().and_then(|index| self.traces.get(index));
        let begin = self.start + scaled(offset.copied().unwrap_or(0), self.pace);
        let high = scattered(self.trace_key.wrapping_add(index.into()));
        let [a, b, c, d, ..] = self.value(index, TRACE_STEP).to_be_bytes();
        (epoch_second(begin), high, u32::from_be_bytes([a, b, c, d]))
    }

    /// Value `index` of a kind; never 0, which is no id.
    fn value(&self, index: u32, step: u64) -> u64 {
        scattered(self.key.wrapping_add(step.wrapping_mul(u64::from(index) + 1))).max(1)
    }
}

/// Numbers that look random and never repeat: the finaliser of SplitMix64 is a bijection.
pub(super) const fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A length of time multiplied by a pace. Lengths are minutes, so the product is far from the end
/// of an i64.
fn scaled(micros: i64, pace: u64) -> i64 {
    micros.saturating_mul(i64::try_from(pace).unwrap_or(i64::MAX)) >> 16
}
