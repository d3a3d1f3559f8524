//! Trace summaries and the identities in them.

use std::collections::BTreeMap;

use roentgen_model::{
    AnnotationSummary, AnnotationValue, HttpSummary, RootCauses, ServiceId, Timestamp, TraceSummary,
};
use serde::Serialize;

use super::root_cause::RootCauseShape;
use crate::WireTime;

/// A trace summary. All lists and `Http` are always there: Grafana dereferences them unseen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and TraceSummary documents them")]
pub struct TraceSummaryShape<'a> {
    pub id: String,
    pub start_time: WireTime,
    pub duration: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<f64>,
    pub has_fault: bool,
    pub has_error: bool,
    pub has_throttle: bool,
    pub is_partial: bool,
    pub http: Http<'a>,
    pub annotations: BTreeMap<&'a str, Vec<ValueWithServiceIds<'a>>>,
    pub users: Vec<TraceUser<'a>>,
    pub service_ids: Vec<ServiceIdShape<'a>>,
    #[serde(rename = "ResourceARNs")]
    pub resource_arns: Vec<ResourceArn<'a>>,
    pub instance_ids: Vec<WithId<'a>>,
    pub availability_zones: Vec<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<ServiceIdShape<'a>>,
    pub fault_root_causes: Vec<RootCauseShape<'a>>,
    pub error_root_causes: Vec<RootCauseShape<'a>>,
    pub response_time_root_causes: Vec<RootCauseShape<'a>>,
    pub revision: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_event_time: Option<WireTime>,
}

/// The root's request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and HttpSummary documents them")]
pub struct Http<'a> {
    #[serde(rename = "HttpURL", skip_serializing_if = "Option::is_none")]
    pub http_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<&'a str>,
}

/// A node's identity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceIdShape<'a> {
    /// The canonical name.
    pub name: &'a str,
    /// All names, the canonical one first.
    pub names: [&'a str; 1],
    /// Absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<&'a str>,
    /// Absent when not known.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'a str>,
}

/// One value of an annotation and the services that wrote it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ValueWithServiceIds<'a> {
    /// The value.
    pub annotation_value: AnnotationValueShape<'a>,
    /// The services.
    pub service_ids: Vec<ServiceIdShape<'a>>,
}

/// A tagged union: exactly one member, named after the type.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub enum AnnotationValueShape<'a> {
    NumberValue(f64),
    BooleanValue(bool),
    StringValue(&'a str),
}

/// A user and the services that named him.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TraceUser<'a> {
    /// The user.
    pub user_name: &'a str,
    /// The services.
    pub service_ids: Vec<ServiceIdShape<'a>>,
}

/// A resource.
#[derive(Debug, Serialize)]
pub struct ResourceArn<'a> {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: &'a str,
}

/// An instance.
#[derive(Debug, Serialize)]
pub struct WithId<'a> {
    /// Its id.
    #[serde(rename = "Id")]
    pub id: &'a str,
}

/// An availability zone.
#[derive(Debug, Serialize)]
pub struct Named<'a> {
    /// Its name.
    #[serde(rename = "Name")]
    pub name: &'a str,
}

