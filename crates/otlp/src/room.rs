//! How much of a document is still free. OTLP counts what was left out, so what does not fit is
//! counted and not silently lost.

use std::collections::HashMap;
use std::io;

use serde::Serialize;

use crate::json::{KeyValue, Value};

/// Characters that are left for attributes, events and links.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) left: usize,
}

/// A list of attributes within a room. OTLP demands that no two have the same key: the first one
/// counts.
#[derive(Debug)]
pub(crate) struct Attributes<'r> {
    /// What the list may still take; what is not of the list may take of it meanwhile.
    pub(crate) room: &'r mut Room,
    pub(crate) list: Vec<KeyValue>,
    /// Places in the list.
    places: HashMap<String, usize>,
    /// Attributes that did not fit, or say something else than one before them of the same key.
    pub(crate) dropped: u32,
}

impl Room {
    pub(crate) fn new(characters: usize) -> Self {
        Self { left: characters }
    }

    /// Whether the item fits; if so, its place is taken. Its length is counted in bytes, of which
    /// there are at least as many as characters.
    pub(crate) fn take(&mut self, item: &impl Serialize) -> bool {
        let mut length = Length(0);
        // Writing to a counter cannot fail, and all keys are text.
        if serde_json::to_writer(&mut length, item).is_err() {
            return false;
        }
        // One more for the comma before it.
        let left = self.left.checked_sub(length.0 + 1);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

impl<'r> Attributes<'r> {
    pub(crate) fn within(room: &'r mut Room) -> Self {
        Self { room, list: Vec::new(), places: HashMap::new(), dropped: 0 }
    }

    /// Adds an attribute; gives whether it is in the list now, by itself or by one before it that
    /// says the same.
    pub(crate) fn add(&mut self, key: impl Into<String>, value: Value) -> bool {
        let attribute = KeyValue { key: key.into(), value };
        let known = self.places.get(&attribute.key).and_then(|place| self.list.get(*place));
        let is_told = match known {
            Some(known) => *known == attribute,
            None if self.room.take(&attribute) => {
                self.places.insert(attribute.key.clone(), self.list.len());
                self.list.push(attribute);
                true
            }
            None => false,
        };
        if !is_told {
            self.drop_one();
        }
        is_told
    }

    /// Counts an attribute that is left out.
    pub(crate) fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Adds a text that is there.
    pub(crate) fn add_text(&mut self, key: &str, text: Option<impl Into<String>>) {
        if let Some(text) = text {
            self.add(key, Value::Text(text.into()));
        }
    }
}

/// Counts what is written, and keeps nothing of it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        // {"key":"a","value":{"stringValue":"x"}} and a comma.
        let one = 40;
        let check = |characters: usize, expect: (usize, u32)| {
            let mut room = Room::new(characters);
            let mut attributes = Attributes::within(&mut room);
            for key in ["a", "b", "c"] {
                attributes.add_text(key, Some("x"));
            }
            assert_eq!((attributes.list.len(), attributes.dropped), expect, "{characters}");
        };
        check(0, (0, 3));
        check(one - 1, (0, 3));
        check(one, (1, 2));
        check(3 * one - 1, (2, 1));
        check(3 * one, (3, 0));
    }

    #[test]
    fn of_one_key_the_first_counts() {
        let mut room = Room::new(1000);
        let mut attributes = Attributes::within(&mut room);
        let texts = ["x", "x", "y"];
        let told = texts.map(|text| attributes.add("a", Value::Text(text.to_owned())));
        assert_eq!((told, attributes.list.len(), attributes.dropped), ([true, true, false], 1, 1));
    }
}
