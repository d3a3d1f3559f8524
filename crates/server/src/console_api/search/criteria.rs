//! What a search asks for, and whether a trace is meant.

use std::ops::Bound;

use roentgen_filter::{Expression, decide};
use roentgen_model::{Micros, Outcome, Timestamp, TraceSummary};
use roentgen_protocol::{ApiError, ErrorKind, Fingerprint};
use roentgen_store::{Condition, Logic, ServiceMatch, TextMatch, TimeRange};
use serde::{Deserialize, Serialize};

use super::super::NodeRef;
use crate::groups::{GroupSelector, Groups};
use crate::trace_search::pushed_down;
use crate::xray::read_filter_in_group;

/// Longest text to look for.
const MAX_TEXT_CHARACTERS: usize = 500;

/// The body of a search.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SearchRequest {
    start: f64,
    end: f64,
    node: Option<NodeRef>,
    edge: Option<EdgeRef>,
    outcomes: Option<Vec<OutcomeName>>,
    min_response_time: Option<f64>,
    max_response_time: Option<f64>,
    text: Option<String>,
    method: Option<String>,
    status: Option<i64>,
    user: Option<String>,
    filter_expression: Option<String>,
    group_name: Option<String>,
    #[serde(skip_serializing)]
    pub(super) next: Option<String>,
    #[serde(skip_serializing)]
    pub(super) limit: Option<usize>,
}

/// A call between two nodes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct EdgeRef {
    pub(super) from: NodeRef,
    pub(super) to: NodeRef,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum OutcomeName {
    Ok,
    Error,
    Throttle,
    Fault,
}

/// The conditions; all that are given must hold.
#[derive(Debug)]
pub(super) struct Criteria {
    pub(super) range: TimeRange,
    pub(super) edge: Option<EdgeRef>,
    node: Option<NodeRef>,
    /// Empty for any.
    outcomes: Vec<Outcome>,
    min_response_time: Option<f64>,
    max_response_time: Option<f64>,
    /// Lower case.
    text: Option<String>,
    method: Option<String>,
    status: Option<i64>,
    user: Option<String>,
    /// Of the request and of its group.
    pub(super) expression: Expression,
}

impl Criteria {
    /// The conditions of a request, and the fingerprint that ties page tokens to them.
    pub(super) fn check(request: SearchRequest, groups: &Groups) -> Result<(Self, u64), ApiError> {
        let conditions = serde_json::to_string(&request).map_err(|error| {
            let message = format!("The search cannot be written: {error}");
            ApiError::new(ErrorKind::InternalFailure, message)
        })?;
        let fingerprint = Fingerprint::of("search").with_text(&conditions).finish();
        let time = |name: &str, seconds: f64| {
            Timestamp::from_seconds(seconds)
                .ok_or_else(|| ApiError::invalid(format!("{name} must be epoch seconds")))
        };
        let range =
            TimeRange { start: time("start", request.start)?, end: time("end", request.end)? };
        if range.start > range.end {
            return Err(ApiError::invalid("start must not be after end"));
        }
        let text = request.text.map(|text| text.trim().to_lowercase());
        let text = text.filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT_CHARACTERS) {
            let message = format!("text must have at most {MAX_TEXT_CHARACTERS} characters");
            return Err(ApiError::invalid(message));
        }
        let group = GroupSelector::new(request.group_name, None);
        let filter = request.filter_expression.as_deref().unwrap_or_default();
        let (_, expression) = read_filter_in_group(filter, &group, groups)?;
        let outcomes = request.outcomes.unwrap_or_default().into_iter().map(Outcome::from);
        let criteria = Self {
            range,
            edge: request.edge,
            node: request.node,
            outcomes: outcomes.collect(),
            min_response_time: request.min_response_time,
            max_response_time: request.max_response_time,
            text,
            method: request.method,
            status: request.status,
            user: request.user,
            expression,
        };
        Ok((criteria, fingerprint))
    }

    /// What the store can check without the whole summary. It holds for every trace that
    /// [`Criteria::may_match`], and for few others.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let mut conditions = pushed_down(&self.expression);
        if !self.outcomes.is_empty() {
            conditions.push(Condition::Outcomes(self.outcomes.clone()));
        }
        conditions.extend(self.status.map(|status| {
            Condition::HttpStatus((Bound::Included(status), Bound::Included(status)))
        }));
        if self.min_response_time.is_some() || self.max_response_time.is_some() {
            let least = bound(self.min_response_time, -1);
            conditions.push(Condition::ResponseTime((least, bound(self.max_response_time, 1))));
        }
        let service = |node: &NodeRef| {
            let equals = |text: &String| TextMatch::Equals(text.clone());
            let (name, kind) = (Some(equals(&node.name)), node.kind.as_ref().map(equals));
            ServiceMatch { name, kind, account_id: None }
        };
        let edge = self.edge.iter().flat_map(|edge| [&edge.from, &edge.to]);
        let nodes = self.node.iter().chain(edge);
        conditions.extend(nodes.map(|node| Condition::Service(service(node))));
        // Behind the nodes, which are looked up faster and leave fewer traces to look at.
        conditions.extend(self.edge.iter().map(|edge| Condition::Call {
            from: service(&edge.from),
            to: service(&edge.to),
            tests: Logic::TRUE,
        }));
        let user = self.user.as_ref();
        conditions.extend(user.map(|user| Condition::User(TextMatch::Equals(user.clone()))));
        conditions
    }

    /// Whether there is more to check than the conditions say.
    pub(super) fn needs_summaries(&self) -> bool {
        self.text.is_some() || self.method.is_some() || self.expression != Expression::Everything
    }

    /// Whether summaries may leave open what is meant.
    pub(super) fn opens_traces(&self) -> bool {
        self.edge.is_some() || self.expression != Expression::Everything
    }

    /// Whether the trace may be meant, as far as its summary tells: of an edge, its two nodes.
    pub(super) fn may_match(&self, summary: &TraceSummary) -> bool {
        let has_node = |node: &NodeRef| summary.services.iter().any(|id| node.names(id));
        let seconds = summary.response_time.map(|time| time.clamped().as_seconds());
        (self.outcomes.is_empty() || self.outcomes.contains(&summary.outcome))
            && self.status.is_none_or(|status| summary.http.status == Some(status))
            && self.min_response_time.is_none_or(|least| seconds.is_some_and(|s| s >= least))
            && self.max_response_time.is_none_or(|most| seconds.is_some_and(|s| s <= most))
            && self.method.as_deref().is_none_or(|method| {
                summary.http.method.as_deref().is_some_and(|m| m.eq_ignore_ascii_case(method))
            })
            && self.user.as_deref().is_none_or(|user| summary.users.iter().any(|u| u.name == user))
            && self.node.as_ref().is_none_or(has_node)
            && self.edge.as_ref().is_none_or(|edge| has_node(&edge.from) && has_node(&edge.to))
            && self.text.as_deref().is_none_or(|text| mentions(summary, text))
            && decide(&self.expression, summary) != Some(false)
    }
}

