//! One request prepared: all its documents, in the order in which they are sent.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use roentgen_model::Timestamp;

use super::contribution::Contribution;
use super::filling::Filling;
use super::template::{Registry, Template, TimeStyle, Value};
use super::{CorpusError, DRAFT_TIME};

/// Documents of one request as they were written once, slowly.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) json: String,
    /// Whether it is to arrive long after the others.
    pub(super) is_late: bool,
}

/// One prepared document.
#[derive(Debug)]
pub(super) struct Prepared {
    /// As it stands in a datagram.
    pub(super) plain: Template,
    /// As it stands in the JSON string of a call.
    pub(super) escaped: Template,
    /// The place of its trace in the request.
    pub(super) trace: u32,
    pub(super) is_late: bool,
}

/// One prepared request.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) documents: Vec<Prepared>,
    /// When each of its traces begins, microseconds after the request does.
    pub(super) traces: Vec<i64>,
    /// From the first start to the last end, microseconds.
    pub(super) span: i64,
    /// Worked out when it is asked for: most runs are not alone with their names.
    contribution: OnceLock<Contribution>,
}

impl From<String> for Draft {
    fn from(json: String) -> Self {
        Self { json, is_late: false }
    }
}

impl Shape {
    /// Prepares the documents of a request. `name_suffix` is added to the names of its segments.
    ///
    /// # Errors
    /// When a draft is not a segment document with an id of its trace and times.
    pub(super) fn new(drafts: &[Draft], name_suffix: &str) -> Result<Self, CorpusError> {
        let heads = drafts.iter().map(Head::read).collect::<Result<Vec<_>, _>>()?;
        let begin = heads.iter().map(|head| head.start).min().unwrap_or_default();
        let mut registry = Registry::new(begin, name_suffix);
        let mut starts: BTreeMap<u32, i64> = BTreeMap::new();
        let mut documents = Vec::with_capacity(drafts.len());
        for (draft, head) in drafts.iter().zip(&heads) {
            let trace = registry.trace(&head.trace_id);
            let start = starts.entry(trace).or_insert(head.start);
            *start = head.start.min(*start);
            let plain = registry.template(&draft.json, head.is_segment);
            let escaped = plain.escaped();
            documents.push(Prepared { plain, escaped, trace, is_late: draft.is_late });
        }
        let span = documents.iter().flat_map(|document| offsets(&document.plain)).max();
        Ok(Self {
            traces: starts.into_values().map(|start| start - begin).collect(),
            span: span.unwrap_or_default(),
            documents,
            contribution: OnceLock::new(),
        })
    }

    /// What the request adds to the graph when it takes as long as its drafts say.
    pub(super) fn contribution(&self) -> &Contribution {
        self.contribution.get_or_init(|| self.work_out_contribution())
    }

    fn work_out_contribution(&self) -> Contribution {
        let filling = Filling::as_drafted(DRAFT_TIME.as_micros(), &self.traces);
        let documents: Vec<(Vec<u8>, TimeStyle)> = self
            .documents
            .iter()
            .map(|document| {
                let mut text = Vec::new();
                filling.write(&document.plain, &mut text);
                (text, style_of(&document.plain))
            })
            .collect();
        Contribution::of(documents.iter().map(|(text, style)| (text.as_slice(), *style)))
    }
}

/// What a draft says about its place in the request.
struct Head {
    trace_id: String,
    start: i64,
    /// Whether it is a segment, and not a subsegment on its own.
    is_segment: bool,
}

impl Head {
    fn read(draft: &Draft) -> Result<Self, CorpusError> {
        let json: serde_json::Value = serde_json::from_str(&draft.json)
            .map_err(|source| CorpusError::Draft { source, document: draft.json.clone() })?;
        let trace_id = json.get("trace_id").and_then(serde_json::Value::as_str);
        let start = json.get("start_time").and_then(serde_json::Value::as_f64);
        match (trace_id, start.and_then(Timestamp::from_seconds)) {
            (Some(trace_id), Some(start)) => {
                let is_segment = json.get("type").is_none();
                Ok(Self { trace_id: trace_id.to_owned(), start: start.as_micros(), is_segment })
            }
            _ => Err(CorpusError::Incomplete { document: draft.json.clone() }),
        }
    }
}

fn offsets(template: &Template) -> impl Iterator<Item = i64> {
    template.places.iter().filter_map(|place| match place.value {
        Value::Time { offset, .. } => Some(offset),
        _ => None,
    })
}

fn style_of(template: &Template) -> TimeStyle {
    let style = template.places.iter().find_map(|place| match place.value {
        Value::Time { style, .. } => Some(style),
        _ => None,
    });
    style.unwrap_or(TimeStyle::Microseconds)
}
