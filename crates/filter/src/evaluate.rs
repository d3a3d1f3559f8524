//! What an expression means: whether it is true of a trace.
//!
//! [`matches()`] looks at the whole trace and is the meaning. [`decide`] looks at its summary only,
//! and says when that is not enough; where it answers, the answers agree. (A test compares them.)
//!
//! Where the guide is silent:
//! * A comparison needs a value: `http.status != 200` is not true of a trace without a status.
//! * Of what a trace has several of (users, annotations, zones…), `!=` is true if there is one and
//!   none of them is equal; every other comparison if one of them is so.
//! * Letters must agree in case in values. Keywords are of any case.
//! * `throttle` is, as the summary's `HasThrottle`, true when any segment was throttled; the other
//!   outcomes are the root's.

use std::cell::OnceCell;

use roentgen_model::{AnnotationValue, Outcome, Trace, TraceSummary};

use crate::expression::{
    AnnotationTest, Comparison, Expression, Side, TextComparison, TextTest, Who,
};
use crate::keyword::{Flag, NumberField, TextField};

mod causes;
mod requests;

use causes::Causes;
use requests::Whole;

/// Whether an expression is true of a trace. A group that was not put in by
/// [`Expression::with_groups`] has no traces.
pub fn matches(expression: &Expression, trace: &Trace<'_>) -> bool {
    // With the whole trace there is nothing that cannot be told.
    Subject::whole(trace).truth(expression).unwrap_or(false)
}

/// Whether an expression is true of the trace of a summary; `None` if the summary does not tell.
pub fn decide(expression: &Expression, summary: &TraceSummary) -> Option<bool> {
    Subject { summary, whole: None, causes: OnceCell::new() }.truth(expression)
}

/// What is looked at. What is found of a trace serves all terms of the expression: there may be
/// thousands.
pub(crate) struct Subject<'t> {
    summary: &'t TraceSummary,
    whole: Option<Whole<'t>>,
    /// Found when first asked for.
    causes: OnceCell<Causes>,
}

impl<'t> Subject<'t> {
    pub(crate) fn whole(trace: &'t Trace<'t>) -> Self {
        let whole = Some(Whole::new(trace));
        Self { summary: &trace.summary, whole, causes: OnceCell::new() }
    }

    /// Whether it is true; `None` if that cannot be told.
    pub(crate) fn truth(&self, expression: &Expression) -> Option<bool> {
        joined(expression, &|term| self.term(term))
    }

    fn term(&self, term: &Expression) -> Option<bool> {
        let summary = self.summary;
        match term {
            Expression::Flag { flag, wanted } => Some(self.flag(*flag)? == *wanted),
            Expression::Number { field, test } => Some(test.holds(self.number(*field))),
            Expression::Text { field, test } => Some(self.text(*field, test)),
            Expression::Annotation { key, test, .. } => {
                let of_key = summary.annotations.iter().filter(|annotation| annotation.key == *key);
                Some(annotation_holds(test, of_key.map(|annotation| &annotation.value)))
            }
            Expression::Service { who, block: None } => self.has_service(who),
            Expression::Service { who, block: Some(block) } => {
                if self.has_service(who) == Some(false) {
                    return Some(false);
                }
                Some(self.whole.as_ref()?.some_request(who, block))
            }
            Expression::Edge { from, to, block } => {
                if [from, to].into_iter().any(|who| self.has_service(who) == Some(false)) {
                    return Some(false);
                }
                Some(self.whole.as_ref()?.some_call(from, to, block.as_deref()))
            }
            Expression::RootCause { list, block } => {
                Some(self.causes()?.some_element(*list, block))
            }
            Expression::RootCauseJson { wanted, pattern } => {
                Some(self.causes()?.agree_with(pattern) == *wanted)
            }
            Expression::Group { wanted, .. } => Some(!wanted),
            _ => None,
        }
    }

    /// Whether some node is among those meant. A summary does not have all of very many.
    fn has_service(&self, who: &Who) -> Option<bool> {
        let summary = self.summary;
        if summary.services.iter().any(|service| who.is(service)) {
            return Some(true);
        }
        if summary.has_all_services() {
            return Some(false);
        }
        Some(self.trace()?.graph.nodes.iter().any(|node| who.is(&node.node)))
    }

    fn trace(&self) -> Option<&'t Trace<'t>> {
        Some(self.whole.as_ref()?.trace)
    }

    fn causes(&self) -> Option<&Causes> {
        let trace = self.trace()?;
        Some(self.causes.get_or_init(|| Causes::of(trace)))
    }

