//! Conditions on columns.
//!
//! The result is that of [`Condition::truth`] on each row's summary and graph, without making any. Texts
//! and services are looked at once for each entry of a dictionary; what is known of the row group
//! (its footer entry) rules out or lets through whole groups without reading a column.

use std::ops::{RangeBounds as _, RangeInclusive};

use roentgen_model::{Micros, Outcome, Timestamp, TraceSummary};

use super::SettledError;
use super::columns::{
    ColumnName, Durations, EntryPoints, FLAG_ERROR, FLAG_FAULT, FLAG_PARTIAL, FLAG_THROTTLE, Flags,
    Integers, OptionalIntegers, ResponseTimes, ServiceLists, ServiceTable, outcome_bit,
};
use super::group::Group;
use super::selection::Selection;
use crate::condition::{Condition, Limits, Logic, ServiceMatch, TextField, overlap};
use crate::{TimeRange, TimeRangeType};

mod annotations;
mod requests;
mod texts;

use annotations::select_annotation;
use requests::{select_calls, select_requests};
use texts::{select_text, select_texts, select_user};

/// Keeps the rows whose trace belongs to the range.
pub(super) fn select_range(
    group: &Group<'_>,
    range: TimeRange,
    range_type: TimeRangeType,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let known = group.group;
    match range_type {
        TimeRangeType::TraceId => {
            if !(range.contains(known.first.time) && range.contains(known.last.time)) {
                let times: &Integers = &*group.column(ColumnName::Times)?;
                rows.retain(|row| contains(range, times.0.get(row)));
            }
        }
        TimeRangeType::Event => {
            let start = range.start.as_micros();
            let end = range.end.as_micros();
            if !(*known.starts.end() < end && start <= *known.ends.start()) {
                let starts = group.column::<Integers>(ColumnName::Starts)?;
                let durations = group.column::<Durations>(ColumnName::Durations)?;
                rows.retain(|row| {
                    let window = starts.0.get(row).zip(durations.0.get(row));
                    window.is_some_and(|(from, length)| {
                        *from < end && start <= from.wrapping_add(*length)
                    })
                });
            }
        }
        TimeRangeType::Service => {
            let time = |micros: &i64| Timestamp::from_micros(*micros);
            let is_inside = [known.ends.start(), known.ends.end()];
            if !is_inside.into_iter().all(|end| range.contains(time(end))) {
                let starts = group.column::<Integers>(ColumnName::Starts)?;
                let durations = group.column::<Durations>(ColumnName::Durations)?;
                rows.retain(|row| {
                    let window = starts.0.get(row).zip(durations.0.get(row));
                    let end = window.map(|(from, length)| from.wrapping_add(*length));
                    contains(range, end.as_ref())
                });
            }
        }
    }
    Ok(())
}

fn contains(range: TimeRange, time: Option<&i64>) -> bool {
    time.is_some_and(|micros| range.contains(Timestamp::from_micros(*micros)))
}

/// Whether some row of a group may belong to the range, from what is known of the group.
pub(super) fn may_select(
    group: &super::footer::RowGroup,
    range: TimeRange,
    range_type: TimeRangeType,
) -> bool {
    let (start, end) = (range.start.as_micros(), range.end.as_micros());
    let (least, greatest) = match range_type {
        TimeRangeType::TraceId => (group.first.time.as_micros(), group.last.time.as_micros()),
        TimeRangeType::Event => (*group.starts.start(), *group.ends.end()),
        TimeRangeType::Service => (*group.ends.start(), *group.ends.end()),
    };
    least < end && start <= greatest
}

/// Keeps the rows of which all conditions are true; and those of which that is not known if
/// `unknown`.
pub(super) fn select(
    group: &Group<'_>,
    conditions: &[Condition],
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    if !conditions.iter().all(|condition| may_hold(group, condition)) {
        rows.clear();
    }
    for condition in conditions {
        if rows.is_empty() {
            break;
        }
        select_one(group, condition, unknown, rows)?;
    }
    Ok(())
}

