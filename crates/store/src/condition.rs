//! What a query may ask of a trace in a form that the store can check without the whole trace.
//!
//! [`Condition::truth`] is what a condition means. Settled files check the same on columns, with
//! the same result (`settled/evaluate.rs`), and so pass over most of what does not match.

use std::ops::{Bound, RangeBounds as _};

use roentgen_model::{AnnotationValue, Micros, Outcome, ServiceId, TraceGraph, TraceSummary};

mod logic;
mod request;

pub use logic::Logic;
pub use request::RequestTest;
pub(crate) use request::{SeenRequest, only, overlap};

/// Something that must be true of a trace. A query lists them, and all must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The trace ended in one of these ways ([`TraceSummary::outcome`]).
    Outcomes(Vec<Outcome>),
    /// [`TraceSummary::has_fault`] is so.
    Fault(bool),
    /// [`TraceSummary::has_error`] is so.
    Error(bool),
    /// [`TraceSummary::has_throttle`] is so.
    Throttle(bool),
    /// [`TraceSummary::is_partial`] is so.
    Partial(bool),
    /// The response time is known and within the limits.
    ResponseTime(Limits<Micros>),
    /// The duration is within the limits.
    Duration(Limits<Micros>),
    /// The status of the root's response is known and within the limits.
    HttpStatus(Limits<i64>),
    /// A text of the root's request is known and matches.
    Text(TextField, TextMatch),
    /// Some service of the trace matches.
    Service(ServiceMatch),
    /// Some request of such nodes meets what is asked of one and the same.
    Request {
        /// The nodes.
        who: ServiceMatch,
        /// What is asked.
        tests: Logic<RequestTest>,
    },
    /// Some call between such nodes meets what is asked of one and the same.
    Call {
        /// The calling nodes.
        from: ServiceMatch,
        /// The called nodes.
        to: ServiceMatch,
        /// What is asked.
        tests: Logic<RequestTest>,
    },
    /// The root's service is known and matches.
    EntryPoint(ServiceMatch),
    /// Some user of the trace matches.
    User(TextMatch),
    /// Some annotation has this key and such a value.
    Annotation {
        /// The whole key.
        key: String,
        /// What its value must be.
        value: AnnotationMatch,
    },
    /// The ARN of some resource of the trace matches.
    ResourceArn(TextMatch),
    /// The id of some EC2 instance of the trace matches.
    InstanceId(TextMatch),
    /// Some availability zone of the trace matches.
    AvailabilityZone(TextMatch),
    /// Conditions, joined.
    Joined(Box<Logic<Condition>>),
}

/// A lower and an upper limit, each of which may be part of what is allowed, or not, or absent.
pub type Limits<T> = (Bound<T>, Bound<T>);

/// A text of the root's request ([`roentgen_model::HttpSummary`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// The address that was asked for.
    Url,
    /// The method.
    Method,
    /// The client's program.
    UserAgent,
    /// The client's address.
    ClientIp,
}

/// How a text must be. Letters must agree in case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this text.
    Equals(String),
    /// This text stands somewhere in it.
    Contains(String),
    /// It begins with this text.
    StartsWith(String),
    /// It ends with this text.
    EndsWith(String),
}

/// How a service must be: every part that is given must match, and so must be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceMatch {
    /// Its name.
    pub name: Option<TextMatch>,
    /// Its type.
    pub kind: Option<TextMatch>,
    /// Its AWS account.
    pub account_id: Option<TextMatch>,
}

/// How the value of an annotation must be.
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationMatch {
    /// Of any kind, and whatever it is.
    Any,
    /// A text that matches.
    Text(TextMatch),
    /// A number within the limits.
    Number(Limits<f64>),
    /// This boolean.
    Boolean(bool),
}

