//! A document as raw members and nested subsegments, read in one pass.
//!
//! Reading level by level would scan the innermost bytes once for each level around them. All
//! values but `subsegments` stay raw, so only subsegments recurse, and that ends at
//! [`MAX_NESTING`].

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_NESTING;
use super::lenient::{Member, Text, keep_last_of_repeated};

/// A (sub)segment as it was written.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    /// Its members but `subsegments`; of a repeated key the last.
    pub(super) members: Vec<Member<'a>>,
    /// Its subsegments.
    pub(super) children: Vec<Tree<'a>>,
}

impl<'a> Tree<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// Of the category `Data` when it is JSON, but `subsegments` is something else than an array
    /// of objects or nests too deep; of another category when it is not JSON.
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        // Its limit counts objects and arrays; ours counts subsegments.
        deserializer.disable_recursion_limit();
        let tree = Subsegment { depth: 0 }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(tree)
    }
}

/// Reads a (sub)segment with so many around it.
#[derive(Clone, Copy)]
struct Subsegment {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegment {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.depth > MAX_NESTING {
            let message = format!("subsegments nest deeper than {MAX_NESTING} levels");
            return Err(D::Error::custom(message));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Subsegment {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a (sub)segment as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree<'de>, A::Error> {
        let mut tree = Tree::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if key == "subsegments" {
                tree.children = map.next_value_seed(Subsegments { depth: self.depth + 1 })?;
            } else {
                tree.members.push((key, map.next_value::<&RawValue>()?));
            }
        }
        keep_last_of_repeated(&mut tree.members);
        Ok(tree)
    }
}

/// Reads the value of `subsegments`: an array or `null`.
struct Subsegments {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegments {
    type Value = Vec<Tree<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Subsegments {
    type Value = Vec<Tree<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of subsegments")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = elements.next_element_seed(Subsegment { depth: self.depth })? {
            children.push(child);
        }
        Ok(children)
    }
}
