//! The columns of a row group: the members of its summaries, each kind by itself.
//!
//! A column is one chunk of the file and can be read without the others, but for response times,
//! which need the durations. Texts and services stand in dictionaries of the row group, so a
//! value that occurs once in each trace costs no more than itself, and no dictionary grows with
//! the file.

use std::any::Any;
use std::io;
use std::ops::RangeInclusive;

use roentgen_model::TraceSummary;

use annotations::AnnotationsWriter;
use links::LinksWriter;
use numbers::NumbersWriter;
use observed::ObservedWriter;
use services::{ServiceTableWriter, ServicesWriter};
use texts::{TextListsWriter, TextsWriter};

use super::encoding::{Input, Malformed};
use super::observed::{Kinds, ObservedTrace};

mod annotations;
mod links;
mod numbers;
mod observed;
mod services;
mod texts;

pub(super) use annotations::{AnnotationValues, Annotations, ValueKind, Values};
pub(super) use links::Links;
pub(super) use numbers::{
    Counts, Durations, FLAG_ERROR, FLAG_FAULT, FLAG_PARTIAL, FLAG_THROTTLE, Flags, Ids, Integers,
    OptionalIntegers, ResponseTimes, flags_of, outcome_bit, outcome_of,
};
pub(super) use observed::{RequestNumbers, Shapes};
pub(super) use services::{EntryPoints, ServiceLists, ServiceTable, Users};
pub(super) use texts::{TextColumn, TextLists};

/// The columns of a row group, in the order in which they stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnName {
    /// Trace ids.
    Ids,
    /// The times of the traces.
    Times,
    /// Starts.
    Starts,
    /// From start to end.
    Durations,
    /// Response times.
    ResponseTimes,
    /// Outcomes and flags.
    Flags,
    /// Statuses of the roots' responses.
    Statuses,
    /// Counts of segments and documents.
    Counts,
    /// Addresses asked for.
    Urls,
    /// Methods.
    Methods,
    /// Clients' programs.
    UserAgents,
    /// Clients' addresses.
    ClientIps,
    /// ARNs of resources.
    ResourceArns,
    /// EC2 instances.
    InstanceIds,
    /// Availability zones.
    AvailabilityZones,
    /// Which services a trace has.
    Services,
    /// The roots' services.
    EntryPoints,
    /// Users, and the services that named them.
    Users,
    /// Which annotations a trace has, and the services that wrote them.
    Annotations,
    /// The services that the columns before name.
    ServiceTable,
    /// Which requests and calls a trace has.
    Shapes,
    /// What is told of these requests and calls.
    RequestNumbers,
    /// Links to other traces.
    Links,
    /// Values of annotations; with its number, since keys are spread over several such columns.
    AnnotationValues(u16),
}

impl ColumnName {
    /// Columns that each row group has, before those of values. [`ColumnName::Shapes`],
    /// [`ColumnName::RequestNumbers`] and [`ColumnName::Links`] stand behind these: not every row
    /// group has them.
    pub(super) const FIXED: [ColumnName; 20] = [
        ColumnName::Ids,
        ColumnName::Times,
        ColumnName::Starts,
        ColumnName::Durations,
        ColumnName::ResponseTimes,
        ColumnName::Flags,
        ColumnName::Statuses,
        ColumnName::Counts,
        ColumnName::Urls,
        ColumnName::Methods,
        ColumnName::UserAgents,
        ColumnName::ClientIps,
        ColumnName::ResourceArns,
        ColumnName::InstanceIds,
        ColumnName::AvailabilityZones,
        ColumnName::Services,
        ColumnName::EntryPoints,
        ColumnName::Users,
        ColumnName::Annotations,
        ColumnName::ServiceTable,
    ];

    /// The place of the column among those of its row group.
    pub(super) fn index(self) -> usize {
        match self {
            ColumnName::AnnotationValues(number) => Self::FIXED.len() + usize::from(number),
            name => Self::FIXED.iter().position(|fixed| *fixed == name).unwrap_or_default(),
        }
    }

    /// The column at a place.
    pub(super) fn at(index: usize) -> Self {
        Self::FIXED.get(index).copied().unwrap_or_else(|| {
            let number = u16::try_from(index.saturating_sub(Self::FIXED.len()));
            ColumnName::AnnotationValues(number.unwrap_or(u16::MAX))
        })
    }
}

/// A column as it is used: decoded, in memory.
pub(super) trait ColumnData: Any + Send + Sync + Sized {
    /// Reads the column of a group with so many rows.
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed>;

    /// The memory it takes.
    fn memory(&self) -> usize;
}

/// Writes the columns of a row group. Each row is looked at once: it is seldom in the processor's
/// cache, and what is being written is.
#[derive(Debug, Default)]
pub(super) struct ColumnsWriter<'a> {
    numbers: NumbersWriter,
    texts: [TextsWriter<'a>; 4],
    lists: [TextListsWriter<'a>; 3],
    services: ServicesWriter<'a>,
    annotations: AnnotationsWriter<'a>,
    table: ServiceTableWriter,
    observed: ObservedWriter,
    links: LinksWriter,
}

impl<'a> ColumnsWriter<'a> {
    /// Adds a row; `kinds` has those of its requests and calls. Gives about the bytes that these
    /// and its links take.
    pub(super) fn add(
        &mut self,
        row: &'a TraceSummary,
        observed: &ObservedTrace,
        kinds: &Kinds,
    ) -> usize {
        self.numbers.add(row);
        let http = &row.http;
        let of_row = [&http.url, &http.method, &http.user_agent, &http.client_ip];
        self.texts.iter_mut().zip(of_row).for_each(|(column, text)| column.add(text.as_deref()));
        let of_row = [&row.resource_arns, &row.instance_ids, &row.availability_zones];
        self.lists.iter_mut().zip(of_row).for_each(|(column, texts)| column.add(texts));
        self.services.add(row, &mut self.table);
        self.annotations.add(row, &mut self.table);
        self.observed.add(observed, kinds) + self.links.add(&observed.links)
    }

    /// The minutes in which the requests of all rows began.
    pub(super) fn minutes(&self) -> RangeInclusive<i64> {
        self.observed.minutes.clone()
    }

    /// Hands the bytes of the columns of requests and calls to `write`.
    pub(super) fn finish_observed(
        &self,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        self.observed.write_shapes(&mut buffer);
        write(&buffer)?;
        write(self.observed.numbers())
    }

    /// The bytes of the column of links; `None` if there are none.
    pub(super) fn links(&self) -> Option<Vec<u8>> {
        self.links.to_bytes()
    }

    /// Hands the bytes of each other column to `write`, in the order of [`ColumnName`].
    pub(super) fn finish(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut write_column = |fill: &dyn Fn(&mut Vec<u8>)| {
            buffer.clear();
            fill(&mut buffer);
            write(&buffer)
        };
        for parts in self.numbers.columns() {
            write_column(&|out| parts.iter().for_each(|part| out.extend_from_slice(part)))?;
        }
        self.texts.iter().try_for_each(|column| write_column(&|out| column.write(out)))?;
        self.lists.iter().try_for_each(|column| write_column(&|out| column.write(out)))?;
        write_column(&|out| self.services.write_lists(out))?;
        write_column(&|out| self.services.write_entry_points(out))?;
        write_column(&|out| self.services.write_users(out))?;
        let mut directory = Vec::new();
        let values = self.annotations.write(&mut directory)?;
        write_column(&|out| out.extend_from_slice(&directory))?;
        write_column(&|out| self.table.write(out))?;
        values.iter().try_for_each(|values| write(values))
    }
}