impl Condition {
    /// Whether it is true of a trace with this summary and graph; `None` if they do not tell. The
    /// graph may be unknown.
    pub fn truth(&self, summary: &TraceSummary, graph: Option<&TraceGraph>) -> Option<bool> {
        let any =
            |texts: &[String], wanted: &TextMatch| texts.iter().any(|text| wanted.matches(text));
        Some(match self {
            Condition::Outcomes(outcomes) => outcomes.contains(&summary.outcome),
            Condition::Fault(wanted) => summary.has_fault == *wanted,
            Condition::Error(wanted) => summary.has_error == *wanted,
            Condition::Throttle(wanted) => summary.has_throttle == *wanted,
            Condition::Partial(wanted) => summary.is_partial == *wanted,
            Condition::ResponseTime(limits) => {
                summary.response_time.is_some_and(|time| limits.contains(&time))
            }
            Condition::Duration(limits) => limits.contains(&summary.duration),
            Condition::HttpStatus(limits) => {
                summary.http.status.is_some_and(|status| limits.contains(&status))
            }
            Condition::Text(field, wanted) => {
                field.of(summary).is_some_and(|text| wanted.matches(text))
            }
            Condition::Service(wanted) => {
                let is_found = summary.services.iter().any(|id| wanted.matches(id));
                if !is_found && !summary.has_all_services() {
                    return request::some_request(graph?, wanted, &Logic::TRUE);
                }
                is_found
            }
            Condition::Request { who, tests } => return request::some_request(graph?, who, tests),
            Condition::Call { from, to, tests } => {
                return request::some_call(graph?, from, to, tests);
            }
            Condition::EntryPoint(wanted) => {
                summary.entry_point.as_ref().is_some_and(|id| wanted.matches(id))
            }
            Condition::User(wanted) => summary.users.iter().any(|user| wanted.matches(&user.name)),
            Condition::Annotation { key, value } => summary
                .annotations
                .iter()
                .any(|annotation| annotation.key == *key && value.matches(&annotation.value)),
            Condition::ResourceArn(wanted) => any(&summary.resource_arns, wanted),
            Condition::InstanceId(wanted) => any(&summary.instance_ids, wanted),
            Condition::AvailabilityZone(wanted) => any(&summary.availability_zones, wanted),
            Condition::Joined(logic) => {
                return logic.truth(&|condition| condition.truth(summary, graph));
            }
        })
    }

    /// Whether all of these are true; `None` if that is not known.
    pub fn all(
        conditions: &[Self],
        summary: &TraceSummary,
        graph: Option<&TraceGraph>,
    ) -> Option<bool> {
        let mut outcome = Some(true);
        for condition in conditions {
            match condition.truth(summary, graph) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => outcome = None,
            }
        }
        outcome
    }
}

impl TextField {
    /// The text of this field in a summary.
    pub fn of(self, summary: &TraceSummary) -> Option<&str> {
        let http = &summary.http;
        match self {
            TextField::Url => http.url.as_deref(),
            TextField::Method => http.method.as_deref(),
            TextField::UserAgent => http.user_agent.as_deref(),
            TextField::ClientIp => http.client_ip.as_deref(),
        }
    }
}

impl TextMatch {
    /// Whether a text is so.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            TextMatch::Equals(wanted) => text == wanted,
            TextMatch::Contains(wanted) => text.contains(wanted.as_str()),
            TextMatch::StartsWith(wanted) => text.starts_with(wanted.as_str()),
            TextMatch::EndsWith(wanted) => text.ends_with(wanted.as_str()),
        }
    }
}

impl ServiceMatch {
    /// Whether a service is so.
    pub fn matches(&self, service: &ServiceId) -> bool {
        let part = |wanted: &Option<TextMatch>, part: Option<&str>| match wanted {
            None => true,
            Some(wanted) => part.is_some_and(|text| wanted.matches(text)),
        };
        part(&self.name, Some(&service.name))
            && part(&self.kind, service.kind.as_deref())
            && part(&self.account_id, service.account_id.as_deref())
    }
}

impl AnnotationMatch {
    /// Whether a value is so.
    pub fn matches(&self, value: &AnnotationValue<'_>) -> bool {
        match (self, value) {
            (AnnotationMatch::Any, _) => true,
            (AnnotationMatch::Text(wanted), AnnotationValue::String(text)) => wanted.matches(text),
            (AnnotationMatch::Number(limits), AnnotationValue::Number(number)) => {
                limits.contains(number)
            }
            (AnnotationMatch::Boolean(wanted), AnnotationValue::Boolean(truth)) => wanted == truth,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
