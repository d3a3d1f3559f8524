//! The table `segments`: one row for each document.

use std::borrow::Cow;

use roentgen_model::{AnnotationValue, Document, Entity, EntityKind, Timestamp, TraceId};

use super::column::{Cell, Column, Type};
use super::writer::Table;

/// One row for each document: a segment, or a subsegment that was sent on its own.
#[derive(Debug)]
pub(super) enum SegmentTable {}

/// A row of [`SegmentTable`].
#[derive(Debug)]
pub(super) struct Segment<'r> {
    trace_id: TraceId,
    received: Timestamp,
    /// The (sub)segment itself.
    entity: &'r Entity<'r>,
    /// Subsegments nested in it.
    subsegments: usize,
    text: Cow<'r, str>,
}

impl<'r> Segment<'r> {
    /// The row of a document and the bytes it was parsed from; `None` for a document without a
    /// (sub)segment, which parsing makes none of.
    pub(super) fn new(
        document: &'r Document<'r>,
        received: Timestamp,
        bytes: &'r [u8],
    ) -> Option<Self> {
        let (entity, nested) = document.entities.split_first()?;
        Some(Self {
            trace_id: document.trace_id,
            received,
            entity,
            subsegments: nested.len(),
            text: String::from_utf8_lossy(bytes),
        })
    }
}

impl Table for SegmentTable {
    type Row<'r> = Segment<'r>;
    const NAME: &'static str = "segments";
    const DISTINCT: &'static [&'static str] = &["trace_id", "id", "parent_id", "document"];

    fn columns() -> Vec<Column<Self>> {
        vec![
            Column::required("trace_id", Type::Text, |row| row.trace_id.to_string().into()),
            Column::required("id", Type::Text, |row| row.entity.id.to_string().into()),
            Column::optional("parent_id", Type::Text, |row| {
                row.entity.parent_id.map(|id| id.to_string()).into()
            }),
            Column::required("type", Type::Text, |row| match row.entity.kind {
                EntityKind::Segment => "segment".into(),
                EntityKind::Subsegment => "subsegment".into(),
            }),
            Column::required("name", Type::Text, |row| (&row.entity.name).into()),
            Column::optional("origin", Type::Text, |row| row.entity.origin.as_deref().into()),
            Column::optional("namespace", Type::Text, |row| row.entity.namespace.as_deref().into()),
            Column::required("start_time", Type::Time, |row| row.entity.start.into()),
            Column::optional("end_time", Type::Time, |row| row.entity.end.into()),
            Column::optional("duration", Type::Number, |row| {
                row.entity.end.map(|end| (end - row.entity.start).clamped()).into()
            }),
            Column::required("fault", Type::Truth, |row| row.entity.flags.fault.into()),
            Column::required("error", Type::Truth, |row| row.entity.flags.error.into()),
            Column::required("throttle", Type::Truth, |row| row.entity.flags.throttle.into()),
            Column::optional("http_method", Type::Text, |row| {
                row.entity.http.method.as_deref().into()
            }),
            Column::optional("http_url", Type::Text, |row| row.entity.http.url.as_deref().into()),
            Column::optional("http_status", Type::Integer, |row| row.entity.http.status.into()),
            Column::optional("http_user_agent", Type::Text, |row| {
                row.entity.http.user_agent.as_deref().into()
            }),
            Column::optional("http_client_ip", Type::Text, |row| {
                row.entity.http.client_ip.as_deref().into()
            }),
            Column::optional("user", Type::Text, |row| row.entity.user.as_deref().into()),
            Column::optional("account_id", Type::Text, |row| {
                row.entity.aws.account_id.as_deref().into()
            }),
            Column::optional("aws_operation", Type::Text, |row| {
                row.entity.aws.operation.as_deref().into()
            }),
            Column::optional("resource_arn", Type::Text, |row| {
                row.entity.resource_arn.as_deref().into()
            }),
            Column::map("annotations", Type::Text, |row, each| {
                for annotation in &row.entity.annotations {
                    let value = match &annotation.value {
                        AnnotationValue::String(text) => text.into(),
                        other => other.to_string().into(),
                    };
                    each(&[(&annotation.key).into(), value]);
                }
            }),
            Column::map("annotation_numbers", Type::Number, |row, each| {
                for annotation in &row.entity.annotations {
                    if let AnnotationValue::Number(number) = annotation.value {
                        each(&[(&annotation.key).into(), number.into()]);
                    }
                }
            }),
            Column::required("subsegments", Type::Integer, |row| row.subsegments.into()),
            Column::required("received", Type::Time, |row| row.received.into()),
            Column::required("document", Type::Text, |row| Cell::Text(&row.text)),
        ]
    }
}
