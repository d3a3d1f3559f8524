//! Annotations as columns: the values of one key and kind together.
//!
//! Most traces of a program have the same keys from the same services, so a row names one of few
//! *shapes*: the columns its annotations stand in, in their order, and who wrote them. Its values
//! are the next ones of those columns. Which rows have a key is known from the shapes alone.

use std::io;

use roentgen_model::{AnnotationSummary, AnnotationValue, TraceSummary};

use super::super::codes::{CodeWriter, read_codes};
use super::super::encoding::{Input, Malformed, write_bytes, write_count, write_signed};
use super::super::lists::{ListTable, Lists};
use super::super::numbering::Numbering;
use super::super::texts::{TextTable, Texts};
use super::ColumnData;
use super::services::ServiceTableWriter;

/// Columns of values share a chunk until it has so many bytes: enough to compress, and few
/// enough that a look for one key reads little of the others.
const CHUNK_BYTES: usize = 16 << 10;

/// The kind of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum ValueKind {
    /// Texts.
    Text,
    /// Numbers.
    Number,
    /// Booleans.
    Boolean,
}

/// The annotations of a row group, without their values.
#[derive(Debug)]
pub(in super::super) struct Annotations {
    /// The columns that the values are in.
    pub(in super::super) columns: Vec<AnnotationColumn>,
    /// For each annotation of a shape two numbers: of its column, and of the list of sharers.
    pub(in super::super) shapes: Lists,
    /// For each row the number of its shape plus 1.
    pub(in super::super) rows: Vec<u16>,
}

/// A key, a kind, and where its values are.
#[derive(Debug)]
pub(in super::super) struct AnnotationColumn {
    /// The key.
    pub(in super::super) key: String,
    /// The kind of its values.
    pub(in super::super) kind: ValueKind,
    /// The chunk of its values.
    pub(in super::super) chunk: u16,
    /// The place in that chunk.
    pub(in super::super) place: usize,
}

/// The values of some columns.
#[derive(Debug)]
pub(in super::super) struct AnnotationValues(pub(in super::super) Vec<ValueColumn>);

/// The values of one column.
#[derive(Debug)]
pub(in super::super) struct ValueColumn {
    /// The distinct values.
    pub(in super::super) values: Values,
    /// For each annotation, in the order of rows, the number of its value plus 1.
    pub(in super::super) codes: Vec<u32>,
}

/// The distinct values of one column.
#[derive(Debug)]
pub(in super::super) enum Values {
    /// Texts.
    Texts(Texts),
    /// Numbers.
    Numbers(Vec<f64>),
    /// False and true.
    Booleans,
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Texts(texts) => texts.len(),
            Values::Numbers(numbers) => numbers.len(),
            Values::Booleans => 2,
        }
    }

    /// The value with a number.
    pub(in super::super) fn get(&self, number: usize) -> Option<AnnotationValue<'static>> {
        match self {
            Values::Texts(texts) => {
                texts.get(number).map(|text| AnnotationValue::String(text.to_owned().into()))
            }
            Values::Numbers(numbers) => numbers.get(number).copied().map(AnnotationValue::Number),
            Values::Booleans => Some(AnnotationValue::Boolean(number == 1)),
        }
    }
}

/// A column being written.
#[derive(Debug)]
struct ColumnWriter<'a> {
    key: &'a str,
    kind: ValueKind,
    texts: TextTable<'a>,
    /// The distinct numbers by their bits.
    numbers: Vec<u64>,
    numbering: Numbering,
    written_numbers: Vec<u8>,
    writer: CodeWriter,
    codes: Vec<u8>,
    annotations: usize,
}

impl<'a> ColumnWriter<'a> {
    fn new(key: &'a str, kind: ValueKind) -> Self {
        Self {
            key,
            kind,
            texts: TextTable::default(),
            numbers: Vec::new(),
            numbering: Numbering::default(),
            written_numbers: Vec::new(),
            writer: CodeWriter::default(),
            codes: Vec::new(),
            annotations: 0,
        }
    }

