//! A row group: its columns, read as they are needed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::chunk::Place;
use super::column_cache::{CachedName, ColumnKey};
use super::columns::{
    AnnotationValues, Annotations, ColumnData, ColumnName, Durations, Links, RequestNumbers, Shapes,
};
use super::digests::{DigestName, KindLengths, TextDigest};
use super::encoding::{Input, Malformed};
use super::footer::RowGroup;
use super::observed::{NO_MINUTES, Request, read_requests};
use super::texts::Texts;
use super::{Section, SettledError, SettledFile};
use crate::TextMatch;

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

    /// The minutes in which its requests and calls began. A row group of version 1 does not know
    /// them: those of its file then.
    pub(super) fn minutes(&self) -> RangeInclusive<i64> {
        match &self.group.observed {
            Some(observed) => observed.minutes.clone(),
            None => self.file.rollup_minutes().unwrap_or(NO_MINUTES),
        }
    }

    /// Which requests and calls the traces have; `None` in row groups of version 1.
    pub(super) fn shapes(&self) -> Result<Option<Arc<Shapes>>, SettledError> {
        match &self.group.observed {
            Some(_) => self.column(ColumnName::Shapes).map(Some),
            None => Ok(None),
        }
    }

    /// The links of the traces; `None` if there are none, and in row groups of versions 1 and 2,
    /// where they are not known.
    pub(super) fn links(&self) -> Result<Option<Arc<Links>>, SettledError> {
        self.group.links.map(|_| self.column(ColumnName::Links)).transpose()
    }

    /// What is needed to read the requests and calls of rows.
    pub(super) fn requests(&self, shapes: Arc<Shapes>) -> Result<Requests<'a>, SettledError> {
        let read = |input: &mut Input<'_>| RequestNumbers::read(input, &shapes);
        let numbers = self.load(ColumnName::RequestNumbers, read, RequestNumbers::memory)?;
        let durations = self.column(ColumnName::Durations)?;
        Ok(Requests { group: *self, shapes, numbers, durations, lengths: Vec::new() })
    }

    /// How long its requests and calls took, if that was read before and is still in mind.
    pub(super) fn known_lengths(&self) -> Option<Arc<KindLengths>> {
        self.digest(DigestName::Lengths)
    }

    /// How long they took, which is kept in mind.
    pub(super) fn read_lengths(
        &self,
        requests: &mut Requests<'_>,
    ) -> Result<Arc<KindLengths>, SettledError> {
        let shapes = requests.shapes.clone();
        let mut lengths = KindLengths {
            services: shapes.services.clone(),
            kinds: shapes.kinds.clone(),
            lengths: vec![None; shapes.kinds.len()],
            has_all: true,
        };
        for row in 0..self.group.rows {
            let is_known = requests.of_row(row, |request| {
                request.length.iter().for_each(|length| lengths.add(request.number, *length));
            })?;
            lengths.has_all &= is_known;
        }
        let lengths = Arc::new(lengths);
        self.keep_digest(DigestName::Lengths, lengths.clone(), lengths.memory());
        Ok(lengths)
    }

    /// Whether it is in mind that no text of this dictionary is as it is asked for.
    pub(super) fn lacks_text(&self, name: DigestName, wanted: &TextMatch) -> bool {
        self.digest::<TextDigest>(name).is_some_and(|digest| !digest.may_match(wanted))
    }

    /// Keeps in mind which texts a dictionary has, if that may be of use when the same is asked.
    pub(super) fn keep_texts(&self, name: DigestName, texts: &Texts, wanted: &TextMatch) {
        if TextDigest::is_of_use_for(wanted) && self.digest::<TextDigest>(name).is_none() {
            let digest = Arc::new(TextDigest::of(texts));
            self.keep_digest(name, digest.clone(), digest.memory());
        }
    }

    fn digest<T: Send + Sync + 'static>(&self, name: DigestName) -> Option<Arc<T>> {
        let key = self.key(CachedName::Digest(name));
        self.is_cached.then(|| self.file.cache().get(&key)).flatten()
    }

    fn keep_digest<T: Send + Sync + 'static>(
        &self,
        name: DigestName,
        digest: Arc<T>,
        memory: usize,
    ) {
        if self.is_cached {
            self.file.cache().insert(self.key(CachedName::Digest(name)), digest, memory);
        }
    }

    fn key(&self, name: CachedName) -> ColumnKey {
        (self.file.number(), u32::try_from(self.number).unwrap_or(u32::MAX), name)
    }

    fn load<T: Send + Sync + 'static>(
        &self,
        name: ColumnName,
        read: impl FnOnce(&mut Input<'_>) -> Result<T, Malformed>,
        memory: impl FnOnce(&T) -> usize,
    ) -> Result<Arc<T>, SettledError> {
        let key = self.key(CachedName::Column(name));
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
        let places = places.enumerate().map(|(index, place)| (ColumnName::at(index), place));
        let observed = self.group.observed.iter().flat_map(|observed| {
            let shapes = (ColumnName::Shapes, observed.shapes);
            [shapes, (ColumnName::RequestNumbers, observed.numbers)]
        });
        let links = self.group.links.map(|place| (ColumnName::Links, place));
        places.chain(observed).chain(links)
    }

    /// Reads all rows.
    pub(super) fn verify(&self) -> Result<(), SettledError> {
        let rows = self.without_cache().rows()?;
        (0..self.group.rows).try_for_each(|row| rows.summary(row).map(|_| ()))?;
        self.without_cache().links()?;
        let Some(shapes) = self.without_cache().shapes()? else { return Ok(()) };
        let mut requests = self.without_cache().requests(shapes)?;
        (0..self.group.rows).try_for_each(|row| requests.of_row(row, |_| {}).map(|_| ()))
    }
}

/// The requests and calls of the rows of a group.
pub(super) struct Requests<'a> {
    group: Group<'a>,
    pub(super) shapes: Arc<Shapes>,
    pub(super) numbers: Arc<RequestNumbers>,
    durations: Arc<Durations>,
    /// Reused from row to row.
    lengths: Vec<i64>,
}

impl Requests<'_> {
    /// Hands those of a row to `found`; `false` if they are not known.
    pub(super) fn of_row(
        &mut self,
        row: usize,
        found: impl FnMut(Request),
    ) -> Result<bool, SettledError> {
        let Some(list) = self.shapes.list_of(row) else { return Ok(false) };
        let (kinds, list) = (&self.shapes.kinds, self.shapes.lists.get(list));
        let numbers = self.numbers.get(row);
        let duration = self.durations.0.get(row).copied().unwrap_or(0);
        read_requests(kinds, list, numbers, duration, &mut self.lengths, found)
            .map_err(|Malformed| self.group.malformed(ColumnName::RequestNumbers))?;
        Ok(true)
    }
}
