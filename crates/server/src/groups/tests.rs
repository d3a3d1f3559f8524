//! Groups as people make, change and name them, and what is refused.

use super::*;
use crate::kept::Keep as _;

fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

fn named(name: &str) -> GroupSelector {
    GroupSelector::new(Some(name.to_owned()), None)
}

fn with_arn(arn: &str) -> GroupSelector {
    GroupSelector::new(None, Some(arn.to_owned()))
}

fn create(groups: &mut Groups, name: &str, filter: &str) -> Result<String, GroupError> {
    groups.create(name.to_owned(), Some(filter.to_owned()), None, now())
}

fn insights(enabled: Option<bool>, notify: Option<bool>) -> Option<InsightsConfigurationInput> {
    Some(InsightsConfigurationInput { insights_enabled: enabled, notifications_enabled: notify })
}

#[test]
fn groups_are_found_by_name_and_by_arn() {
    let mut groups = Groups::default();
    let arn = create(&mut groups, "slow", "responsetime > 5").unwrap();
    assert!(arn.starts_with("arn:aws:xray:us-east-1:000000000000:group/slow/"), "{arn}");
    let check = |selector: &GroupSelector, expect: Result<&str, GroupError>| {
        assert_eq!(groups.find(selector).map(|(name, _)| name), expect, "{selector:?}");
    };
    check(&named("slow"), Ok("slow"));
    check(&with_arn(&arn), Ok("slow"));
    let both = GroupSelector::new(Some("slow".to_owned()), Some(arn.clone()));
    check(&both, Ok("slow"));
    let other = GroupSelector::new(Some("Default".to_owned()), Some(arn.clone()));
    check(&other, Err(GroupError::TwoGroups));
    check(&named("Slow"), Err(GroupError::NotFound));
    check(&with_arn(&arn[..arn.len() - 1]), Err(GroupError::NotFound));
    check(&with_arn("arn:aws:xray:eu-west-1:1234:group/Default"), Ok("Default"));
    check(&GroupSelector::default(), Err(GroupError::NotNamed));
    check(&named(""), Err(GroupError::NotNamed));
    assert_eq!(groups.find_or_default(&named("")).unwrap().0, "Default");
    assert_eq!(groups.find_or_default(&named("x")).unwrap_err(), GroupError::NotFound);
    let names: Vec<_> = groups.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Default", "slow"]);
}

#[test]
fn what_cannot_be_created() {
    let mut groups = Groups::default();
    create(&mut groups, "there", "").unwrap();
    let mut check = |name: &str, filter: &str, expect: &str| {
        let message = create(&mut groups, name, filter).unwrap_err().to_string();
        assert!(message.contains(expect), "{message}");
    };
    check("", "", "1 to 32 characters");
    check(&"x".repeat(33), "", "1 to 32 characters");
    check("a\nb", "", "no control characters");
    check("Default", "", "reserved");
    check("there", "", "already exists");
    check("x", "responsetim > 5", "Error Location: line 1, position 12");
    check("x", "group.name = \"there\"", "must not name groups");
    check("x", "fault OR !(group.arn != \"a\")", "must not name groups");
    for number in 1..25 {
        create(&mut groups, &format!("group-{number}"), "").unwrap();
    }
    let error = create(&mut groups, "one more", "").unwrap_err();
    assert_eq!(error.to_string(), "The limit of 25 groups is reached");
}

#[test]
fn an_update_changes_what_it_names() {
    let mut groups = Groups::default();
    let arn = create(&mut groups, "g", "fault").unwrap();
    let mut check =
        |filter: Option<&str>, given, expect: Result<(Option<&str>, bool, bool), GroupError>| {
            let outcome = groups.update(&named("g"), filter.map(str::to_owned), given);
            let group = groups.find(&named("g")).unwrap().1;
            let found = outcome.map(|found| {
                assert_eq!(found, arn);
                (group.text(), group.insights.enabled, group.insights.notify)
            });
            assert_eq!(found, expect);
        };
    check(None, None, Ok((Some("fault"), false, false)));
    check(Some("error"), insights(Some(true), None), Ok((Some("error"), true, false)));
    check(None, insights(None, Some(true)), Ok((Some("error"), true, true)));
    check(None, insights(Some(false), None), Ok((Some("error"), false, false)));
    check(None, insights(None, Some(true)), Err(GroupError::NotificationsWithoutInsights));
    check(Some(" "), None, Ok((None, false, false)));
}

