//! X-Ray traffic made to order.
//!
//! [`Shop`] is a made-up shop of ten services with databases, queues, AWS calls and failures. It
//! turns a request into the segment documents that the X-Ray SDKs of its services would send: in
//! their manner of writing, at their time. [`run`] sends them over UDP as those SDKs do.
//!
//! The topology is data (`shop::operations`), walked by `walk` into recorded segments, written by
//! `render` in the dialect of an SDK, and cut into datagrams by `delivery`.

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

pub use delivery::TimedDocument;
pub use sender::{LoadError, Progress, ProgressCounts, Settings, run};
pub use shop::Shop;
