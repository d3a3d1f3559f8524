//! Which documents are not sent on. By default all are, and nothing of this runs.
//!
//! - *Drop by path*: a segment whose request has one of the given paths is dropped, and so are the
//!   documents of its trace that come after it. Those that came before it are gone already; for a
//!   health check, which seldom calls anything, there are none.
//! - *Keep a share*: a trace is kept or dropped by its id alone, so that every daemon decides alike
//!   and traces stay whole. The first 8 bytes of the SHA-256 of the id, as written in the document,
//!   make a number (most significant byte first); below share × 2^64 the trace is kept.
//! - *Keep errors*: a document that tells an error, a fault or a throttle, of itself or of a
//!   subsegment in it, is kept whatever the share says, and with it the documents of its trace that
//!   come after it. Segments are sent when they end, so those of the callers are among them.
//!
//! A document that cannot be read as far as needed, or has no trace id, is kept: what is wrong with
//! it is for the destination to say.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::settings;

mod facts;
mod pattern;

use facts::Facts;
use pattern::{Pattern, path_of};

/// Most traces that are remembered; the oldest are forgotten first. At 1,000 dropped traces a second
/// a quarter of a minute of them, longer than the documents of a trace are usually apart. It takes
/// 400 KB at most.
const MOST_REMEMBERED: usize = 16_384;

/// The rules, and what they remember.
#[derive(Debug)]
pub(crate) struct Policy {
    drop_paths: Vec<Pattern>,
    /// Traces with a number below this are kept; `None` to keep all.
    keep_below: Option<u64>,
    keep_errors: bool,
    memory: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    dropped: Traces,
    in_trouble: Traces,
}

/// The numbers of some traces, in the order of their coming.
#[derive(Debug, Default)]
struct Traces {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Policy {
    /// The rules that were set; `None` when everything is kept.
    pub(crate) fn new(settings: &settings::Policy) -> Option<Self> {
        let drop_paths: Vec<Pattern> =
            settings.drop_paths.iter().map(|text| Pattern::new(text)).collect();
        let keep_below = settings.keep_share.and_then(threshold);
        let keeps_all = drop_paths.is_empty() && keep_below.is_none();
        let keep_errors = settings.keep_errors;
        let memory = Mutex::default();
        (!keeps_all).then_some(Self { drop_paths, keep_below, keep_errors, memory })
    }

    /// Whether a document is sent on.
    pub(crate) fn keeps(&self, document: &[u8]) -> bool {
        let Some(facts) = Facts::of(document) else { return true };
        let Some(trace_id) = &facts.trace_id else { return true };
        let trace = number_of(trace_id);
        let mut memory = self.memory();
        if !self.drop_paths.is_empty() {
            if memory.dropped.contains(trace) {
                return false;
            }
            let path = facts.url.as_deref().map(path_of);
            let matches = |path| self.drop_paths.iter().any(|pattern| pattern.matches(path));
            if !facts.is_subsegment && path.is_some_and(matches) {
                memory.dropped.remember(trace);
                return false;
            }
        }
        let Some(keep_below) = self.keep_below else { return true };
        if trace < keep_below {
            return true;
        }
        if self.keep_errors && facts.tells_trouble {
            memory.in_trouble.remember(trace);
        }
        self.keep_errors && memory.in_trouble.contains(trace)
    }

    fn memory(&self) -> MutexGuard<'_, Remembered> {
        // Numbers that are there or not; whole whatever happened to a thread.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    fn contains(&self, trace: u64) -> bool {
        self.known.contains(&trace)
    }

