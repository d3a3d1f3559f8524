//! X-Ray sampling as arithmetic on a clock passed in: the rules and how they are matched, what a
//! client decides with a rule, and how a server divides a rule's reservoir among its clients.
//!
//! Nothing here reads a clock, a socket or a random source, so the server and an SDK can share it
//! and tests need neither sleeping nor luck.
//!
//! * [`RuleSet`] holds the custom rules and the Default rule, checks changes to them, and finds the
//!   [`Rule`] for a request.
//! * [`Reservoir`] is a client's side of one rule: borrow, take from the quota, or sample at the
//!   fixed rate.
//! * [`QuotaBook`] is the server's side: it takes the statistics that clients report and answers
//!   with their targets.
//!
//! Adaptive sampling: a rule's [`SamplingRateBoost`] is checked and kept, and boost statistics are
//! accepted, but no boost is computed; each such document is answered as unprocessed with a reason.

mod quota_book;
mod quota_division;
mod reservoir;
mod rule;
mod rule_error;
mod rule_input;
mod rule_set;
mod statistics;
mod time;
mod wildcard;
mod windows;

pub use quota_book::{
    CLIENT_LIFETIME_SECONDS, MAX_CLIENTS_PER_RULE, QUOTA_LIFETIME_SECONDS, QuotaBook,
    REPORT_INTERVAL_SECONDS, SamplingTarget, TURN_SECONDS, Targets,
};
pub use reservoir::{Decision, DecisionBy, Reservoir};
pub use rule::{
    DEFAULT_RULE_NAME, DEFAULT_RULE_PRIORITY, RequestAttributes, Rule, RuleRecord,
    SamplingRateBoost,
};
pub use rule_error::{RuleError, Violation};
pub use rule_input::{BoostInput, NewRule, RuleFields, RuleSelector, RuleUpdate};
pub use rule_set::{MAX_CUSTOM_RULES, RuleSet};
pub use statistics::{
    BoostStatisticsDocument, ClientId, Counts, MAX_DOCUMENT_AGE_SECONDS, MAX_STATISTICS_DOCUMENTS,
    StatisticsDocument, UnprocessedStatistics,
};
pub use time::EpochMicros;
pub use wildcard::wildcard_match;
pub use windows::{STATISTICS_LOOK_BACK_SECONDS, STATISTICS_WINDOW_SECONDS, StatisticSummary};
