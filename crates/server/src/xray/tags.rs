//! Tags of groups and sampling rules.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{
    ApiError, ErrorKind, ListTagsForResourceReply, ListTagsForResourceRequest, Tag, TagReply,
    TagResourceRequest, UntagResourceRequest,
};

use super::{ChangeError, read_request, refuse_token, required};
use crate::app::App;
use crate::json;
use crate::tags::{TagBook, TagError, check_keys, check_tags};

/// Characters of an ARN (API model).
const MOST_ARN_CHARACTERS: usize = 1011;

/// The tags of a group or rule.
pub(super) fn list_tags_for_resource(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: ListTagsForResourceRequest = read_request(body)?;
    refuse_token(request.next_token.as_deref())?;
    let arn = check_arn(request.resource_arn)?;
    let tags = app.tags.get();
    let arn = app.resource_arn(&arn).ok_or_else(|| not_found(&arn))?;
    let tags = tags.of(&arn).into_iter().map(|(key, value)| Tag { key, value });
    json::write(&ListTagsForResourceReply { tags: tags.collect() })
}

/// Adds tags.
pub(super) async fn tag_resource(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: TagResourceRequest = read_request(&body)?;
    let arn = check_arn(request.resource_arn)?;
    let tags = check_tags(required("Tags", request.tags)?).map_err(tag_failure)?;
    change(app, arn, |book, arn| book.add(arn, tags)).await
}

/// Takes tags away.
pub(super) async fn untag_resource(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: UntagResourceRequest = read_request(&body)?;
    let arn = check_arn(request.resource_arn)?;
    let keys = required("TagKeys", request.tag_keys)?;
    check_keys(&keys).map_err(tag_failure)?;
    let remove = move |book: &mut TagBook, arn: &str| {
        book.remove(arn, &keys);
        Ok(())
    };
    change(app, arn, remove).await
}

async fn change(
    app: &Arc<App>,
    arn: String,
    change: impl FnOnce(&mut TagBook, &str) -> Result<(), TagError> + Send + 'static,
) -> Result<Vec<u8>, ApiError> {
    let shared = Arc::clone(app);
    app.pool
        .run(move || {
            shared.tags.change(|book| {
                // Looked up while nothing else changes tags: who deletes a resource forgets its
                // tags afterwards.
                let arn = shared.resource_arn(&arn).ok_or_else(|| ChangeError(not_found(&arn)))?;
                change(book, &arn).map_err(|error| ChangeError(tag_failure(error)))
            })?;
            json::write(&TagReply::default())
        })
        .await
}

fn check_arn(arn: Option<String>) -> Result<String, ApiError> {
    let arn = required("ResourceARN", arn)?;
    if (1..=MOST_ARN_CHARACTERS).contains(&arn.chars().count()) {
        return Ok(arn);
    }
    let message = format!("ResourceARN must have 1 to {MOST_ARN_CHARACTERS} characters");
    Err(ApiError::invalid(message))
}

fn not_found(arn: &str) -> ApiError {
    ApiError::new(ErrorKind::ResourceNotFound, format!("There is no group or rule {arn}"))
}

/// What the caller is told.
pub(super) fn tag_failure(error: TagError) -> ApiError {
    let kind = match error {
        TagError::TooMany => ErrorKind::TooManyTags,
        _ => ErrorKind::InvalidRequest,
    };
    ApiError::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kept::Keep as _;

    #[tokio::test]
    async fn the_default_group_has_the_same_tags_by_whatever_arn() {
        let directory = tempfile::TempDir::new().unwrap();
        let app = Arc::new(App::for_tests(directory.path()));
        let arn = |account: u32| format!("arn:aws:xray:us-east-1:{account}:group/Default");
        for account in 0..60 {
            let key = format!("key-{}", account % 3);
            let tags = json!([{"Key": key, "Value": account.to_string()}]);
            let body = json!({"ResourceARN": arn(account), "Tags": tags}).to_string();
            tag_resource(&app, body.into()).await.unwrap();
        }
        assert_eq!(app.tags.get().stored().len(), 1);
        let told = |account: u32| -> Value {
            let body = json!({"ResourceARN": arn(account)}).to_string();
            let reply = list_tags_for_resource(&app, body.as_bytes()).unwrap();
            serde_json::from_slice::<Value>(&reply).unwrap()["Tags"].take()
        };
        let expect = json!([
            {"Key": "key-0", "Value": "57"},
            {"Key": "key-1", "Value": "58"},
            {"Key": "key-2", "Value": "59"},
        ]);
        assert_eq!(told(7), expect);
        let keys = json!(["key-0", "key-1", "key-2"]);
        let body = json!({"ResourceARN": arn(1000), "TagKeys": keys}).to_string();
        untag_resource(&app, body.into()).await.unwrap();
        assert_eq!(told(7), json!([]));
        assert!(app.tags.get().stored().is_empty());
    }
}
