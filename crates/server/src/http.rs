//! HTTP: connections, routes, and what holds for every request.

mod assets;
mod body;
mod connections;
mod guard;
mod limits;
mod reply;
mod router;

pub(crate) use body::{BodyBudget, BudgetedBody, read_body};
pub(crate) use connections::Connections;
pub(crate) use guard::Guard;
pub use limits::HttpLimits;
pub(crate) use reply::{error_reply, json_reply};
pub(crate) use router::{Shared, router};
