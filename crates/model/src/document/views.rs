//! Typed views of the blocks that assembly reads: `http`, `aws`, `cause`, `links`.
//!
//! Each reads leniently from the raw member; what is missing or of another type is `None`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::lenient::{
    Member, for_each_member, read_array, read_boolean, read_integer, read_object, read_text,
};
use super::own;
use crate::{SegmentId, TraceId};

/// The `http` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http<'a> {
    /// `request.method`.
    pub method: Option<Cow<'a, str>>,
    /// `request.url`.
    pub url: Option<Cow<'a, str>>,
    /// `request.user_agent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// `request.client_ip`.
    pub client_ip: Option<Cow<'a, str>>,
    /// `response.status`.
    pub status: Option<i64>,
}

/// The `aws` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aws<'a> {
    /// `account_id`.
    pub account_id: Option<Cow<'a, str>>,
    /// `operation` of the call.
    pub operation: Option<Cow<'a, str>>,
    /// `table_name`, or the only element of `table_names`.
    pub table_name: Option<Cow<'a, str>>,
    /// `queue_url`.
    pub queue_url: Option<Cow<'a, str>>,
    /// `bucket_name`.
    pub bucket_name: Option<Cow<'a, str>>,
    /// `function_name`.
    pub function_name: Option<Cow<'a, str>>,
    /// `topic_arn`.
    pub topic_arn: Option<Cow<'a, str>>,
    /// `ec2.instance_id`.
    pub instance_id: Option<Cow<'a, str>>,
    /// `ec2.availability_zone`.
    pub availability_zone: Option<Cow<'a, str>>,
}

/// The `cause` block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The id of an exception that another entity records.
    pub reference: Option<String>,
    /// The exceptions recorded here.
    pub exceptions: Vec<Exception>,
}

/// One recorded exception.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exception {
    /// Its id; the Ruby SDK sends none.
    pub id: Option<String>,
    /// Its class.
    pub kind: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Whether a downstream call returned it.
    pub remote: bool,
    /// The id of the exception that caused it.
    pub cause: Option<String>,
}

/// A link to a segment of another trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other trace.
    pub trace_id: TraceId,
    /// The segment in it.
    pub id: SegmentId,
}

impl<'a> Http<'a> {
    pub(super) fn read(raw: &'a RawValue) -> Self {
        let mut http = Self::default();
        for_each_member(raw, |key, value| match key {
            b"request" => {
                http = Self { status: http.status, ..Self::default() };
                for_each_member(value, |key, value| match key {
                    b"method" => http.method = read_text(value),
                    b"url" => http.url = read_text(value),
                    b"user_agent" => http.user_agent = read_text(value),
                    b"client_ip" => http.client_ip = read_text(value),
                    _ => {}
                });
            }
            b"response" => {
                http.status = None;
                for_each_member(value, |key, value| {
                    if key == b"status" {
                        http.status = read_integer(value);
                    }
                });
            }
            _ => {}
        });
        http
    }

    pub(super) fn into_owned(self) -> Http<'static> {
        Http {
            method: own(self.method),
            url: own(self.url),
            user_agent: own(self.user_agent),
            client_ip: own(self.client_ip),
            status: self.status,
        }
    }
}

impl<'a> Aws<'a> {
    pub(super) fn read(raw: &'a RawValue) -> Self {
        let mut aws = Self::default();
        let mut only_table = None;
        for_each_member(raw, |key, value| match key {
            b"account_id" => aws.account_id = read_text(value),
            b"operation" => aws.operation = read_text(value),
            b"table_name" => aws.table_name = read_text(value),
            b"table_names" => only_table = read_only_text(value),
            b"queue_url" => aws.queue_url = read_text(value),
            b"bucket_name" => aws.bucket_name = read_text(value),
            b"function_name" => aws.function_name = read_text(value),
            b"topic_arn" => aws.topic_arn = read_text(value),
            b"ec2" => {
                (aws.instance_id, aws.availability_zone) = (None, None);
                for_each_member(value, |key, value| match key {
                    b"instance_id" => aws.instance_id = read_text(value),
                    b"availability_zone" => aws.availability_zone = read_text(value),
                    _ => {}
                });
            }
            _ => {}
        });
        aws.table_name = aws.table_name.or(only_table);
        aws
    }