    fn flag(&self, flag: Flag) -> Option<bool> {
        let summary = self.summary;
        match flag {
            Flag::Ok => Some(summary.outcome == Outcome::Ok),
            Flag::Error => Some(summary.has_error),
            Flag::Throttle => Some(summary.has_throttle),
            Flag::Fault => Some(summary.has_fault),
            Flag::Partial => Some(summary.is_partial),
            Flag::Inferred => Some(self.trace()?.nodes.iter().any(|node| node.is_inferred)),
            // The parser keeps these out of where only a trace is meant.
            Flag::First | Flag::Last | Flag::Remote | Flag::Root => Some(false),
        }
    }

    fn number(&self, field: NumberField) -> Option<f64> {
        let summary = self.summary;
        match field {
            NumberField::ResponseTime => summary.response_time.map(|time| time.as_seconds()),
            NumberField::Duration => Some(summary.duration.as_seconds()),
            NumberField::HttpStatus => summary.http.status.map(whole_number),
            NumberField::Index | NumberField::Coverage => None,
        }
    }

    fn text(&self, field: TextField, test: &TextTest) -> bool {
        let (summary, http) = (self.summary, &self.summary.http);
        let some = |text: &Option<String>| test.holds(text.as_deref());
        let any = |texts: &[String]| any_text(test, texts.iter().map(String::as_str));
        match field {
            TextField::HttpUrl => some(&http.url),
            TextField::HttpMethod => some(&http.method),
            TextField::HttpUserAgent => some(&http.user_agent),
            TextField::HttpClientIp => some(&http.client_ip),
            TextField::User => any_text(test, summary.users.iter().map(|user| user.name.as_str())),
            TextField::AvailabilityZone => any(&summary.availability_zones),
            TextField::InstanceId => any(&summary.instance_ids),
            TextField::ResourceArn => any(&summary.resource_arns),
            TextField::Name | TextField::Type | TextField::Message => false,
        }
    }
}

/// The truth of an expression by that of its terms; one that cannot be told makes the whole so only
/// if it matters.
fn joined(expression: &Expression, term: &impl Fn(&Expression) -> Option<bool>) -> Option<bool> {
    // Of many parts, the first that decides does.
    let first = |parts: &[Expression], deciding: bool| {
        let mut outcome = Some(!deciding);
        for part in parts {
            match joined(part, term) {
                Some(truth) if truth == deciding => return Some(deciding),
                Some(_) => {}
                None => outcome = None,
            }
        }
        outcome
    };
    match expression {
        Expression::Everything => Some(true),
        Expression::All(parts) => first(parts, false),
        Expression::Any(parts) => first(parts, true),
        Expression::Not(inner) => joined(inner, term).map(|truth| !truth),
        other => term(other),
    }
}

/// A test on what there may be several of.
fn any_text<'a>(test: &TextTest, mut texts: impl Iterator<Item = &'a str>) -> bool {
    match test {
        TextTest::Is(TextComparison::NotEqual, asked) => {
            some_and_all(&mut texts, |text| text != asked)
        }
        test => texts.any(|text| test.holds(Some(text))),
    }
}

/// Whether there are some and it is true of all.
fn some_and_all<T>(values: &mut impl Iterator<Item = T>, is_so: impl Fn(T) -> bool) -> bool {
    let mut some = false;
    values.all(|value| {
        some = true;
        is_so(value)
    }) && some
}

/// A test on the values of one key.
fn annotation_holds<'v, 'a: 'v>(
    test: &AnnotationTest,
    values: impl Iterator<Item = &'v AnnotationValue<'a>>,
) -> bool {
    use AnnotationValue::{Boolean, Number, String};
    match test {
        AnnotationTest::Set => values.into_iter().any(|value| *value != Boolean(false)),
        AnnotationTest::Boolean { equal: true, value } => {
            values.into_iter().any(|known| *known == Boolean(*value))
        }
        AnnotationTest::Boolean { equal: false, value } => {
            let mut truths = values.filter(|known| matches!(known, Boolean(_)));
            some_and_all(&mut truths, |known| *known != Boolean(*value))
        }
        AnnotationTest::Number(comparison, asked) => {
            let mut numbers = values.filter_map(|value| match value {
                Number(number) => Some(*number),
                _ => None,
            });
            match comparison {
                Comparison::NotEqual => {
                    some_and_all(&mut numbers, |number| comparison.holds(number, *asked))
                }
                comparison => numbers.any(|number| comparison.holds(number, *asked)),
            }
        }
        AnnotationTest::Text(comparison, asked) => {
            let texts = values.filter_map(|value| match value {
                String(text) => Some(&**text),
                _ => None,
            });
            any_text(&TextTest::Is(*comparison, asked.clone()), texts)
        }
    }
}

/// A status as the number that it is compared as.
fn whole_number(status: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no status has 16 digits")]
    {
        status as f64
    }
}

#[cfg(test)]
mod tests;
