//! The table `traces`: one row for the summary of each trace.

use roentgen_model::{AnnotationValue, Outcome, ServiceId, TraceSummary};

use super::column::{Cell, Column, Type};
use super::writer::Table;

/// One row for each trace: its summary, as GetTraceSummaries tells it.
#[derive(Debug)]
pub(super) enum TraceTable {}

/// The parts of a service.
const SERVICE: [(&str, Type); 3] =
    [("name", Type::Text), ("type", Type::Text), ("account_id", Type::Text)];

impl Table for TraceTable {
    type Row<'r> = TraceSummary;
    const NAME: &'static str = "traces";
    const DISTINCT: &'static [&'static str] = &["trace_id"];

    fn columns() -> Vec<Column<Self>> {
        vec![
            Column::required("trace_id", Type::Text, |row| row.id.to_string().into()),
            Column::required("time", Type::Time, |row| row.time.into()),
            Column::required("start_time", Type::Time, |row| row.start.into()),
            Column::required("end_time", Type::Time, |row| row.end.into()),
            Column::required("duration", Type::Number, |row| row.duration.into()),
            Column::optional("response_time", Type::Number, |row| row.response_time.into()),
            Column::required("outcome", Type::Text, |row| outcome(row.outcome).into()),
            Column::required("has_fault", Type::Truth, |row| row.has_fault.into()),
            Column::required("has_error", Type::Truth, |row| row.has_error.into()),
            Column::required("has_throttle", Type::Truth, |row| row.has_throttle.into()),
            Column::required("is_partial", Type::Truth, |row| row.is_partial.into()),
            Column::optional("http_method", Type::Text, |row| row.http.method.as_deref().into()),
            Column::optional("http_url", Type::Text, |row| row.http.url.as_deref().into()),
            Column::optional("http_status", Type::Integer, |row| row.http.status.into()),
            Column::optional("http_user_agent", Type::Text, |row| {
                row.http.user_agent.as_deref().into()
            }),
            Column::optional("http_client_ip", Type::Text, |row| {
                row.http.client_ip.as_deref().into()
            }),
            Column::optional("entry_point", Type::Text, |row| {
                row.entry_point.as_ref().map(|service| &*service.name).into()
            }),
            Column::optional("entry_point_type", Type::Text, |row| {
                row.entry_point.as_ref().and_then(|service| service.kind.as_deref()).into()
            }),
            Column::structures("services", &SERVICE, |row, each| {
                row.services.iter().for_each(|service| each(&parts(service)));
            }),
            Column::structures(
                "annotations",
                &[("key", Type::Text), ("value", Type::Text), ("number", Type::Number)],
                |row, each| {
                    for annotation in &row.annotations {
                        let (text, number) = match &annotation.value {
                            AnnotationValue::String(text) => (text.into(), Cell::Null),
                            AnnotationValue::Number(number) => {
                                (number.to_string().into(), (*number).into())
                            }
                            AnnotationValue::Boolean(truth) => {
                                (truth.to_string().into(), Cell::Null)
                            }
                        };
                        each(&[(&annotation.key).into(), text, number]);
                    }
                },
            ),
            Column::list("users", Type::Text, |row, each| {
                row.users.iter().for_each(|user| each(&[(&user.name).into()]));
            }),
            Column::list("resource_arns", Type::Text, |row, each| {
                row.resource_arns.iter().for_each(|arn| each(&[arn.into()]));
            }),
            Column::list("instance_ids", Type::Text, |row, each| {
                row.instance_ids.iter().for_each(|id| each(&[id.into()]));
            }),
            Column::list("availability_zones", Type::Text, |row, each| {
                row.availability_zones.iter().for_each(|zone| each(&[zone.into()]));
            }),
            Column::required("segments", Type::Integer, |row| row.segment_count.into()),
            Column::required("revision", Type::Integer, |row| row.revision.into()),
        ]
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Error => "error",
        Outcome::Throttle => "throttle",
        Outcome::Fault => "fault",
    }
}

fn parts(service: &ServiceId) -> [Cell<'_>; 3] {
    [(&*service.name).into(), service.kind.as_deref().into(), service.account_id.as_deref().into()]
}