#[test]
fn the_default_group_has_all_and_stays() {
    let mut groups = Groups::default();
    let default = named(DEFAULT_GROUP);
    let update = groups.update(&default, Some("fault".to_owned()), None);
    assert_eq!(update.unwrap_err(), GroupError::DefaultHasAll);
    groups.update(&default, None, insights(Some(true), Some(true))).unwrap();
    assert!(groups.find(&default).unwrap().1.insights.notify);
    assert_eq!(groups.delete(&default).unwrap_err(), GroupError::DefaultStays);
}

#[test]
fn a_group_made_anew_has_another_arn() {
    let mut groups = Groups::default();
    let first = create(&mut groups, "g", "").unwrap();
    assert_eq!(groups.delete(&named("g")).unwrap(), first);
    assert_eq!(groups.delete(&named("g")).unwrap_err(), GroupError::NotFound);
    let later = now().plus(roentgen_model::Micros::new(1));
    assert_ne!(groups.create("g".to_owned(), None, None, later).unwrap(), first);
}

#[test]
fn names_in_expressions_stand_for_those_of_groups() {
    let mut groups = Groups::default();
    let arn = create(&mut groups, "slow", "responsetime > 5 OR duration > 9").unwrap();
    create(&mut groups, "wide", &vec!["ok"; MAX_TERMS / 2].join(" OR ")).unwrap();
    let check = |text: &str, expect: Result<&str, GroupError>| {
        let found = groups.put_in(parse(text).unwrap());
        assert_eq!(found.map(|found| found.to_string()), expect.map(str::to_owned), "{text}");
    };
    check("group.name = \"slow\" fault", Ok("(responsetime > 5 OR duration > 9) AND fault"));
    check(&format!("group.arn = \"{arn}\""), Ok("responsetime > 5 OR duration > 9"));
    check("group.name != \"slow\"", Ok("!(responsetime > 5 OR duration > 9)"));
    check("group.name = \"fast\"", Err(GroupError::NamedUnknown("fast".to_owned())));
    let many = vec!["group.name = \"slow\""; MOST_NAMED + 1].join(" ");
    check(&many, Err(GroupError::NamesTooMany));
    let two = "!group.name = \"wide\" OR group.name = \"wide\"";
    assert_eq!(groups.put_in(parse(two).unwrap()).unwrap().terms(), MAX_TERMS);
    check(&format!("{two} OR fault"), Err(FilterError::TooManyTerms.into()));
}

#[test]
fn groups_come_back_as_they_were() {
    let mut groups = Groups::default();
    create(&mut groups, "slow", "responsetime>5").unwrap();
    groups.create("all".to_owned(), None, insights(Some(true), Some(true)), now()).unwrap();
    groups.update(&named(DEFAULT_GROUP), None, insights(Some(true), None)).unwrap();
    let json = serde_json::to_string(&groups.stored()).unwrap();
    assert_eq!(Groups::restore(serde_json::from_str(&json).unwrap()), Ok(groups));
    let check = |from: &str, to: &str, expect: &str| {
        let changed = json.replace(from, to);
        assert_ne!(changed, json);
        let error = Groups::restore(serde_json::from_str(&changed).unwrap()).unwrap_err();
        assert!(error.contains(expect), "{error}");
    };
    check("responsetime>5", "responsetim>5", "group \"slow\": Error Location");
    check("\"slow\"", "\"all\"", "already exists");
    check("\"slow\"", "\"\"", "1 to 32 characters");
}
