//! A column: its name and type, where its values come from, and those of the rows gathered so far.
//!
//! Parquet keeps nested values flat, with two small numbers beside each (Dremel's levels). The
//! shapes here are few, so the levels are simple. A value of its own has the definition level 0, or
//! when it may be missing 1 where it is there. An element of a list or map has 1, or 2 for a member
//! that may be missing and is there; its repetition level is 0 for the first element and 1 for the
//! others. An empty list is one entry of level 0 without a value.

use std::borrow::Cow;

use bytes::Bytes;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use roentgen_model::{Micros, Timestamp};

use super::writer::Table;

/// The type of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// Microseconds since the Unix epoch, UTC.
    Time,
    Integer,
    Number,
    Truth,
}

/// A value on its way into a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'r> {
    Null,
    Text(&'r str),
    OwnedText(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
}

/// Takes the value of a column from a row.
type One<T> = for<'r> fn(&'r <T as Table>::Row<'r>) -> Cell<'r>;
/// Gives the members of each element of a list or map to `each`.
type Many<T> = for<'r> fn(&'r <T as Table>::Row<'r>, each: &mut dyn FnMut(&[Cell<'r>]));

enum Source<T: Table + ?Sized> {
    One(One<T>),
    Many(Many<T>),
}

/// How the elements of a column with many are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    /// A list of single values.
    List,
    /// A list of structures.
    Structures,
    Map,
}

/// A column of a table.
pub(super) struct Column<T: Table + ?Sized> {
    name: &'static str,
    shape: Shape,
    source: Source<T>,
    leaves: Vec<Leaf>,
}

impl<T: Table + ?Sized> Column<T> {
    /// A column with a value in every row.
    pub(super) fn required(name: &'static str, kind: Type, source: One<T>) -> Self {
        let leaves = vec![Leaf::new(name, kind, 0, 0)];
        Self { name, shape: Shape::One, source: Source::One(source), leaves }
    }

    /// A column whose value may be missing.
    pub(super) fn optional(name: &'static str, kind: Type, source: One<T>) -> Self {
        let leaves = vec![Leaf::new(name, kind, 1, 0)];
        Self { name, shape: Shape::One, source: Source::One(source), leaves }
    }

    /// A column with a list of single values in every row.
    pub(super) fn list(name: &'static str, kind: Type, source: Many<T>) -> Self {
        let leaves = vec![Leaf::new("element", kind, 1, 1)];
        Self { name, shape: Shape::List, source: Source::Many(source), leaves }
    }

