//! The port as clients see it: raw bytes over loopback, with a destination that follows a script.

mod bytes;
mod clients;
mod documents;
mod forwarding;
mod pages;
mod setting;
mod time_limits;
