//! Tags of groups and sampling rules, by ARN.

use std::collections::BTreeMap;

use roentgen_protocol::TagInput;

use crate::kept::Keep;

/// Tags of a resource (X-Ray's quota).
const MOST_TAGS: usize = 50;
/// Tags, or keys, of one request (API model).
const MOST_IN_REQUEST: usize = 200;
/// Characters of a key (API model).
const MOST_KEY_CHARACTERS: usize = 128;
/// Characters of a value (API model).
const MOST_VALUE_CHARACTERS: usize = 256;

/// The tags of one resource, or those to be added.
pub(crate) type Tags = BTreeMap<String, String>;

/// All tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagBook(BTreeMap<String, Tags>);

/// What is wrong with tags.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("A resource may have at most {MOST_TAGS} tags")]
    TooMany,
    #[error("At most {MOST_IN_REQUEST} tags are allowed in a request")]
    TooManyInRequest,
    #[error("Key of a tag must have 1 to {MOST_KEY_CHARACTERS} characters")]
    Key,
    #[error(
        "Value of the tag {0:?} must be there and have at most {MOST_VALUE_CHARACTERS} characters"
    )]
    Value(String),
    #[error("The tag {0:?} has characters other than letters, digits, spaces and _ . : / = + - @")]
    Characters(String),
    #[error("The tag {0:?} begins with aws:, which is reserved")]
    Reserved(String),
    #[error("The tag {0:?} is there twice")]
    Twice(String),
}

/// The tags of a request.
///
/// # Errors
/// When one of them cannot be a tag, or there are too many.
pub(crate) fn check_tags(given: Vec<TagInput>) -> Result<Tags, TagError> {
    if given.len() > MOST_IN_REQUEST {
        return Err(TagError::TooManyInRequest);
    }
    let mut tags = Tags::new();
    for tag in given {
        let key = tag.key.unwrap_or_default();
        if !(1..=MOST_KEY_CHARACTERS).contains(&key.chars().count()) {
            return Err(TagError::Key);
        }
        let is_short = |value: &String| value.chars().count() <= MOST_VALUE_CHARACTERS;
        let Some(value) = tag.value.filter(is_short) else { return Err(TagError::Value(key)) };
        if !key.chars().chain(value.chars()).all(is_allowed) {
            return Err(TagError::Characters(key));
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(TagError::Reserved(key));
        }
        if tags.contains_key(&key) {
            return Err(TagError::Twice(key));
        }
        tags.insert(key, value);
    }
    if tags.len() > MOST_TAGS { Err(TagError::TooMany) } else { Ok(tags) }
}

/// Checks how many keys a request names.
pub(crate) fn check_keys(keys: &[String]) -> Result<(), TagError> {
    if keys.len() > MOST_IN_REQUEST { Err(TagError::TooManyInRequest) } else { Ok(()) }
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

impl TagBook {
    /// The tags of a resource, by key.
    pub(crate) fn of(&self, arn: &str) -> Tags {
        self.0.get(arn).cloned().unwrap_or_default()
    }

    /// Gives a resource other tags than it had.
    pub(crate) fn replace(&mut self, arn: &str, tags: Tags) {
        if tags.is_empty() {
            self.0.remove(arn);
        } else {
            self.0.insert(arn.to_owned(), tags);
        }
    }

    /// Adds tags; those of the same key are replaced.
    ///
    /// # Errors
    /// When there would be too many.
    pub(crate) fn add(&mut self, arn: &str, tags: Tags) -> Result<(), TagError> {
        let mut all = self.of(arn);
        all.extend(tags);
        if all.len() > MOST_TAGS {
            return Err(TagError::TooMany);
        }
        self.replace(arn, all);
        Ok(())
    }

    /// Takes tags away; those that are not there make no difference.
    pub(crate) fn remove(&mut self, arn: &str, keys: &[String]) {
        let mut left = self.of(arn);
        left.retain(|key, _| !keys.contains(key));
        self.replace(arn, left);
    }
}

impl Keep for TagBook {
    const KIND: &'static str = "tags";

    type Stored = BTreeMap<String, Tags>;

    fn initial() -> Self {
        Self::default()
    }

    fn stored(&self) -> Self::Stored {
        self.0.clone()
    }

    fn restore(stored: Self::Stored) -> Result<Self, String> {
        Ok(Self(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> TagInput {
        TagInput { key: Some(key.to_owned()), value: Some(value.to_owned()) }
    }

    fn tags(count: usize) -> Tags {
        (0..count).map(|number| (format!("key-{number}"), String::new())).collect()
    }

    #[test]
    fn what_can_be_a_tag() {
        let check = |key: &str, value: &str, expect: &str| {
            let message = check_tags(vec![tag(key, value)]).map_err(|error| error.to_string());
            match message {
                Ok(_) => assert_eq!(expect, "", "{key:?} {value:?}"),
                Err(message) => {
                    assert!(!expect.is_empty() && message.contains(expect), "{message}")
                }
            }
        };
        check("team", "", "");
        check("a b_c.d:e/f=g+h-i@j9ü", &"v".repeat(256), "");
        check("", "v", "1 to 128 characters");
        check(&"k".repeat(129), "v", "1 to 128 characters");
        check("k", &"v".repeat(257), "at most 256 characters");
        check("k", "a*b", "characters other than");
        check("k?", "v", "characters other than");
        check("aws:k", "v", "reserved");
        check("AWS:k", "v", "reserved");
    }

    #[test]
    fn what_is_missing_twice_or_too_much() {
        let none = TagInput { key: Some("k".to_owned()), value: None };
        assert_eq!(check_tags(vec![none]), Err(TagError::Value("k".to_owned())));
        assert_eq!(check_tags(vec![TagInput::default()]), Err(TagError::Key));
        let twice = vec![tag("k", "a"), tag("k", "b")];
        assert_eq!(check_tags(twice), Err(TagError::Twice("k".to_owned())));
        let many = |count: usize| (0..count).map(|n| tag(&n.to_string(), "")).collect();
        assert_eq!(check_tags(many(50)).map(|tags| tags.len()), Ok(50));
        assert_eq!(check_tags(many(51)), Err(TagError::TooMany));
        assert_eq!(check_tags(many(201)), Err(TagError::TooManyInRequest));
    }

    #[test]
    fn tags_are_added_replaced_and_taken_away() {
        let mut book = TagBook::default();
        book.add("a", tags(49)).unwrap();
        book.add("a", [("key-0".to_owned(), "new".to_owned())].into()).unwrap();
        book.add("a", [("x".to_owned(), String::new())].into()).unwrap();
        assert_eq!(book.of("a").get("key-0").map(String::as_str), Some("new"));
        let more = [("y".to_owned(), String::new())].into();
        assert_eq!(book.add("a", more), Err(TagError::TooMany));
        assert_eq!(book.of("a").len(), 50);
        book.remove("a", &["x".to_owned(), "not there".to_owned()]);
        assert_eq!(book.of("a").len(), 49);
        assert_eq!(book.of("b"), Tags::new());
        book.replace("a", Tags::new());
        assert_eq!(book, TagBook::default());
    }
}