    /// A column with a list of structures in every row. Their first member is always there, the
    /// others may be missing.
    pub(super) fn structures(
        name: &'static str,
        members: &[(&'static str, Type)],
        source: Many<T>,
    ) -> Self {
        let leaf =
            |(place, &(name, kind))| Leaf::new(name, kind, if place == 0 { 1 } else { 2 }, 1);
        let leaves = members.iter().enumerate().map(leaf).collect();
        Self { name, shape: Shape::Structures, source: Source::Many(source), leaves }
    }

    /// A column with a map from text in every row.
    pub(super) fn map(name: &'static str, value: Type, source: Many<T>) -> Self {
        let leaves = vec![Leaf::new("key", Type::Text, 1, 1), Leaf::new("value", value, 1, 1)];
        Self { name, shape: Shape::Map, source: Source::Many(source), leaves }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The column in the language of Parquet's schemas.
    pub(super) fn schema(&self) -> String {
        let name = self.name;
        let leaves = self.leaves.iter().map(Leaf::schema).collect::<String>();
        match self.shape {
            Shape::One => leaves,
            Shape::List => {
                format!("required group {name} (LIST) {{ repeated group list {{ {leaves} }} }} ")
            }
            Shape::Structures => format!(
                "required group {name} (LIST) {{ repeated group list {{ required group element {{ \
                 {leaves} }} }} }} "
            ),
            Shape::Map => {
                format!(
                    "required group {name} (MAP) {{ repeated group key_value {{ {leaves} }} }} "
                )
            }
        }
    }

    /// Takes the column's value from a row. Returns its bytes in memory, or `None` when the value
    /// is not of the column's type.
    pub(super) fn take<'r>(&mut self, row: &'r T::Row<'r>) -> Option<usize> {
        let leaves = &mut self.leaves;
        match self.source {
            Source::One(source) => leaves.first_mut()?.push(&source(row), 0),
            Source::Many(source) => {
                let mut bytes = Some(0);
                let mut repetition = 0;
                source(row, &mut |members| {
                    bytes = bytes.filter(|_| members.len() == leaves.len());
                    for (leaf, member) in leaves.iter_mut().zip(members) {
                        let more = leaf.push(member, repetition);
                        bytes = bytes.zip(more).map(|(bytes, more)| bytes + more);
                    }
                    repetition = 1;
                });
                if repetition == 0 {
                    leaves.iter_mut().for_each(Leaf::push_empty);
                }
                bytes
            }
        }
    }

    /// The single values of the column, in the order of the schema.
    pub(super) fn leaves(&mut self) -> impl Iterator<Item = &mut Leaf> {
        self.leaves.iter_mut()
    }
}

/// A single value of a column, for the rows gathered so far.
pub(super) struct Leaf {
    name: &'static str,
    kind: Type,
    max_definition: i16,
    max_repetition: i16,
    definition: Vec<i16>,
    repetition: Vec<i16>,
    values: Values,
}

enum Values {
    /// All texts, one behind the other, and where each ends.
    Text(Vec<u8>, Vec<usize>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Truth(Vec<bool>),
}

impl Leaf {
    fn new(name: &'static str, kind: Type, max_definition: i16, max_repetition: i16) -> Self {
        let values = match kind {
            Type::Text => Values::Text(Vec::new(), Vec::new()),
            Type::Time | Type::Integer => Values::Integer(Vec::new()),
            Type::Number => Values::Number(Vec::new()),
            Type::Truth => Values::Truth(Vec::new()),
        };
        let (definition, repetition) = (Vec::new(), Vec::new());
        Self { name, kind, max_definition, max_repetition, definition, repetition, values }
    }

    fn schema(&self) -> String {
        // An element that is there has the definition level 1, so a member that may be missing 2.
        let is_required = self.max_definition == self.max_repetition;
        let presence = if is_required { "required" } else { "optional" };
        let (kind, annotation) = match self.kind {
            Type::Text => ("binary", " (STRING)"),
            Type::Time => ("int64", " (TIMESTAMP(MICROS,true))"),
            Type::Integer => ("int64", ""),
            Type::Number => ("double", ""),
            Type::Truth => ("boolean", ""),
        };
        format!("{presence} {kind} {}{annotation}; ", self.name)
    }

    fn push(&mut self, cell: &Cell<'_>, repetition: i16) -> Option<usize> {
        let mut bytes = size_of::<i16>() * 2 + size_of::<i64>();
        match (&mut self.values, cell) {
            (_, Cell::Null) if self.max_definition > self.max_repetition => {
                self.repetition.push(repetition);
                self.definition.push(self.max_definition - 1);
                return Some(bytes);
            }
            (Values::Text(texts, ends), Cell::Text(text)) => {
                texts.extend_from_slice(text.as_bytes());
                ends.push(texts.len());
                bytes += text.len();
            }
            (Values::Text(texts, ends), Cell::OwnedText(text)) => {
                texts.extend_from_slice(text.as_bytes());
                ends.push(texts.len());
                bytes += text.len();
            }
            (Values::Integer(values), Cell::Integer(value)) => values.push(*value),
            (Values::Number(values), Cell::Number(value)) => values.push(*value),
            (Values::Truth(values), Cell::Truth(value)) => values.push(*value),
            _ => return None,
        }
        self.repetition.push(repetition);
        self.definition.push(self.max_definition);
        Some(bytes)
    }

    fn push_empty(&mut self) {
        self.repetition.push(0);
        self.definition.push(0);
    }

    /// Writes the values of one row group and begins anew.
    pub(super) fn write(
        &mut self,
        mut column: SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        let definition = (self.max_definition > 0).then_some(self.definition.as_slice());
        let repetition = (self.max_repetition > 0).then_some(self.repetition.as_slice());
        match &mut self.values {
            Values::Text(texts, ends) => {
                let all = Bytes::from(std::mem::take(texts));
                let mut start = 0;
                let slice = |end: usize| {
                    let text = all.slice(start..end);
                    start = end;
                    ByteArray::from(text)
                };
                let values: Vec<ByteArray> = ends.drain(..).map(slice).collect();
                column.typed::<ByteArrayType>().write_batch(&values, definition, repetition)?;
            }
            Values::Integer(values) => {
                column.typed::<Int64Type>().write_batch(values, definition, repetition)?;
                values.clear();
            }
            Values::Number(values) => {
                column.typed::<DoubleType>().write_batch(values, definition, repetition)?;
                values.clear();
            }
            Values::Truth(values) => {
                column.typed::<BoolType>().write_batch(values, definition, repetition)?;
                values.clear();
            }
        }
        self.definition.clear();
        self.repetition.clear();
        column.close()
    }
}

impl<'r> From<&'r str> for Cell<'r> {
    fn from(text: &'r str) -> Self {
        Cell::Text(text)
    }
}

impl<'r> From<&'r String> for Cell<'r> {
    fn from(text: &'r String) -> Self {
        Cell::Text(text)
    }
}

impl<'r> From<&'r Cow<'_, str>> for Cell<'r> {
    fn from(text: &'r Cow<'_, str>) -> Self {
        Cell::Text(text)
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::OwnedText(text)
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(time: Timestamp) -> Self {
        Cell::Integer(time.as_micros())
    }
}

impl From<Micros> for Cell<'_> {
    /// Seconds, the unit of every length on X-Ray's wire.
    fn from(length: Micros) -> Self {
        Cell::Number(length.as_seconds())
    }
}

impl From<i64> for Cell<'_> {
    fn from(integer: i64) -> Self {
        Cell::Integer(integer)
    }
}

impl From<usize> for Cell<'_> {
    fn from(count: usize) -> Self {
        Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(truth: bool) -> Self {
        Cell::Truth(truth)
    }
}

impl<'r, V: Into<Cell<'r>>> From<Option<V>> for Cell<'r> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}
