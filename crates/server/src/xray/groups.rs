//! Groups.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{
    ApiError, CreateGroupRequest, DeleteGroupReply, GetGroupsReply, GetGroupsRequest,
    Group as GroupShape, GroupReply, GroupRequest, InsightsConfiguration, UpdateGroupRequest,
};

use super::tags::tag_failure;
use super::{ChangeError, read_request, refuse_token, required};
use crate::app::App;
use crate::groups::{Group, GroupError, GroupSelector};
use crate::json;
use crate::tags::check_tags;

/// One group.
pub(super) fn get_group(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GroupRequest = read_request(body)?;
    let groups = app.groups.get();
    let selector = GroupSelector::new(request.group_name, request.group_arn);
    let (name, group) = groups.find(&selector).map_err(group_failure)?;
    json::write(&GroupReply { group: shape(name, group) })
}

/// All groups.
pub(super) fn get_groups(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetGroupsRequest = read_request(body)?;
    refuse_token(request.next_token.as_deref())?;
    let groups = app.groups.get();
    let shapes = groups.iter().map(|(name, group)| shape(name, group));
    json::write(&GetGroupsReply { groups: shapes.collect() })
}

/// Makes a group.
pub(super) async fn create_group(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: CreateGroupRequest = read_request(&body)?;
    let name = required("GroupName", request.group_name)?;
    let tags = check_tags(request.tags.unwrap_or_default()).map_err(tag_failure)?;
    let shared = Arc::clone(app);
    app.pool
        .run(move || {
            let (filter, insights) = (request.filter_expression, request.insights_configuration);
            let arn = shared.groups.change(|groups| {
                let arn = groups.create(name, filter, insights, shared.now())?;
                shared.set_tags(&arn, tags)?;
                Ok::<_, ChangeError>(arn)
            })?;
            reply(&shared, arn)
        })
        .await
}

/// Changes a group.
pub(super) async fn update_group(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: UpdateGroupRequest = read_request(&body)?;
    let selector = GroupSelector::new(request.group_name, request.group_arn);
    let shared = Arc::clone(app);
    app.pool
        .run(move || {
            let (filter, insights) = (request.filter_expression, request.insights_configuration);
            let arn = shared.groups.change(|groups| {
                Ok::<_, ChangeError>(groups.update(&selector, filter, insights)?)
            })?;
            reply(&shared, arn)
        })
        .await
}

/// Removes a group, and its tags.
pub(super) async fn delete_group(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: GroupRequest = read_request(&body)?;
    let selector = GroupSelector::new(request.group_name, request.group_arn);
    let shared = Arc::clone(app);
    app.pool
        .run(move || {
            let delete = |groups: &mut crate::groups::Groups| {
                Ok::<_, ChangeError>(groups.delete(&selector)?)
            };
            shared.groups.change_then(delete, |arn| shared.forget_tags(arn))?;
            json::write(&DeleteGroupReply::default())
        })
        .await
}

impl From<GroupError> for ChangeError {
    fn from(error: GroupError) -> Self {
        Self(group_failure(error))
    }
}

/// What the caller is told. Even what is not found is an invalid request here, as with X-Ray.
pub(super) fn group_failure(error: GroupError) -> ApiError {
    ApiError::invalid(error.to_string())
}

fn reply(app: &App, arn: String) -> Result<Vec<u8>, ApiError> {
    let groups = app.groups.get();
    let selector = GroupSelector::new(None, Some(arn));
    let (name, group) = groups.find(&selector).map_err(group_failure)?;
    json::write(&GroupReply { group: shape(name, group) })
}

fn shape<'a>(name: &'a str, group: &'a Group) -> GroupShape<'a> {
    GroupShape {
        group_name: name,
        group_arn: group.arn(name),
        filter_expression: group.text(),
        insights_configuration: InsightsConfiguration {
            insights_enabled: group.insights.enabled,
            notifications_enabled: group.insights.notify,
        },
    }
}