    fn add(&mut self, value: &'a AnnotationValue<'static>) {
        let number = match value {
            AnnotationValue::String(text) => self.texts.number(text),
            AnnotationValue::Number(number) => self.number(*number),
            AnnotationValue::Boolean(truth) => u32::from(*truth),
        };
        self.writer.write(&mut self.codes, Some(number));
        self.annotations += 1;
    }

    fn number(&mut self, number: f64) -> u32 {
        let bits = number.to_bits();
        let is_same = |number: usize| self.numbers.get(number) == Some(&bits);
        let (found, is_new) = self.numbering.number(&bits, is_same);
        if is_new {
            self.numbers.push(bits);
            write_double(number, &mut self.written_numbers);
        }
        found
    }

    /// How many annotations there are, the dictionary, then the codes.
    fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.annotations);
        match self.kind {
            ValueKind::Text => self.texts.write(out),
            ValueKind::Number => {
                write_count(out, self.numbers.len());
                out.extend_from_slice(&self.written_numbers);
            }
            ValueKind::Boolean => {}
        }
        out.extend_from_slice(&self.codes);
    }

    fn len(&self) -> usize {
        self.codes.len() + self.written_numbers.len() + self.texts.written_bytes()
    }
}

/// Whole numbers up to here are exact in a double, and written as such.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A whole number as a signed number plus a byte 0 before it; any other as a byte 1 and its bits.
fn write_double(number: f64, out: &mut Vec<u8>) {
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() < WHOLE && !is_negative_zero {
        out.push(0);
        write_signed(out, to_i64(number));
    } else {
        out.push(1);
        out.extend_from_slice(&number.to_bits().to_le_bytes());
    }
}

/// Converts a whole number within [`WHOLE`].
#[expect(clippy::cast_possible_truncation, reason = "the caller has checked that it is whole")]
const fn to_i64(number: f64) -> i64 {
    number as i64
}

fn read_double(input: &mut Input<'_>) -> Result<f64, Malformed> {
    match input.array()? {
        [0] => Ok(input.signed()? as f64),
        [1] => Ok(f64::from_bits(u64::from_le_bytes(input.array()?))),
        _ => Err(Malformed),
    }
}

/// Writes annotations.
#[derive(Debug, Default)]
pub(super) struct AnnotationsWriter<'a> {
    numbering: Numbering,
    columns: Vec<ColumnWriter<'a>>,
    shapes: ListTable,
    codes: CodeWriter,
    written: Vec<u8>,
    shape: Vec<u32>,
    /// The shape of the row before.
    last_shape: Vec<u32>,
}

impl<'a> AnnotationsWriter<'a> {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &'a TraceSummary, services: &mut ServiceTableWriter) {
        self.shape.clear();
        for AnnotationSummary { key, value, services: sharers } in &row.annotations {
            let number = self.column(key, kind_of(value));
            if let Some(column) = self.columns.get_mut(number as usize) {
                column.add(value);
            }
            self.shape.extend([number, services.sharers(sharers)]);
        }
        let number = self.shapes.number(&self.shape);
        self.codes.write(&mut self.written, Some(number));
        std::mem::swap(&mut self.shape, &mut self.last_shape);
    }

    /// The number of the column of a key and a kind.
    fn column(&mut self, key: &'a str, kind: ValueKind) -> u32 {
        let is = |column: &ColumnWriter<'_>| column.kind == kind && column.key == key;
        let is_same = |number: usize| self.columns.get(number).is_some_and(is);
        // Most often it is that of the annotation at the same place in the row before.
        if let Some(likely) = self.last_shape.get(self.shape.len())
            && is_same(*likely as usize)
        {
            return *likely;
        }
        let (number, is_new) = self.numbering.number(&(key, kind), is_same);
        if is_new {
            self.columns.push(ColumnWriter::new(key, kind));
        }
        number
    }

    /// Appends the columns (key, kind, chunk), the shapes and the shape of each row; gives the
    /// chunks of values.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        write_count(out, self.columns.len());
        for column in &self.columns {
            let has_room = |chunk: &Vec<u8>| chunk.len() + column.len() < CHUNK_BYTES;
            if !chunks.last().is_some_and(has_room) {
                chunks.push(Vec::new());
            }
            write_bytes(out, column.key.as_bytes());
            out.push(match column.kind {
                ValueKind::Text => 0,
                ValueKind::Number => 1,
                ValueKind::Boolean => 2,
            });
            write_count(out, chunks.len() - 1);
            if let Some(chunk) = chunks.last_mut() {
                column.write(chunk);
            }
        }
        self.shapes.write(out);
        out.extend_from_slice(&self.written);
        // Two neighbours have more than a full chunk, and row groups are cut by their bytes, so
        // there are some hundred chunks at most.
        if chunks.len() > usize::from(u16::MAX) {
            return Err(io::Error::other("a row group has too many annotations"));
        }
        Ok(chunks)
    }
}

