//! Typed views of the blocks that assembly reads: `http`, `aws`, `cause`, `links`.
//!
//! Each reads leniently from the raw member; what is missing or of another type is `None`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::lenient::{Member, read_array, read_boolean, read_integer, read_object, read_text};
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
        for (key, value) in read_object(raw).unwrap_or_default() {
            let inner = read_object(value).unwrap_or_default();
            match key.as_ref() {
                "request" => {
                    http.method = text(&inner, "method");
                    http.url = text(&inner, "url");
                    http.user_agent = text(&inner, "user_agent");
                    http.client_ip = text(&inner, "client_ip");
                }
                "response" => http.status = find(&inner, "status").and_then(read_integer),
                _ => {}
            }
        }
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
        let members = read_object(raw).unwrap_or_default();
        let ec2 = find(&members, "ec2").and_then(read_object).unwrap_or_default();
        let only_table = || {
            let tables = read_array(find(&members, "table_names")?)?;
            let [table] = tables.as_slice() else { return None };
            read_text(table)
        };
        Self {
            account_id: text(&members, "account_id"),
            operation: text(&members, "operation"),
            table_name: text(&members, "table_name").or_else(only_table),
            queue_url: text(&members, "queue_url"),
            bucket_name: text(&members, "bucket_name"),
            function_name: text(&members, "function_name"),
            topic_arn: text(&members, "topic_arn"),
            instance_id: text(&ec2, "instance_id"),
            availability_zone: text(&ec2, "availability_zone"),
        }
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
                    trace_id: text(&members, "trace_id")?.parse().ok()?,
                    id: text(&members, "id")?.parse().ok()?,
                })
            })
            .collect()
    }
}

/// The raw value of one member.
pub(super) fn find<'a>(members: &[Member<'a>], name: &str) -> Option<&'a RawValue> {
    members.iter().find(|(key, _)| key == name).map(|&(_, value)| value)
}

fn text<'a>(members: &[Member<'a>], name: &str) -> Option<Cow<'a, str>> {
    find(members, name).and_then(read_text)
}

fn owned_text(members: &[Member<'_>], name: &str) -> Option<String> {
    text(members, name).map(Cow::into_owned)
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