impl<'a> TraceSummaryShape<'a> {
    /// The wire form of a summary. `matched_at` is the time that made it match, for queries by
    /// another time than the trace id's.
    pub fn new(
        summary: &'a TraceSummary,
        causes: &'a RootCauses,
        matched_at: Option<Timestamp>,
    ) -> Self {
        Self {
            id: summary.id.to_string(),
            start_time: WireTime(summary.start),
            duration: summary.duration.clamped().as_seconds(),
            response_time: summary.response_time.map(|time| time.clamped().as_seconds()),
            has_fault: summary.has_fault,
            has_error: summary.has_error,
            has_throttle: summary.has_throttle,
            is_partial: summary.is_partial,
            http: Http::from(&summary.http),
            annotations: annotations(&summary.annotations),
            users: summary
                .users
                .iter()
                .map(|user| TraceUser {
                    user_name: &user.name,
                    service_ids: service_ids(&user.services),
                })
                .collect(),
            service_ids: service_ids(&summary.services),
            resource_arns: summary.resource_arns.iter().map(|arn| ResourceArn { arn }).collect(),
            instance_ids: summary.instance_ids.iter().map(|id| WithId { id }).collect(),
            availability_zones: summary
                .availability_zones
                .iter()
                .map(|name| Named { name })
                .collect(),
            entry_point: summary.entry_point.as_ref().map(ServiceIdShape::from),
            fault_root_causes: RootCauseShape::list(&causes.faults),
            error_root_causes: RootCauseShape::list(&causes.errors),
            response_time_root_causes: RootCauseShape::list(&causes.response_time),
            revision: summary.revision,
            matched_event_time: matched_at.map(WireTime),
        }
    }
}

impl<'a> From<&'a HttpSummary> for Http<'a> {
    fn from(http: &'a HttpSummary) -> Self {
        Self {
            http_url: http.url.as_deref(),
            // A status beyond 32 bits would fail the whole reply in typed clients.
            http_status: http.status.and_then(|status| i32::try_from(status).ok()),
            http_method: http.method.as_deref(),
            user_agent: http.user_agent.as_deref(),
            client_ip: http.client_ip.as_deref(),
        }
    }
}

impl<'a> From<&'a ServiceId> for ServiceIdShape<'a> {
    fn from(id: &'a ServiceId) -> Self {
        Self {
            name: &id.name,
            names: [&id.name],
            account_id: id.account_id.as_deref(),
            kind: id.kind.as_deref(),
        }
    }
}

impl<'a> From<&'a AnnotationValue<'_>> for AnnotationValueShape<'a> {
    fn from(value: &'a AnnotationValue<'_>) -> Self {
        match value {
            AnnotationValue::String(text) => Self::StringValue(text),
            AnnotationValue::Number(number) => Self::NumberValue(*number),
            AnnotationValue::Boolean(truth) => Self::BooleanValue(*truth),
        }
    }
}

fn service_ids(services: &[ServiceId]) -> Vec<ServiceIdShape<'_>> {
    services.iter().map(ServiceIdShape::from).collect()
}