/// The same for conditions that are joined.
fn select_joined(
    group: &Group<'_>,
    logic: &Logic<Condition>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    match logic {
        Logic::All(parts) => {
            for part in parts {
                if rows.is_empty() {
                    break;
                }
                select_joined(group, part, unknown, rows)?;
            }
        }
        Logic::Any(parts) => {
            let mut rest = rows.clone();
            for part in parts {
                if rest.is_empty() {
                    break;
                }
                let mut found = rest.clone();
                select_joined(group, part, unknown, &mut found)?;
                rest.subtract(&found);
            }
            rows.subtract(&rest);
        }
        Logic::Not(inner) => {
            let mut found = rows.clone();
            select_joined(group, inner, !unknown, &mut found)?;
            rows.subtract(&found);
        }
        Logic::Is(condition) => {
            if may_hold(group, condition) {
                select_one(group, condition, unknown, rows)?;
            } else {
                rows.clear();
            }
        }
        Logic::Unknown => {
            if !unknown {
                rows.clear();
            }
        }
    }
    Ok(())
}

/// Whether the condition may hold of some row, from what is known of the group.
fn may_hold(group: &Group<'_>, condition: &Condition) -> bool {
    let known = group.group;
    let flag = |flag: u8, wanted: bool| {
        if wanted { known.any_flags & flag != 0 } else { known.all_flags & flag == 0 }
    };
    match condition {
        Condition::Outcomes(outcomes) => known.outcomes & bits_of(outcomes) != 0,
        Condition::Fault(wanted) => flag(FLAG_FAULT, *wanted),
        Condition::Error(wanted) => flag(FLAG_ERROR, *wanted),
        Condition::Throttle(wanted) => flag(FLAG_THROTTLE, *wanted),
        Condition::Partial(wanted) => flag(FLAG_PARTIAL, *wanted),
        Condition::ResponseTime(limits) => {
            known.response_times.as_ref().is_some_and(|range| may_be_within(limits, range))
        }
        Condition::Duration(limits) => may_be_within(limits, &known.durations),
        _ => true,
    }
}

fn may_be_within(limits: &Limits<Micros>, range: &RangeInclusive<i64>) -> bool {
    overlap(limits, &(Micros::new(*range.start())..=Micros::new(*range.end())))
}

fn bits_of(outcomes: &[Outcome]) -> u8 {
    let bit = |outcome: &Outcome| match outcome {
        Outcome::Ok => outcome_bit(0),
        Outcome::Error => outcome_bit(1),
        Outcome::Throttle => outcome_bit(2),
        Outcome::Fault => outcome_bit(3),
    };
    outcomes.iter().fold(0, |bits, outcome| bits | bit(outcome))
}

fn select_one(
    group: &Group<'_>,
    condition: &Condition,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    match condition {
        Condition::Outcomes(outcomes) => {
            let wanted = bits_of(outcomes);
            if group.group.outcomes & !wanted != 0 {
                let flags = group.column::<Flags>(ColumnName::Flags)?;
                let bit = |row| flags.0.get(row).copied().map_or(0, outcome_bit);
                rows.retain(|row| bit(row) & wanted != 0);
            }
        }
        Condition::Fault(wanted) => select_flag(group, FLAG_FAULT, *wanted, rows)?,
        Condition::Error(wanted) => select_flag(group, FLAG_ERROR, *wanted, rows)?,
        Condition::Throttle(wanted) => select_flag(group, FLAG_THROTTLE, *wanted, rows)?,
        Condition::Partial(wanted) => select_flag(group, FLAG_PARTIAL, *wanted, rows)?,
        Condition::ResponseTime(limits) => {
            let less = group.column::<ResponseTimes>(ColumnName::ResponseTimes)?;
            let durations = group.column::<Durations>(ColumnName::Durations)?;
            rows.retain(|row| {
                let time = less.0.get(row).zip(durations.0.get(row));
                let time = time.map(|(less, length)| Micros::new(less.wrapping_add(*length)));
                time.is_some_and(|time| limits.contains(&time))
            });
        }
        Condition::Duration(limits) => {
            let durations = group.column::<Durations>(ColumnName::Durations)?;
            let is_kept = |length: &i64| limits.contains(&Micros::new(*length));
            rows.retain(|row| durations.0.get(row).is_some_and(is_kept));
        }
        Condition::HttpStatus(limits) => {
            let statuses = group.column::<OptionalIntegers>(ColumnName::Statuses)?;
            rows.retain(|row| statuses.get(row).is_some_and(|status| limits.contains(&status)));
        }
        Condition::Text(field, wanted) => {
            let name = match field {
                TextField::Url => ColumnName::Urls,
                TextField::Method => ColumnName::Methods,
                TextField::UserAgent => ColumnName::UserAgents,
                TextField::ClientIp => ColumnName::ClientIps,
            };
            select_text(group, name, wanted, rows)?;
        }
        Condition::Service(wanted) => {
            let services = group.column::<ServiceTable>(ColumnName::ServiceTable)?;
            let lists = group.column::<ServiceLists>(ColumnName::Services)?;
            let matching = Codes::of_lists(&lists.lists, &matching_services(&services, wanted));
            if lists.lists.iter().all(|list| list.len() < TraceSummary::MOST_SERVICES) {
                matching.select(&lists.codes, rows);
            } else {
                // Other services of a trace are only among its requests.
                let mut others = rows.clone();
                let is_cut = |row| lists.get(row).len() >= TraceSummary::MOST_SERVICES;
                others.retain(is_cut);
                rows.retain(|row| !is_cut(row));
                matching.select(&lists.codes, rows);
                select_requests(group, wanted, &Logic::TRUE, unknown, &mut others)?;
                rows.add(&others);
            }
        }
        Condition::Request { who, tests } => select_requests(group, who, tests, unknown, rows)?,
        Condition::Call { from, to, tests } => {
            select_calls(group, (from, to), tests, unknown, rows)?;
        }
        Condition::Joined(logic) => select_joined(group, logic, unknown, rows)?,
        Condition::EntryPoint(wanted) => {
            let services = group.column::<ServiceTable>(ColumnName::ServiceTable)?;
            let entries = group.column::<EntryPoints>(ColumnName::EntryPoints)?;
            matching_services(&services, wanted).select(&entries.0, rows);
        }
        Condition::User(wanted) => select_user(group, wanted, rows)?,
        Condition::Annotation { key, value } => select_annotation(group, key, value, rows)?,
        Condition::ResourceArn(wanted) => {
            select_texts(group, ColumnName::ResourceArns, wanted, rows)?;
        }
        Condition::InstanceId(wanted) => {
            select_texts(group, ColumnName::InstanceIds, wanted, rows)?;
        }
        Condition::AvailabilityZone(wanted) => {
            select_texts(group, ColumnName::AvailabilityZones, wanted, rows)?;
        }
    }
    Ok(())
}

