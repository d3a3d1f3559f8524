//! How long to let datagrams gather in the kernel before the next call.
//!
//! Being woken costs a thread ten times what a datagram costs it, so a busy receiver sleeps a little
//! between its calls instead of being woken for each datagram. How long it may is decided by the
//! worst that may come meanwhile: a burst, all of which the kernel's buffer must hold. How long it
//! does is decided by the rate: until enough of them share the cost. A receiver with little to do
//! waits for the next datagram instead.

use std::time::{Duration, Instant};

/// What the kernel counts for a datagram besides its bytes: headers and `skb_shared_info`, which lie
/// with them in a piece of memory whose size is a power of two, and the `sk_buff` itself.
const BESIDE_BYTES: usize = 384;
const SK_BUFF_BYTES: usize = 256;

/// Until others came, datagrams are taken to have this many bytes.
const USUAL_BYTES: usize = 1_024;

/// The part of the largest datagram that is forgotten with each time the buffer is empty without one
/// as large.
const FORGOTTEN_PART: usize = 16;

/// A burst that is to survive however fast it comes. If half of the buffer holds it, its speed does
/// not matter.
const BURST_DATAGRAMS: u64 = 1_000;

/// Otherwise sleeps are only as long as a burst takes to fill half of the buffer; the other half is
/// for what it still brings while the receiver wakes up and begins to read. To send a datagram of
/// 1 KB takes a thread of the same machine about this long (2.4 µs measured on an EPYC 9004).
const SENDING_MICROS: u64 = 2;

/// Timers end late by up to this much (the default slack of Linux, `prctl(2)`).
const TIMER_SLACK_MICROS: u64 = 50;

/// No sleep is longer. At 1,000 datagrams a second thirty of them then share the cost of waking up,
/// and a buffer of 8 MB still holds all that comes when the rate jumps to 100,000 meanwhile. Who
/// waits a second for a batch to fill does not notice it.
const LONGEST_MICROS: u64 = 30_000;

/// As many datagrams share the cost of waking up so well that more would not be noticed, and are
/// still in the processor's second cache when they are read. Of 910, a quarter of a buffer of 8 MB,
/// one cost no less at 40,000 a second, and they were lost sooner where others kept the processors
/// busy.
const ENOUGH: u32 = 128;

/// Fewer datagrams than this are not worth a sleep: being woken for each costs no more.
const WORTH_A_SLEEP: u32 = 2;

/// Decides between sleeping and waiting, by the rate at which datagrams come.
#[derive(Debug)]
pub struct Gathering {
    half_buffer: usize,
    /// Bytes of the largest datagram of late.
    largest: usize,
    /// When the buffer was empty the last time.
    emptied: Option<Instant>,
}

/// What to do once the buffer is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Sleep so long, then receive.
    Sleep(Duration),
    /// Wait for the next datagram.
    Wait,
}

impl Gathering {
    /// For a socket with a buffer of this size, in the kernel's count.
    pub fn new(buffer_bytes: usize) -> Self {
        Self { half_buffer: buffer_bytes / 2, largest: USUAL_BYTES, emptied: None }
    }

    /// What to do now that the buffer is empty, after so many datagrams since it last was, of which
    /// the largest had so many bytes.
    pub fn next(&mut self, count: usize, largest_bytes: usize, now: Instant) -> Next {
        // A burst of larger ones than came of late is not foreseen.
        let faded = self.largest - self.largest / FORGOTTEN_PART;
        self.largest = largest_bytes.max(faded).max(USUAL_BYTES);
        let Some(emptied) = self.emptied.replace(now) else { return Next::Wait };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let passed = now.saturating_duration_since(emptied);
        let Some(interval) = passed.checked_div(count) else { return Next::Wait };
        let sleep = self.longest().min(interval.saturating_mul(ENOUGH));
        if sleep >= interval.saturating_mul(WORTH_A_SLEEP) {
            Next::Sleep(sleep)
        } else {
            Next::Wait
        }
    }

