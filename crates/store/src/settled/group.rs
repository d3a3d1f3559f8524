//! A row group: its columns, read as they are needed.

use std::sync::Arc;

use super::chunk::Place;
use super::column_cache::ColumnKey;
use super::columns::{AnnotationValues, Annotations, ColumnData, ColumnName};
use super::encoding::{Input, Malformed};
use super::footer::RowGroup;
use super::{Section, SettledError, SettledFile};

/// A row group of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'a> {
    pub(super) file: &'a SettledFile,
    pub(super) number: usize,
    pub(super) group: &'a RowGroup,
    pub(super) is_cached: bool,
}

impl<'a> Group<'a> {
    /// The same, but its columns are neither looked for in the cache nor put there.
    pub(super) fn without_cache(self) -> Self {
        Self { is_cached: false, ..self }
    }

    /// A column.
    pub(super) fn column<T: ColumnData>(&self, name: ColumnName) -> Result<Arc<T>, SettledError> {
        let rows = self.group.rows;
        self.load(name, |input| T::read(input, rows), T::memory)
    }

    /// A chunk of values of annotations.
    pub(super) fn annotation_values(
        &self,
        annotations: &Annotations,
        chunk: u16,
    ) -> Result<Arc<AnnotationValues>, SettledError> {
        let columns = annotations.columns.iter().filter(|column| column.chunk == chunk);
        let kinds = columns.map(|column| column.kind);
        let read = |input: &mut Input<'_>| AnnotationValues::read(input, kinds);
        self.load(ColumnName::AnnotationValues(chunk), read, AnnotationValues::memory)
    }

    fn load<T: Send + Sync + 'static>(
        &self,
        name: ColumnName,
        read: impl FnOnce(&mut Input<'_>) -> Result<T, Malformed>,
        memory: impl FnOnce(&T) -> usize,
    ) -> Result<Arc<T>, SettledError> {
        let key: ColumnKey =
            (self.file.number(), u32::try_from(self.number).unwrap_or(u32::MAX), name);
        if self.is_cached
            && let Some(column) = self.file.cache().get(&key)
        {
            return Ok(column);
        }
        let section = Section::Column { group: self.number, column: name };
        let Some(place) = self.group.column(name) else {
            return Err(self.malformed(name));
        };
        let raw = self.file.read_chunk(place, section)?;
        let mut input = Input::new(&raw);
        let column = read(&mut input).and_then(|column| input.finish().map(|()| column));
        let column = Arc::new(column.map_err(|Malformed| self.file.damaged(section, place))?);
        if self.is_cached {
            let memory = memory(&column);
            self.file.cache().insert(key, column.clone(), memory);
        }
        Ok(column)
    }

    /// The error for a column that contradicts others.
    pub(super) fn malformed(&self, name: ColumnName) -> SettledError {
        let offset = self.group.column(name).map_or(0, |place| place.offset);
        let section = Section::Column { group: self.number, column: name };
        SettledError::Damaged { path: self.file.path().to_owned(), section, offset }
    }

    /// Its columns with where they stand.
    pub(super) fn places(&self) -> impl Iterator<Item = (ColumnName, Place)> + 'a {
        let places = self.group.columns.iter().copied();
        places.enumerate().map(|(index, place)| (ColumnName::at(index), place))
    }

    /// Reads all rows.
    pub(super) fn verify(&self) -> Result<(), SettledError> {
        let rows = self.without_cache().rows()?;
        (0..self.group.rows).try_for_each(|row| rows.summary(row).map(|_| ()))
    }
}
