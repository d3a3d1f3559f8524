//! Dictionaries of texts: each distinct text of a column once, in the order of first use.

use super::encoding::{Input, Malformed, write_count};
use super::numbering::Numbering;
use crate::TextMatch;

/// The texts of a dictionary, end to end.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: String,
    /// Where each text ends.
    ends: Vec<u32>,
}

impl Texts {
    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory taken.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// The text with a number.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// All texts by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// Numbers of the texts that match.
    pub(super) fn matching(&self, wanted: &TextMatch) -> Vec<u32> {
        let text = match wanted {
            TextMatch::Equals(text)
            | TextMatch::Contains(text)
            | TextMatch::StartsWith(text)
            | TextMatch::EndsWith(text) => text,
        };
        if text.is_empty() || self.len() < 8 {
            let all = (0..).zip(self.iter());
            return all
                .filter(|(_, text)| wanted.matches(text))
                .map(|(number, _)| number)
                .collect();
        }
        // One search through all texts at once is several times faster than one in each. What is
        // found may reach over the end of a text, so each find is looked at again.
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.find(text, from) {
            let number = self.ends.partition_point(|end| *end as usize <= at);
            if let (Some(text), Ok(number)) = (self.get(number), u32::try_from(number))
                && wanted.matches(text)
            {
                found.push(number);
            }
            let Some(end) = self.ends.get(number) else { break };
            from = *end as usize;
        }
        found
    }

    fn find(&self, text: &str, from: usize) -> Option<usize> {
        let place = memchr::memmem::find(self.bytes.as_bytes().get(from..)?, text.as_bytes())?;
        Some(from + place)
    }

    /// Reads a dictionary.
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        let mut ends = Vec::with_capacity(count);
        let mut end = 0_u32;
        for _ in 0..count {
            end = end.checked_add(input.small()?).ok_or(Malformed)?;
            ends.push(end);
        }
        let bytes = input.take(usize::try_from(end).map_err(|_| Malformed)?)?;
        let bytes = String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)?;
        let texts = Self { bytes, ends };
        let is_whole = texts.ends.iter().all(|end| texts.bytes.is_char_boundary(*end as usize));
        if is_whole { Ok(texts) } else { Err(Malformed) }
    }
}

/// A dictionary being made.
#[derive(Debug, Default)]
pub(super) struct TextTable<'a> {
    numbering: Numbering,
    texts: Vec<&'a str>,
    bytes: usize,
}

impl<'a> TextTable<'a> {
    /// The number of a text, which is put in if it is new.
    pub(super) fn number(&mut self, text: &'a str) -> u32 {
        let is_same = |number: usize| self.texts.get(number).is_some_and(|known| *known == text);
        let (number, is_new) = self.numbering.number(text, is_same);
        if is_new {
            self.texts.push(text);
            self.bytes += text.len();
        }
        number
    }

    /// About how many bytes the dictionary takes.
    pub(super) fn written_bytes(&self) -> usize {
        self.texts.len() + self.bytes
    }

    /// Appends the dictionary: the number of texts, their lengths, and the texts.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.texts.len());
        self.texts.iter().for_each(|text| write_count(out, text.len()));
        self.texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(all: &[&str]) -> Texts {
        let (mut table, mut out) = (TextTable::default(), Vec::new());
        all.iter().for_each(|text| {
            table.number(text);
        });
        table.write(&mut out);
        let mut input = Input::new(&out);
        let texts = Texts::read(&mut input).unwrap();
        input.finish().unwrap();
        texts
    }

    #[test]
    fn texts_cut_within_a_character_are_malformed() {
        let check = |bytes: &[u8], is_whole: bool| {
            assert_eq!(Texts::read(&mut Input::new(bytes)).is_ok(), is_whole, "{bytes:?}");
        };
        check("\u{2}\u{1}\u{2}aé".as_bytes(), true);
        check("\u{2}\u{2}\u{1}aé".as_bytes(), false);
        check(b"\x01\x01\xFF", false);
        check(b"\x01\x02a", false);
    }

    proptest! {
        #[test]
        fn dictionaries_come_back_and_match_as_texts_do(
            all in prop::collection::vec("[abé]{0,4}", 0..40),
            text in "[abé]{0,3}",
        ) {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let texts = texts(&all);
            let mut distinct: Vec<&str> = Vec::new();
            all.iter().for_each(|text| if !distinct.contains(text) { distinct.push(text) });
            prop_assert_eq!(texts.iter().collect::<Vec<_>>(), distinct.clone());
            for wanted in [TextMatch::Equals, TextMatch::Contains, TextMatch::StartsWith, TextMatch::EndsWith] {
                let wanted = wanted(text.clone());
                let found: Vec<&str> =
                    texts.matching(&wanted).iter().map(|n| texts.get(*n as usize).unwrap()).collect();
                let expect: Vec<&str> =
                    distinct.iter().copied().filter(|text| wanted.matches(text)).collect();
                prop_assert_eq!(found, expect, "{:?}", wanted);
            }
        }
    }
}