    /// The longest sleep that the buffer stands.
    fn longest(&self) -> Duration {
        let datagrams = self.half_buffer / kernel_bytes(self.largest);
        let datagrams = u64::try_from(datagrams).unwrap_or(u64::MAX);
        Duration::from_micros(if datagrams >= BURST_DATAGRAMS {
            LONGEST_MICROS
        } else {
            (datagrams * SENDING_MICROS).saturating_sub(TIMER_SLACK_MICROS)
        })
    }
}

/// What a datagram takes of the buffer by the kernel's count (`skb->truesize`); more than that for the
/// largest, which come in pages.
fn kernel_bytes(bytes: usize) -> usize {
    bytes.saturating_add(BESIDE_BYTES).next_power_of_two().saturating_add(SK_BUFF_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_are_as_long_as_the_buffer_can_hold_a_burst() {
        let check = |buffer_bytes: usize, expect: u64| {
            assert_eq!(Gathering::new(buffer_bytes).longest(), Duration::from_micros(expect));
        };
        check(8 << 20, LONGEST_MICROS);
        check(usize::MAX, LONGEST_MICROS);
        check(2 << 20, 860);
        // What the kernel makes of its default limit, and its default.
        check(2 * 212_992, 134);
        check(212_992, 42);
        check(0, 0);
    }

    /// As measured over the loopback: a buffer of 8 MB holds 3,640 datagrams of 1 KB, 992 of 4 KB and
    /// 137 of 60,000 bytes.
    #[test]
    fn datagrams_take_what_the_kernel_counts() {
        let check = |bytes: usize, measured: usize| {
            let held = (8 << 20) / kernel_bytes(bytes);
            assert!((measured * 9 / 10..=measured).contains(&held), "{held} of {measured}");
        };
        check(1_024, 3_640);
        check(4_096, 992);
        check(60_000, 137);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn large_datagrams_shorten_sleeps_until_they_are_forgotten() {
        let check = |bytes: usize, expect: u64| {
            let mut gathering = Gathering::new(8 << 20);
            let mut now = Instant::now();
            let mut next = |bytes| {
                now += Duration::from_millis(1);
                gathering.next(10, bytes, now)
            };
            next(1_000);
            next(1_000);
            let sleep = Next::Sleep(Duration::from_micros(expect));
            let expect = if expect == 0 { Next::Wait } else { sleep };
            assert_eq!((next(bytes), next(1_000)), (expect, expect), "{bytes}");
            for _ in 0..100 {
                next(1_000);
            }
            assert_eq!(next(1_000), Next::Sleep(Duration::from_micros(12_800)), "{bytes}");
        };
        // 10 in a millisecond: 128 of them come in 12.8 ms.
        check(1_000, 12_800);
        check(1_664, 12_800);
        check(4_096, 942);
        // The 76 µs that the buffer stands are not worth a sleep.
        check(60_000, 0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn busy_receivers_sleep_and_others_wait() {
        let start = Instant::now();
        let check = |buffer_bytes: usize, rounds: &[(u64, usize, u64)]| {
            let mut gathering = Gathering::new(buffer_bytes);
            for (at_micros, count, expect) in rounds {
                let got = gathering.next(*count, 1_024, start + Duration::from_micros(*at_micros));
                let sleep = Next::Sleep(Duration::from_micros(*expect));
                let expect = if *expect == 0 { Next::Wait } else { sleep };
                assert_eq!(got, expect, "at {at_micros} with {buffer_bytes}");
            }
        };
        // The first one tells no rate; then 1,000 a second.
        let rounds = [(0, 1, 0), (1_000, 1, 30_000), (31_000, 30, 30_000)];
        check(8 << 20, &rounds);
        // 60 a second, and nothing.
        check(8 << 20, &[(0, 1, 0), (16_667, 1, 0), (33_333, 1, 0), (50_000, 0, 0)]);
        // 40,000 a second, and a burst.
        check(8 << 20, &[(0, 1, 0), (1_000, 40, 3_200), (1_020, 10, 256)]);
        check(2 * 212_992, &[(0, 1, 0), (1_000, 40, 134), (1_020, 10, 134), (2_020, 1, 0)]);
    }
}