    pub(super) fn into_owned(self) -> Aws<'static> {
        Aws {
            account_id: own(self.account_id),
            operation: own(self.operation),
            table_name: own(self.table_name),
            queue_url: own(self.queue_url),
            bucket_name: own(self.bucket_name),
            function_name: own(self.function_name),
            topic_arn: own(self.topic_arn),
            instance_id: own(self.instance_id),
            availability_zone: own(self.availability_zone),
        }
    }
}

impl Cause {
    /// Reads a cause in any of its shapes: an id, an object, an empty object.
    pub(super) fn read(raw: &RawValue) -> Self {
        if let Some(reference) = read_text(raw) {
            return Self { reference: Some(reference.into_owned()), exceptions: Vec::new() };
        }
        let members = read_object(raw).unwrap_or_default();
        let exceptions = find(&members, "exceptions").and_then(read_array).unwrap_or_default();
        Self {
            reference: owned_text(&members, "id"),
            exceptions: exceptions.into_iter().filter_map(Exception::read).collect(),
        }
    }
}

impl Exception {
    fn read(raw: &RawValue) -> Option<Self> {
        let members = read_object(raw)?;
        Some(Self {
            id: owned_text(&members, "id"),
            kind: owned_text(&members, "type"),
            message: owned_text(&members, "message"),
            remote: find(&members, "remote").and_then(read_boolean).unwrap_or_default(),
            cause: owned_text(&members, "cause"),
        })
    }
}

impl Link {
    /// Reads the links whose ids are ids; others are left out.
    pub(super) fn read_all(raw: &RawValue) -> Vec<Self> {
        let links = read_array(raw).unwrap_or_default();
        links
            .into_iter()
            .filter_map(|link| {
                let members = read_object(link)?;
                Some(Self {
                    trace_id: owned_text(&members, "trace_id")?.parse().ok()?,
                    id: owned_text(&members, "id")?.parse().ok()?,
                })
            })
            .collect()
    }
}

/// The text that is the only element of an array.
fn read_only_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let elements = read_array(raw)?;
    let [only] = elements.as_slice() else { return None };
    read_text(only)
}

/// The raw value of one member.
pub(super) fn find<'a>(members: &[Member<'a>], name: &str) -> Option<&'a RawValue> {
    members.iter().find(|(key, _)| key == name).map(|&(_, value)| value)
}

fn owned_text(members: &[Member<'_>], name: &str) -> Option<String> {
    find(members, name).and_then(read_text).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn http_reads_what_is_there() {
        let json = r#"{"request":{"method":"GET","url":5},"response":{"status":404,"content_length":"0"}}"#;
        let json = raw(json);
        let http = Http::read(&json);
        let expect = Http { method: Some("GET".into()), status: Some(404), ..Http::default() };
        assert_eq!(http, expect);
        assert_eq!(Http::read(&raw("null")), Http::default());
        assert_eq!(Http::read(&raw(r#"{"request":[]}"#)), Http::default());
    }

    #[test]
    fn a_single_table_may_come_as_a_list() {
        let check = |json: &str, expect: Option<&str>| {
            assert_eq!(Aws::read(&raw(json)).table_name.as_deref(), expect, "{json}");
        };
        check(r#"{"table_name":"Orders"}"#, Some("Orders"));
        check(r#"{"table_names":["Orders"]}"#, Some("Orders"));
        check(r#"{"table_names":["Orders","Users"]}"#, None);
        check(r#"{"table_names":"dict_keys(['Orders'])"}"#, None); // The Python SDK.
    }

    #[test]
    fn a_cause_has_many_shapes() {
        let check = |json: &str, reference: Option<&str>, exceptions: usize| {
            let cause = Cause::read(&raw(json));
            assert_eq!(
                (cause.reference.as_deref(), cause.exceptions.len()),
                (reference, exceptions)
            );
        };
        check(r#""624e4b37fcb8521d""#, Some("624e4b37fcb8521d"), 0);
        check(r#"{"id":"624e4b37fcb8521d","exceptions":[]}"#, Some("624e4b37fcb8521d"), 0);
        check("{}", None, 0);
        check(r#"{"exceptions":[{"message":"x","stack":[{"line":null}]},5]}"#, None, 1);
        check("null", None, 0);
    }

    #[test]
    fn broken_links_are_left_out() {
        let links = Link::read_all(&raw(
            r#"[{"trace_id":"1-6b02a510-033542544abf615d316ee2de","id":"2974158e19d0f339"},{"id":"x"}]"#,
        ));
        assert_eq!(links.len(), 1);
    }
}
