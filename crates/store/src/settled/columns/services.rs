//! Columns that name services: those of a trace, its entry point, its users.
//!
//! The services themselves stand in one table of the row group.

use roentgen_model::{ServiceId, TraceSummary};

use super::super::codes::{CodeWriter, read_codes};
use super::super::encoding::{Input, Malformed, write_count, write_number};
use super::super::lists::{ListTable, Lists};
use super::super::numbering::Numbering;
use super::super::service_names::{read_services, write_services};
use super::super::texts::{TextTable, Texts};
use super::ColumnData;

/// The services that a row group names.
#[derive(Debug)]
pub(in super::super) struct ServiceTable {
    /// The services.
    pub(in super::super) services: Vec<ServiceId>,
    /// Distinct lists of services that share an annotation or user.
    pub(in super::super) sharers: Lists,
}

/// The services of each trace.
#[derive(Debug)]
pub(in super::super) struct ServiceLists {
    /// The distinct lists of numbers of services.
    pub(in super::super) lists: Lists,
    /// For each row the number of its list plus 1.
    pub(in super::super) codes: Vec<u16>,
}

/// The service of each root: 0, or its number plus 1.
#[derive(Debug)]
pub(in super::super) struct EntryPoints(pub(in super::super) Vec<u32>);

/// The users of each trace.
#[derive(Debug)]
pub(in super::super) struct Users {
    /// Their names.
    pub(in super::super) names: Texts,
    /// Where the users of each row end.
    ends: Vec<u32>,
    /// For each user the number of the name plus 1, and the number of the list of sharers.
    users: Vec<(u32, u32)>,
}

/// The table of services being made.
#[derive(Debug, Default)]
pub(super) struct ServiceTableWriter {
    numbering: Numbering,
    services: Vec<ServiceId>,
    sharers: ListTable,
    /// The number of the list of one service alone, plus 1, by that service: most lists are such.
    alone: Vec<u32>,
    list: Vec<u32>,
}

impl ServiceTableWriter {
    fn number(&mut self, service: &ServiceId) -> u32 {
        let is_same = |number: usize| self.services.get(number).is_some_and(|s| s == service);
        let (number, is_new) = self.numbering.number(service, is_same);
        if is_new {
            self.services.push(service.clone());
            self.alone.push(0);
        }
        number
    }

    /// The number of a list of services that share something.
    pub(super) fn sharers(&mut self, services: &[ServiceId]) -> u32 {
        if let [service] = services {
            let service = self.number(service);
            let known = self.alone.get(service as usize).copied().unwrap_or(0);
            return known.checked_sub(1).unwrap_or_else(|| {
                let number = self.sharers.number(&[service]);
                if let Some(alone) = self.alone.get_mut(service as usize) {
                    *alone = number + 1;
                }
                number
            });
        }
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        list.extend(services.iter().map(|service| self.number(service)));
        let number = self.sharers.number(&list);
        self.list = list;
        number
    }

    /// Appends the services, then the lists of sharers.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_services(&self.services, out);
        self.sharers.write(out);
    }
}

impl ColumnData for ServiceTable {
    fn read(input: &mut Input<'_>, _rows: usize) -> Result<Self, Malformed> {
        let services = read_services(input)?;
        let sharers = Lists::read(input, services.len())?;
        Ok(Self { services, sharers })
    }

    fn memory(&self) -> usize {
        let texts = |service: &ServiceId| {
            let more = [service.kind.as_deref(), service.account_id.as_deref()];
            service.name.len() + more.into_iter().flatten().map(str::len).sum::<usize>()
        };
        let service = |service| texts(service) + size_of::<ServiceId>() + 64;
        self.services.iter().map(service).sum::<usize>() + self.sharers.memory()
    }
}

/// Writes the columns of services, entry points and users.
#[derive(Debug, Default)]
pub(super) struct ServicesWriter<'a> {
    lists: ListTable,
    codes: CodeWriter,
    written_lists: Vec<u8>,
    entry_points: Vec<u8>,
    names: TextTable<'a>,
    name_codes: CodeWriter,
    user_counts: Vec<u8>,
    written_names: Vec<u8>,
    sharers: Vec<u8>,
    list: Vec<u32>,
}

impl<'a> ServicesWriter<'a> {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &'a TraceSummary, services: &mut ServiceTableWriter) {
        self.list.clear();
        self.list.extend(row.services.iter().map(|service| services.number(service)));
        let number = self.lists.number(&self.list);
        self.codes.write(&mut self.written_lists, Some(number));
        let entry_point = row.entry_point.as_ref().map(|service| services.number(service));
        let entry_point = entry_point.map_or(0, |number| u64::from(number) + 1);
        write_number(&mut self.entry_points, entry_point);
        write_count(&mut self.user_counts, row.users.len());
        for user in &row.users {
            let name = self.names.number(&user.name);
            self.name_codes.write(&mut self.written_names, Some(name));
            let sharers = services.sharers(&user.services);
            write_number(&mut self.sharers, u64::from(sharers));
        }
    }

    /// Appends the dictionary of lists of services, then the codes.
    pub(super) fn write_lists(&self, out: &mut Vec<u8>) {
        self.lists.write(out);
        out.extend_from_slice(&self.written_lists);
    }

    /// Appends for each row 0, or the number of the entry point plus 1.
    pub(super) fn write_entry_points(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.entry_points);
    }

    /// Appends the dictionary of names, how many users each row has, the codes of their names,
    /// and the numbers of the lists of services that named them.
    pub(super) fn write_users(&self, out: &mut Vec<u8>) {
        self.names.write(out);
        for part in [&self.user_counts, &self.written_names, &self.sharers] {
            out.extend_from_slice(part);
        }
    }
}

impl ServiceLists {
    /// Numbers of the services of a row.
    pub(in super::super) fn get(&self, row: usize) -> &[u32] {
        let list = self.codes.get(row).and_then(|code| usize::from(*code).checked_sub(1));
        list.map_or(&[], |list| self.lists.get(list))
    }
}

impl ColumnData for ServiceLists {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let lists = Lists::read(input, u32::MAX as usize)?;
        let codes = read_codes(input, rows, lists.len())?;
        Ok(Self { lists, codes })
    }

    fn memory(&self) -> usize {
        self.lists.memory() + self.codes.capacity() * size_of::<u16>()
    }
}

impl ColumnData for EntryPoints {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        if rows > input.len() {
            return Err(Malformed);
        }
        (0..rows).map(|_| input.small()).collect::<Result<_, _>>().map(Self)
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

impl Users {
    /// The users of a row: the number of the name plus 1, and of the list of sharers.
    pub(in super::super) fn get(&self, row: usize) -> &[(u32, u32)] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = start.unwrap_or(0) as usize..self.ends.get(row).copied().unwrap_or(0) as usize;
        self.users.get(range).unwrap_or(&[])
    }
}

impl ColumnData for Users {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let names = Texts::read(input)?;
        if rows > input.len() {
            return Err(Malformed);
        }
        let (mut ends, mut end) = (Vec::with_capacity(rows), 0_u32);
        for _ in 0..rows {
            end = end.checked_add(input.small()?).ok_or(Malformed)?;
            ends.push(end);
        }
        let codes: Vec<u32> = read_codes(input, end as usize, names.len())?;
        let mut users = Vec::with_capacity(codes.len());
        for code in codes {
            users.push((code, input.small()?));
        }
        Ok(Self { names, ends, users })
    }

    fn memory(&self) -> usize {
        let users = self.users.capacity() * size_of::<(u32, u32)>();
        self.names.memory() + self.ends.capacity() * size_of::<u32>() + users
    }
}