    fn remember(&mut self, trace: u64) {
        if !self.known.insert(trace) {
            return;
        }
        self.order.push_back(trace);
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The number below which traces are kept; `None` when that is all of them.
fn threshold(share: f64) -> Option<u64> {
    /// 2^64, which is beyond what an integer of 64 bits can be.
    const ALL: f64 = 18_446_744_073_709_551_616.0;
    let threshold = share * ALL;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    (threshold < ALL).then_some(threshold.max(0.0) as u64)
}

/// The number of a trace, which decides about it everywhere alike.
fn number_of(trace_id: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(trace_id).into();
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(drop_paths: &[&str], keep_share: Option<f64>, keep_errors: bool) -> Policy {
        let drop_paths = drop_paths.iter().map(|path| (*path).to_owned()).collect();
        Policy::new(&settings::Policy { drop_paths, keep_share, keep_errors }).unwrap()
    }

    fn segment(trace: u32, rest: &str) -> String {
        format!(r#"{{"trace_id":"1-6b031f4a-{trace:024x}","id":"1","name":"x"{rest}}}"#)
    }

    #[test]
    fn everything_is_kept_by_default() {
        let check = |settings: settings::Policy, expect: bool| {
            assert_eq!(Policy::new(&settings).is_none(), expect, "{settings:?}");
        };
        let default = settings::Policy::default;
        check(default(), true);
        check(settings::Policy { keep_share: Some(1.0), ..default() }, true);
        check(settings::Policy { keep_errors: true, ..default() }, true);
        check(settings::Policy { keep_share: Some(0.999), ..default() }, false);
        check(settings::Policy { keep_share: Some(0.0), ..default() }, false);
        check(settings::Policy { drop_paths: vec!["/".to_owned()], ..default() }, false);
    }

    #[test]
    fn requests_are_dropped_by_path_with_what_follows_of_their_trace() {
        let policy = policy(&["/healthz", "/internal/*"], None, false);
        let check = |trace: u32, rest: &str, expect: bool| {
            assert_eq!(policy.keeps(segment(trace, rest).as_bytes()), expect, "{trace} {rest}");
        };
        let request = |url: &str| format!(r#","http":{{"request":{{"url":"{url}"}}}}"#);
        check(1, "", true);
        check(1, &request("http://x.example/healthz?full=1"), false);
        check(1, "", false);
        check(2, &request("https://x.example/orders"), true);
        check(2, "", true);
        check(3, &request("/internal/metrics"), false);
        check(4, &request("/healthz/x"), true);
        // What a streamed subsegment calls is another one's request.
        check(5, &(request("/healthz") + r#","type":"subsegment""#), true);
        // So is what an embedded one calls.
        check(6, &format!(r#","subsegments":[{{"id":"2"{}}}]"#, request("/healthz")), true);
        assert!(policy.keeps(b"{\"http\":{\"request\":{\"url\":\"/healthz\"}}}"));
        assert!(policy.keeps(b"not JSON"));
    }

    #[test]
    fn a_share_is_kept_by_trace_id() {
        let kept = |share: f64| -> Vec<u32> {
            let policy = policy(&[], Some(share), false);
            let kept = |trace: &u32| policy.keeps(segment(*trace, "").as_bytes());
            (0..10_000).filter(kept).collect()
        };
        let (tenth, half) = (kept(0.1), kept(0.5));
        assert!((900..1_100).contains(&tenth.len()), "{}", tenth.len());
        assert!((4_800..5_200).contains(&half.len()), "{}", half.len());
        // A smaller share is a part of a larger one, so daemons with different shares agree.
        assert!(tenth.iter().all(|trace| half.contains(trace)));
        assert!(kept(0.0).is_empty());
    }

    #[test]
    fn the_number_of_a_trace_is_as_told() {
        // printf 1-6b031f4a-9c9dbd0c9be1022a0eae3011 | sha256sum
        let number = number_of("1-6b031f4a-9c9dbd0c9be1022a0eae3011");
        assert_eq!(number, 0xa458_5241_d569_b330);
        assert_eq!(threshold(0.5), Some(1 << 63));
    }

    #[test]
    fn errors_are_kept_with_what_follows_of_their_trace() {
        let policy = policy(&["/healthz"], Some(0.0), true);
        let check = |trace: u32, rest: &str, expect: bool| {
            assert_eq!(policy.keeps(segment(trace, rest).as_bytes()), expect, "{trace} {rest}");
        };
        check(1, "", false);
        check(1, r#","fault":true"#, true);
        check(1, "", true);
        check(2, r#","error": true"#, true);
        check(3, r#","throttle":true"#, true);
        check(4, r#","fault":false"#, false);
        check(5, r#","subsegments":[{"subsegments":[{"fault":true}]}]"#, true);
        check(6, r#","metadata":{"default":{"fault":true}}"#, false);
        check(7, r#","fault":true,"http":{"request":{"url":"/healthz"}}"#, false);
    }

    #[test]
    fn few_traces_are_remembered() {
        let mut traces = Traces::default();
        let most = MOST_REMEMBERED as u64;
        (0..=most).chain(0..=most).for_each(|trace| traces.remember(trace));
        assert_eq!((traces.known.len(), traces.order.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        assert!(traces.contains(most) && traces.contains(most - 1));
    }
}