fn annotations(list: &[AnnotationSummary]) -> BTreeMap<&str, Vec<ValueWithServiceIds<'_>>> {
    let mut by_key: BTreeMap<&str, Vec<ValueWithServiceIds<'_>>> = BTreeMap::new();
    for annotation in list {
        by_key.entry(&annotation.key).or_default().push(ValueWithServiceIds {
            annotation_value: (&annotation.value).into(),
            service_ids: service_ids(&annotation.services),
        });
    }
    by_key
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use roentgen_model::{Document, Names, assemble};

    use super::*;

    fn summary(document: &str) -> TraceSummary {
        let document = Document::parse(document.as_bytes()).unwrap();
        assemble(document.trace_id, vec![document], &mut Names::default()).unwrap().summary
    }

    #[test]
    fn every_member_is_there() {
        let summary = summary(
            r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"53995c3f42cd8ad8",
            "name":"shop","start_time":1478293361.271,"end_time":1478293361.449,
            "origin":"AWS::EC2::Instance","user":"ann","resource_arn":"arn:x",
            "http":{"request":{"method":"GET","url":"http://shop/"},"response":{"status":200}},
            "aws":{"account_id":"123456789012","ec2":{"instance_id":"i-1","availability_zone":"z"}},
            "annotations":{"a":1,"b":true,"c":"x"}}"#,
        );
        let causes = RootCauses::default();
        let shape = TraceSummaryShape::new(&summary, &causes, None);
        expect![[r#"
            {
              "Id": "1-581cf771-a006649127e371903a2de979",
              "StartTime": 1478293361.271,
              "Duration": 0.178,
              "ResponseTime": 0.178,
              "HasFault": false,
              "HasError": false,
              "HasThrottle": false,
              "IsPartial": false,
              "Http": {
                "HttpURL": "http://shop/",
                "HttpStatus": 200,
                "HttpMethod": "GET"
              },
              "Annotations": {
                "a": [
                  {
                    "AnnotationValue": {
                      "NumberValue": 1.0
                    },
                    "ServiceIds": [
                      {
                        "Name": "shop",
                        "Names": [
                          "shop"
                        ],
                        "AccountId": "123456789012",
                        "Type": "AWS::EC2::Instance"
                      }
                    ]
                  }
                ],
                "b": [
                  {
                    "AnnotationValue": {
                      "BooleanValue": true
                    },
                    "ServiceIds": [
                      {
                        "Name": "shop",
                        "Names": [
                          "shop"
                        ],
                        "AccountId": "123456789012",
                        "Type": "AWS::EC2::Instance"
                      }
                    ]
                  }
                ],
                "c": [
                  {
                    "AnnotationValue": {
                      "StringValue": "x"
                    },
                    "ServiceIds": [
                      {
                        "Name": "shop",
                        "Names": [
                          "shop"
                        ],
                        "AccountId": "123456789012",
                        "Type": "AWS::EC2::Instance"
                      }
                    ]
                  }
                ]
              },
              "Users": [
                {
                  "UserName": "ann",
                  "ServiceIds": [
                    {
                      "Name": "shop",
                      "Names": [
                        "shop"
                      ],
                      "AccountId": "123456789012",
                      "Type": "AWS::EC2::Instance"
                    }
                  ]
                }
              ],
              "ServiceIds": [
                {
                  "Name": "shop",
                  "Names": [
                    "shop"
                  ],
                  "AccountId": "123456789012",
                  "Type": "AWS::EC2::Instance"
                },
                {
                  "Name": "shop",
                  "Names": [
                    "shop"
                  ],
                  "Type": "client"
                }
              ],
              "ResourceARNs": [
                {
                  "ARN": "arn:x"
                }
              ],
              "InstanceIds": [
                {
                  "Id": "i-1"
                }
              ],
              "AvailabilityZones": [
                {
                  "Name": "z"
                }
              ],
              "EntryPoint": {
                "Name": "shop",
                "Names": [
                  "shop"
                ],
                "AccountId": "123456789012",
                "Type": "AWS::EC2::Instance"
              },
              "FaultRootCauses": [],
              "ErrorRootCauses": [],
              "ResponseTimeRootCauses": [],
              "Revision": 1
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&shape).unwrap());
    }

    #[test]
    fn what_is_unknown_is_absent_and_lists_are_empty() {
        let summary = summary(
            r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"53995c3f42cd8ad8",
            "name":"shop","start_time":1478293361.271,"in_progress":true,
            "http":{"response":{"status":99999999999}}}"#,
        );
        let matched_at = Some(Timestamp::from_micros(1_500_000));
        let causes = RootCauses::default();
        let shape = TraceSummaryShape::new(&summary, &causes, matched_at);
        expect![[r#"{"Id":"1-581cf771-a006649127e371903a2de979","StartTime":1478293361.271,"Duration":0.0,"HasFault":false,"HasError":false,"HasThrottle":false,"IsPartial":true,"Http":{},"Annotations":{},"Users":[],"ServiceIds":[{"Name":"shop","Names":["shop"]},{"Name":"shop","Names":["shop"],"Type":"client"}],"ResourceARNs":[],"InstanceIds":[],"AvailabilityZones":[],"EntryPoint":{"Name":"shop","Names":["shop"]},"FaultRootCauses":[],"ErrorRootCauses":[],"ResponseTimeRootCauses":[],"Revision":1,"MatchedEventTime":1.5}"#]].assert_eq(&serde_json::to_string(&shape).unwrap());
    }
}