fn kind_of(value: &AnnotationValue<'_>) -> ValueKind {
    match value {
        AnnotationValue::String(_) => ValueKind::Text,
        AnnotationValue::Number(_) => ValueKind::Number,
        AnnotationValue::Boolean(_) => ValueKind::Boolean,
    }
}

impl ColumnData for Annotations {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let count = input.count()?;
        let mut columns: Vec<AnnotationColumn> = Vec::with_capacity(count);
        for _ in 0..count {
            let key = input.text()?.to_owned();
            let kind = match input.array()? {
                [0] => ValueKind::Text,
                [1] => ValueKind::Number,
                [2] => ValueKind::Boolean,
                _ => return Err(Malformed),
            };
            let chunk = input.small()?;
            let before = columns.last().filter(|before| before.chunk == chunk);
            let place = before.map_or(0, |before| before.place + 1);
            columns.push(AnnotationColumn { key, kind, chunk, place });
        }
        let shapes = Lists::read(input, u32::MAX as usize)?;
        let is_whole = shapes.iter().all(|shape| {
            let (annotations, rest) = shape.as_chunks();
            rest.is_empty() && annotations.iter().all(|[column, _]| (*column as usize) < count)
        });
        if !is_whole {
            return Err(Malformed);
        }
        let rows = read_codes(input, rows, shapes.len())?;
        Ok(Self { columns, shapes, rows })
    }

    fn memory(&self) -> usize {
        let columns: usize =
            self.columns.iter().map(|c| size_of::<AnnotationColumn>() + c.key.capacity()).sum();
        columns + self.shapes.memory() + self.rows.capacity() * size_of::<u16>()
    }
}

impl Annotations {
    /// The annotations of a row: of each the number of its column, and of its list of sharers.
    pub(in super::super) fn get(&self, row: usize) -> &[[u32; 2]] {
        let shape = self.rows.get(row).and_then(|code| usize::from(*code).checked_sub(1));
        shape.map_or(&[], |shape| self.shapes.get(shape).as_chunks().0)
    }
}

impl AnnotationValues {
    /// Reads a chunk whose columns are of these kinds.
    pub(in super::super) fn read(
        input: &mut Input<'_>,
        kinds: impl Iterator<Item = ValueKind>,
    ) -> Result<Self, Malformed> {
        let mut columns = Vec::new();
        for kind in kinds {
            let annotations = input.count()?;
            let values = match kind {
                ValueKind::Text => Values::Texts(Texts::read(input)?),
                ValueKind::Number => {
                    let count = input.count()?;
                    let numbers = (0..count).map(|_| read_double(input));
                    Values::Numbers(numbers.collect::<Result<_, _>>()?)
                }
                ValueKind::Boolean => Values::Booleans,
            };
            let codes = read_codes(input, annotations, values.len())?;
            columns.push(ValueColumn { values, codes });
        }
        Ok(Self(columns))
    }

    /// The memory it takes.
    pub(in super::super) fn memory(&self) -> usize {
        let values = |values: &Values| match values {
            Values::Texts(texts) => texts.memory(),
            Values::Numbers(numbers) => numbers.capacity() * size_of::<f64>(),
            Values::Booleans => 0,
        };
        let column = |column: &ValueColumn| {
            size_of::<ValueColumn>() + values(&column.values) + column.codes.capacity() * 4
        };
        self.0.iter().map(column).sum()
    }
}
