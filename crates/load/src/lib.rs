//! X-Ray traffic made to order.
//!
//! [`Shop`] is a made-up shop of ten services with databases, queues, AWS calls and failures. It
//! turns a request into the segment documents that the X-Ray SDKs of its services would send: in
//! their manner of writing, at their time. [`run`] sends them over UDP as those SDKs do.
//!
//! The topology is data (`shop::operations`), walked by `walk` into recorded segments, written by
//! `render` in the dialect of an SDK, and cut into datagrams by `delivery`.
//!
//! [`Corpus`] is for speed: requests of the shop, of a generated [`Fleet`], or plain ones, prepared
//! once and filled with other ids and times for each request. The binary `roentgen-load` of this
//! package sends them at any rate, and reads back what it sent.

mod corpus;
mod delivery;
mod dialect;
mod instance;
mod json;
mod random;
mod recording;
mod render;
mod sender;
mod shop;
mod topology;
mod visit;
mod walk;

pub use corpus::{Contribution, Corpus, CorpusError, Fleet, NodeName, Request, Shares, Tally};
pub use delivery::TimedDocument;
pub use sender::{LoadError, Progress, ProgressCounts, Settings, run};
pub use shop::Shop;
