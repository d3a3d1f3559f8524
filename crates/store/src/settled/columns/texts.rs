//! Columns of texts: one that may be missing, or several, for each row.

use super::super::codes::{CodeWriter, read_codes};
use super::super::encoding::{Input, Malformed};
use super::super::lists::{ListTable, Lists};
use super::super::texts::{TextTable, Texts};
use super::ColumnData;

/// A text, or none, for each row.
#[derive(Debug)]
pub(in super::super) struct TextColumn {
    /// The distinct texts.
    pub(in super::super) texts: Texts,
    /// For each row 0, or the number of its text plus 1.
    pub(in super::super) codes: Vec<u16>,
}

/// Some texts for each row.
#[derive(Debug)]
pub(in super::super) struct TextLists {
    /// The distinct texts.
    pub(in super::super) texts: Texts,
    /// The distinct lists of numbers of texts.
    pub(in super::super) lists: Lists,
    /// For each row the number of its list plus 1.
    pub(in super::super) codes: Vec<u16>,
}

/// Writes a column of texts that may be missing.
#[derive(Debug, Default)]
pub(super) struct TextsWriter<'a> {
    table: TextTable<'a>,
    codes: CodeWriter,
    written: Vec<u8>,
}

impl<'a> TextsWriter<'a> {
    /// Adds a row.
    pub(super) fn add(&mut self, text: Option<&'a str>) {
        let number = text.map(|text| self.table.number(text));
        self.codes.write(&mut self.written, number);
    }

    /// Appends the dictionary, then the codes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.table.write(out);
        out.extend_from_slice(&self.written);
    }
}

impl TextColumn {
    /// The text of a row.
    pub(in super::super) fn get(&self, row: usize) -> Option<&str> {
        self.texts.get(usize::from(*self.codes.get(row)?).checked_sub(1)?)
    }
}

impl ColumnData for TextColumn {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let texts = Texts::read(input)?;
        let codes = read_codes(input, rows, texts.len())?;
        Ok(Self { texts, codes })
    }

    fn memory(&self) -> usize {
        self.texts.memory() + self.codes.capacity() * size_of::<u16>()
    }
}

/// Writes a column of some texts for each row.
#[derive(Debug, Default)]
pub(super) struct TextListsWriter<'a> {
    texts: TextTable<'a>,
    lists: ListTable,
    codes: CodeWriter,
    written: Vec<u8>,
    list: Vec<u32>,
}

impl<'a> TextListsWriter<'a> {
    /// Adds a row.
    pub(super) fn add(&mut self, texts: &'a [String]) {
        self.list.clear();
        self.list.extend(texts.iter().map(|text| self.texts.number(text)));
        let number = self.lists.number(&self.list);
        self.codes.write(&mut self.written, Some(number));
    }

    /// Appends the dictionary of texts, the dictionary of lists, then the codes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.texts.write(out);
        self.lists.write(out);
        out.extend_from_slice(&self.written);
    }
}

impl TextLists {
    /// The texts of a row.
    pub(in super::super) fn get(&self, row: usize) -> impl Iterator<Item = &str> {
        let list = self.codes.get(row).and_then(|code| usize::from(*code).checked_sub(1));
        let numbers = list.map_or(&[][..], |list| self.lists.get(list));
        numbers.iter().filter_map(|number| self.texts.get(*number as usize))
    }
}

impl ColumnData for TextLists {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let texts = Texts::read(input)?;
        let lists = Lists::read(input, texts.len())?;
        let codes = read_codes(input, rows, lists.len())?;
        Ok(Self { texts, lists, codes })
    }

    fn memory(&self) -> usize {
        self.texts.memory() + self.lists.memory() + self.codes.capacity() * size_of::<u16>()
    }
}