fn select_flag(
    group: &Group<'_>,
    flag: u8,
    wanted: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let known = group.group;
    let all_are = if wanted { known.all_flags & flag != 0 } else { known.any_flags & flag == 0 };
    if !all_are {
        let flags = group.column::<Flags>(ColumnName::Flags)?;
        rows.retain(|row| flags.0.get(row).is_some_and(|flags| (flags & flag != 0) == wanted));
    }
    Ok(())
}

fn matching_services(table: &ServiceTable, wanted: &ServiceMatch) -> Codes {
    let services = (0..).zip(&table.services);
    let matching: Vec<u32> =
        services.filter(|(_, service)| wanted.matches(service)).map(|(number, _)| number).collect();
    Codes::of(table.services.len(), &matching)
}

/// The codes of the entries of a dictionary that match: the number of the entry plus 1, since 0
/// stands for no entry.
struct Codes {
    is_match: Vec<bool>,
    is_empty: bool,
}

impl Codes {
    fn of(entries: usize, matching: &[u32]) -> Self {
        let mut is_match = vec![false; entries + 1];
        for number in matching {
            if let Some(is_match) = is_match.get_mut(*number as usize + 1) {
                *is_match = true;
            }
        }
        Self { is_match, is_empty: matching.is_empty() }
    }

    /// The codes of lists with a matching item.
    fn of_lists(lists: &super::lists::Lists, items: &Codes) -> Self {
        if items.is_empty {
            return Self::of(0, &[]);
        }
        let has_match = |list: &[u32]| list.iter().any(|item| items.has(*item as usize + 1));
        let matching: Vec<u32> =
            lists.iter().zip(0..).filter(|(list, _)| has_match(list)).map(|(_, n)| n).collect();
        Self::of(lists.len(), &matching)
    }

    fn has(&self, code: usize) -> bool {
        self.is_match.get(code).copied().unwrap_or(false)
    }

    /// Keeps the rows with a matching code.
    fn select<T: Copy + TryInto<usize>>(&self, codes: &[T], rows: &mut Selection) {
        if self.is_empty {
            rows.clear();
            return;
        }
        let code = |row: usize| codes.get(row).and_then(|code: &T| (*code).try_into().ok());
        rows.retain(|row| code(row).is_some_and(|code| self.has(code)));
    }
}