/// A bound of response times, in seconds, moved outwards by a microsecond, so that rounding leaves
/// nothing out. What is no time is no bound.
fn bound(seconds: Option<f64>, outwards: i64) -> Bound<Micros> {
    let micros = seconds.and_then(Timestamp::from_seconds).map(Timestamp::as_micros);
    micros.map_or(Bound::Unbounded, |micros| Bound::Included(Micros::new(micros + outwards)))
}

/// Whether a text, in lower case, occurs in what people look for.
fn mentions(summary: &TraceSummary, text: &str) -> bool {
    let holds = |place: &str| place.to_lowercase().contains(text);
    summary.id.to_string().contains(text)
        || summary.id.to_w3c().contains(text)
        || summary.http.url.as_deref().is_some_and(holds)
        || summary.services.iter().any(|id| holds(&id.name))
        || summary.users.iter().any(|user| holds(&user.name))
        || summary
            .annotations
            .iter()
            .any(|annotation| holds(&annotation.key) || holds(&annotation.value.to_string()))
}

impl From<OutcomeName> for Outcome {
    fn from(name: OutcomeName) -> Self {
        match name {
            OutcomeName::Ok => Outcome::Ok,
            OutcomeName::Error => Outcome::Error,
            OutcomeName::Throttle => Outcome::Throttle,
            OutcomeName::Fault => Outcome::Fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use roentgen_model::{Document, Names, Trace, assemble};
    use serde_json::{Value, json};

    use super::*;

    fn trace() -> Trace<'static> {
        let document = json!({
            "trace_id": "1-581cf771-a006649127e371903a2de979", "id": "53995c3f42cd8ad8",
            "name": "Shop", "origin": "AWS::EC2::Instance", "user": "Ann",
            "start_time": 1_478_293_361.2, "end_time": 1_478_293_361.4,
            "http": {"request": {"method": "GET", "url": "http://shop/Cart"},
                     "response": {"status": 404}},
            "annotations": {"tenant": "ACME", "items": 3},
            "subsegments": [{"id": "63995c3f42cd8ad8", "name": "DynamoDB", "namespace": "aws",
                "start_time": 1_478_293_361.3, "end_time": 1_478_293_361.35,
                "aws": {"operation": "GetItem", "table_name": "carts"}}],
        });
        let json = document.to_string();
        let document = Document::parse(json.as_bytes()).unwrap().into_owned();
        assemble(document.trace_id, vec![document], &mut Names::default()).unwrap()
    }

    fn criteria(conditions: Value) -> Result<Criteria, String> {
        let mut body = json!({"start": 0, "end": 2_000_000_000});
        body.as_object_mut().unwrap().extend(conditions.as_object().unwrap().clone());
        let request = serde_json::from_value(body).map_err(|e| e.to_string())?;
        Criteria::check(request, &Groups::default())
            .map(|(criteria, _)| criteria)
            .map_err(|e| e.message)
    }

    #[test]
    fn every_condition_must_hold() {
        let Trace { summary, graph, .. } = trace();
        let check = |conditions: Value, expect: bool| {
            let criteria = criteria(conditions.clone()).unwrap();
            assert_eq!(criteria.may_match(&summary), expect, "{conditions}");
            // The store passes over nothing that is meant, and tells all by itself where it can.
            let holds =
                Condition::all(&criteria.conditions(), &summary, Some(&graph)) == Some(true);
            assert!(holds || !expect, "{conditions}");
            assert!(holds == expect || criteria.needs_summaries(), "{conditions}");
        };
        check(json!({}), true);
        check(json!({"outcomes": ["error"]}), true);
        check(json!({"outcomes": ["ok", "fault", "throttle"]}), false);
        check(json!({"outcomes": []}), true);
        check(json!({"status": 404}), true);
        check(json!({"status": 200}), false);
        check(json!({"method": "get"}), true);
        check(json!({"method": "POST"}), false);
        check(json!({"user": "Ann"}), true);
        check(json!({"user": "ann"}), false);
        check(json!({"minResponseTime": 0.2, "maxResponseTime": 0.2}), true);
        check(json!({"minResponseTime": 0.21}), false);
        check(json!({"maxResponseTime": 0.19}), false);
        check(json!({"node": {"name": "Shop"}}), true);
        check(json!({"node": {"name": "Shop", "type": "client"}}), true);
        check(json!({"node": {"name": "Shop", "type": "AWS::Lambda"}}), false);
        check(json!({"node": {"name": "carts", "type": "AWS::DynamoDB::Table"}}), true);
        check(json!({"edge": {"from": {"name": "Shop"}, "to": {"name": "carts"}}}), true);
        check(json!({"edge": {"from": {"name": "Shop"}, "to": {"name": "queue"}}}), false);
        check(
            json!({"edge": {"from": {"name": "Shop", "type": "client"}, "to": {"name": "Shop"}}}),
            true,
        );
        check(json!({"text": " CART "}), true);
        check(json!({"text": "acme"}), true);
        check(json!({"text": "TENANT"}), true);
        check(json!({"text": "A006649127e"}), true);
        check(json!({"text": "581cf771a006"}), true);
        check(json!({"text": "ann"}), true);
        check(json!({"text": "checkout"}), false);
        check(json!({"text": ""}), true);
        check(json!({"text": "cart", "status": 200}), false);
        // The summary has both nodes; that one does not call the other the store tells.
        let edge = json!({"edge": {"from": {"name": "carts"}, "to": {"name": "Shop"}}});
        let conditions = criteria(edge).unwrap().conditions();
        assert_eq!(Condition::all(&conditions, &summary, Some(&graph)), Some(false));
        check(json!({"filterExpression": "error AND annotation.items > 2"}), true);
        check(json!({"filterExpression": "error", "status": 200}), false);
        check(json!({"filterExpression": "annotation.items > 3", "status": 404}), false);
        check(json!({"filterExpression": "", "groupName": "Default"}), true);
    }

    #[test]
    fn nonsense_is_refused() {
        let check = |conditions: Value, expect: &str| {
            let error = criteria(conditions).unwrap_err();
            assert!(error.contains(expect), "{error}");
        };
        check(json!({"start": 2, "end": 1}), "start must not be after end");
        check(json!({"start": -1}), "start must be epoch seconds");
        check(json!({"text": "x".repeat(501)}), "at most 500 characters");
        check(json!({"outcomes": ["slow"]}), "unknown variant");
        check(json!({"filter": "x"}), "unknown field");
        check(json!({"filterExpression": "falt"}), "did you mean fault?");
        check(json!({"filterExpression": "group.name = \"none\""}), "none");
        check(json!({"groupName": "none"}), "Group not found");
    }

    #[test]
    fn pages_belong_to_the_conditions_only() {
        let fingerprint = |conditions: Value| {
            Criteria::check(serde_json::from_value(conditions).unwrap(), &Groups::default())
                .unwrap()
                .1
        };
        let one = fingerprint(json!({"start": 1, "end": 2, "text": "x"}));
        let next = json!({"start": 1, "end": 2, "text": "x", "next": "abc", "limit": 7});
        assert_eq!(fingerprint(next), one);
        assert_ne!(fingerprint(json!({"start": 1, "end": 2, "text": "y"})), one);
    }
}
