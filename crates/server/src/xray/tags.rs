//! Tags of groups and sampling rules.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{
    ApiError, ErrorKind, ListTagsForResourceReply, ListTagsForResourceRequest, Tag, TagReply,
    TagResourceRequest, UntagResourceRequest,
};
use roentgen_store::SettingsError;

use super::{read_request, refuse_token, required, unsaved};
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
    if !app.has_resource(&arn) {
        return Err(not_found(&arn));
    }
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
                if !shared.has_resource(&arn) {
                    return Err(ChangeError(not_found(&arn)));
                }
                change(book, &arn).map_err(|error| ChangeError(tag_failure(error)))
            })?;
            json::write(&TagReply::default())
        })
        .await
}

/// Why tags did not change.
struct ChangeError(ApiError);

impl From<SettingsError> for ChangeError {
    fn from(error: SettingsError) -> Self {
        Self(unsaved(&error))
    }
}

impl From<ChangeError> for ApiError {
    fn from(ChangeError(error): ChangeError) -> Self {
        error
    }
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
