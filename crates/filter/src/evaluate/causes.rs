//! Root causes: blocks about the elements of their lists, and their JSON form.

use std::cell::OnceCell;

use roentgen_model::{RootCause, RootCauseEntity, RootCauseService, RootCauses, Trace};
use serde_json::{Map, Value, json};

use super::{TextTest, joined};
use crate::expression::Expression;
use crate::keyword::{
    Flag, NumberField, RootCauseElements, RootCauseKind, RootCauseList, TextField,
};

/// The causes of one trace. An expression may ask for them in a thousand places, so their JSON is
/// made once, when it is first asked for.
pub(super) struct Causes {
    found: RootCauses,
    as_json: OnceCell<Vec<Value>>,
}

/// An element of a list of a cause: a service, an entity or an exception.
#[derive(Default)]
struct Element<'c> {
    index: usize,
    is_last: bool,
    name: Option<&'c str>,
    kind: Option<&'c str>,
    message: Option<&'c str>,
    is_inferred: bool,
    is_remote: bool,
    coverage: Option<f64>,
}

impl Causes {
    pub(super) fn of(trace: &Trace<'_>) -> Self {
        Self { found: trace.root_causes(), as_json: OnceCell::new() }
    }

    /// Where the JSON is, once it was made.
    #[cfg(test)]
    pub(super) fn json_made(&self) -> Option<*const Value> {
        self.as_json.get().map(|causes| causes.as_ptr())
    }

    /// Whether the block is true of some element.
    pub(super) fn some_element(&self, list: RootCauseList, block: &Expression) -> bool {
        let causes = match list.of {
            RootCauseKind::Fault => &self.found.faults,
            RootCauseKind::Error => &self.found.errors,
            RootCauseKind::ResponseTime => &self.found.response_time,
        };
        causes.iter().any(|cause| {
            let mut elements = elements(cause, list.elements);
            if let Some(last) = elements.last_mut() {
                last.is_last = true;
            }
            let is_met =
                |element: &Element<'_>| joined(block, &|term| element.term(term)).unwrap_or(false);
            elements.iter().any(is_met)
        })
    }

    /// Whether every cause of the pattern agrees with some cause of any kind.
    pub(super) fn agree_with(&self, pattern: &Value) -> bool {
        let Value::Array(asked) = pattern else { return false };
        let known = self.as_json.get_or_init(|| {
            let kinds = [&self.found.faults, &self.found.errors, &self.found.response_time];
            kinds.into_iter().flatten().map(to_json).collect()
        });
        asked.iter().all(|asked| known.iter().any(|known| agrees(asked, known)))
    }
}

/// The elements of a cause, from the entry point to the culprit.
fn elements(cause: &RootCause, which: RootCauseElements) -> Vec<Element<'_>> {
    let entities = || cause.services.iter().flat_map(|service| &service.path);
    let found: Vec<Element<'_>> = match which {
        RootCauseElements::Service => cause.services.iter().map(of_service).collect(),
        RootCauseElements::Entity => entities().map(of_entity).collect(),
        RootCauseElements::Exception => entities()
            .flat_map(|entity| &entity.exceptions)
            .map(|exception| Element {
                name: exception.name.as_deref(),
                message: exception.message.as_deref(),
                ..Element::default()
            })
            .collect(),
    };
    found.into_iter().enumerate().map(|(index, element)| Element { index, ..element }).collect()
}

fn of_service(service: &RootCauseService) -> Element<'_> {
    Element {
        name: Some(service.name()),
        kind: service.service.as_ref().and_then(|id| id.kind.as_deref()),
        is_inferred: service.is_inferred,
        ..Element::default()
    }
}

fn of_entity(entity: &RootCauseEntity) -> Element<'_> {
    Element {
        name: Some(&entity.name),
        is_remote: entity.is_remote,
        coverage: entity.coverage,
        ..Element::default()
    }
}

impl Element<'_> {
    /// `None` for what has no place in a block, which the parser refuses.
    fn term(&self, term: &Expression) -> Option<bool> {
        match term {
            Expression::Flag { flag, wanted } => {
                let truth = match flag {
                    Flag::First => self.index == 0,
                    Flag::Last => self.is_last,
                    Flag::Inferred => self.is_inferred,
                    Flag::Remote => self.is_remote,
                    _ => return None,
                };
                Some(truth == *wanted)
            }
            Expression::Number { field, test } => Some(test.holds(match field {
                NumberField::Index => u32::try_from(self.index).ok().map(f64::from),
                NumberField::Coverage => self.coverage,
                _ => return None,
            })),
            Expression::Text { field, test } => Some(self.text_holds(*field, test)),
            _ => None,
        }
    }

    fn text_holds(&self, field: TextField, test: &TextTest) -> bool {
        test.holds(match field {
            TextField::Name => self.name,
            TextField::Type => self.kind,
            TextField::Message => self.message,
            _ => None,
        })
    }
}

/// Every member that is asked for must be there and agree; lists element by element.
fn agrees(asked: &Value, known: &Value) -> bool {
    match (asked, known) {
        (Value::Object(asked), Value::Object(known)) => asked
            .iter()
            .all(|(key, asked)| known.get(key).is_some_and(|known| agrees(asked, known))),
        (Value::Array(asked), Value::Array(known)) => {
            asked.len() == known.len() && asked.iter().zip(known).all(|(a, k)| agrees(a, k))
        }
        (Value::Number(asked), Value::Number(known)) => asked.as_f64() == known.as_f64(),
        (asked, known) => asked == known,
    }
}

/// A cause as GetTraceSummaries tells it.
fn to_json(cause: &RootCause) -> Value {
    let services: Vec<Value> = cause.services.iter().map(service_to_json).collect();
    json!({ "Services": services, "ClientImpacting": cause.client_impacting })
}

fn service_to_json(service: &RootCauseService) -> Value {
    let id = service.service.as_ref();
    let mut members = Map::new();
    members.insert("Name".to_owned(), service.name().into());
    members.insert("Names".to_owned(), json!([service.name()]));
    let kind = id.and_then(|id| id.kind.as_deref()).unwrap_or_default();
    members.insert("Type".to_owned(), kind.into());
    if let Some(account_id) = id.and_then(|id| id.account_id.as_deref()) {
        members.insert("AccountId".to_owned(), account_id.into());
    }
    members.insert("Inferred".to_owned(), service.is_inferred.into());
    let path: Vec<Value> = service.path.iter().map(entity_to_json).collect();
    members.insert("EntityPath".to_owned(), path.into());
    Value::Object(members)
}

fn entity_to_json(entity: &RootCauseEntity) -> Value {
    let mut members = Map::new();
    members.insert("Name".to_owned(), entity.name.as_str().into());
    members.insert("Remote".to_owned(), entity.is_remote.into());
    match entity.coverage {
        Some(coverage) => members.insert("Coverage".to_owned(), coverage.into()),
        None => {
            let exceptions = entity.exceptions.iter().map(|exception| {
                // One without a class has an empty name there, and no message if it has none.
                let name = Value::from(exception.name.as_deref().unwrap_or_default());
                let message = exception.message.as_deref().map(Value::from);
                let message = message.map(|message| ("Message".to_owned(), message));
                Value::Object([("Name".to_owned(), name)].into_iter().chain(message).collect())
            });
            members.insert("Exceptions".to_owned(), exceptions.collect::<Vec<_>>().into())
        }
    };
    Value::Object(members)
}
