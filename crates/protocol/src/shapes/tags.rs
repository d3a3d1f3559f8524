//! Tags of groups and sampling rules.

use serde::{Deserialize, Serialize};

/// A tag as callers send it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct TagInput {
    pub key: Option<String>,
    pub value: Option<String>,
}

/// Request of TagResource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagResourceRequest {
    /// Required: the group or sampling rule.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// Required.
    pub tags: Option<Vec<TagInput>>,
}

/// Request of UntagResource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagResourceRequest {
    /// Required: the group or sampling rule.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// Required.
    pub tag_keys: Option<Vec<String>>,
}

/// Reply of TagResource and UntagResource: nothing.
#[derive(Debug, Default, Serialize)]
pub struct TagReply {}

/// Request of ListTagsForResource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsForResourceRequest {
    /// Required: the group or sampling rule.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

/// Reply of ListTagsForResource: all tags at once, for there are few.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsForResourceReply {
    /// By key.
    pub tags: Vec<Tag>,
}

/// A tag.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct Tag {
    pub key: String,
    pub value: String,
}
