//! Conditions on single requests and calls.
//!
//! Kinds are few and lists of kinds, too. What can be told of them is told of each once; only where
//! lengths matter and kinds leave it open, the rows themselves are looked at; and not even those when
//! the lengths of all requests of a kind are alike in what is asked of them ([`KindLengths`]).

use std::ops::RangeInclusive;

use roentgen_model::{Micros, ServiceId};

use super::super::SettledError;
use super::super::columns::Shapes;
use super::super::digests::KindLengths;
use super::super::group::{Group, Requests};
use super::super::observed::{GroupKind, bit};
use super::super::selection::Selection;
use crate::condition::{Logic, RequestTest, SeenRequest, ServiceMatch, only};

/// Keeps the rows with a request of such nodes that meets what is asked; and those of which that is
/// not known if `unknown`.
pub(super) fn select_requests(
    group: &Group<'_>,
    who: &ServiceMatch,
    tests: &Logic<RequestTest>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    select(group, &Asked { of: Meant::Requests(who), tests }, unknown, rows)
}

/// Keeps the rows with a call between such nodes that meets what is asked; and those of which that
/// is not known if `unknown`.
pub(super) fn select_calls(
    group: &Group<'_>,
    (from, to): (&ServiceMatch, &ServiceMatch),
    tests: &Logic<RequestTest>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    select(group, &Asked { of: Meant::Calls(from, to), tests }, unknown, rows)
}

/// What is asked of one and the same request or call.
struct Asked<'a> {
    of: Meant<'a>,
    tests: &'a Logic<RequestTest>,
}

/// Requests of nodes, or calls between nodes.
enum Meant<'a> {
    Requests(&'a ServiceMatch),
    Calls(&'a ServiceMatch, &'a ServiceMatch),
}

/// What is known of a kind, or of a list of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    /// Unknown, and lengths may tell.
    Maybe,
}

impl Asked<'_> {
    fn is_of(&self, kind: GroupKind, services: &[ServiceId]) -> bool {
        let Some(service) = services.get(kind.service as usize) else { return false };
        match (&self.of, kind.from.checked_sub(1)) {
            (Meant::Requests(who), None) => who.matches(service),
            (Meant::Calls(from, to), Some(caller)) => {
                let caller = services.get(caller as usize);
                caller.is_some_and(|caller| from.matches(caller)) && to.matches(service)
            }
            _ => false,
        }
    }

    fn has_lengths(&self) -> bool {
        let is_length = |test: &RequestTest| {
            matches!(test, RequestTest::ResponseTime(_) | RequestTest::Duration(_))
        };
        self.tests.has(&is_length)
    }

    /// What is known of each kind.
    fn verdicts(
        &self,
        (services, kinds): (&[ServiceId], &[GroupKind]),
        lengths: Option<&KindLengths>,
    ) -> Verdicts {
        let verdict = |number: usize, kind: GroupKind, has_one_first: bool| {
            let lengths = lengths.and_then(|known| known.lengths.get(number)?.clone());
            match seen(services, kind, has_one_first, lengths).meets(self.tests) {
                Some(true) => Verdict::Yes,
                Some(false) => Verdict::No,
                None => Verdict::Maybe,
            }
        };
        let of_kind = |(number, kind): (usize, &GroupKind)| match self.is_of(*kind, services) {
            false => [Verdict::No; 2],
            true => [false, true].map(|has_one_first| verdict(number, *kind, has_one_first)),
        };
        Verdicts(kinds.iter().enumerate().map(of_kind).collect())
    }

    /// Whether it is certain that no row meets it.
    fn is_ruled_out_by(&self, known: &KindLengths) -> bool {
        let verdicts = self.verdicts((&known.services, &known.kinds), Some(known));
        known.has_all && verdicts.0.iter().flatten().all(|verdict| *verdict == Verdict::No)
    }
}

/// What is known of each kind: where not one request alone is the first of its trace, and where one
/// is.
struct Verdicts(Vec<[Verdict; 2]>);

impl Verdicts {
    fn get(&self, kind: u32, has_one_first: bool) -> Verdict {
        let of_kind = self.0.get(kind as usize);
        of_kind.map_or(Verdict::No, |[other, usual]| if has_one_first { *usual } else { *other })
    }

    /// Keeps the rows that certainly meet what is asked; gives those that may.
    fn sift(&self, shapes: &Shapes, rows: &mut Selection) -> Selection {
        let of_list = |list: usize| {
            let has_one_first = shapes.firsts(list) == 1;
            let kinds = shapes.lists.get(list).iter();
            let mut verdicts = kinds.map(|kind| self.get(*kind, has_one_first));
            let mut verdict = Verdict::No;
            let is_certain = verdicts.any(|of_kind| {
                if of_kind == Verdict::Maybe {
                    verdict = Verdict::Maybe;
                }
                of_kind == Verdict::Yes
            });
            if is_certain { Verdict::Yes } else { verdict }
        };
        let of_lists: Vec<Verdict> = (0..shapes.lists.len()).map(of_list).collect();
        let of_row = |row: usize| {
            let list = shapes.list_of(row);
            list.map_or(Verdict::Maybe, |list| of_lists.get(list).copied().unwrap_or(Verdict::No))
        };
        let mut open = rows.clone();
        rows.retain(|row| of_row(row) == Verdict::Yes);
        open.retain(|row| of_row(row) == Verdict::Maybe);
        open
    }
}

fn select(
    group: &Group<'_>,
    asked: &Asked<'_>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let known = if asked.has_lengths() { group.known_lengths() } else { None };
    if known.as_deref().is_some_and(|known| asked.is_ruled_out_by(known)) {
        rows.clear();
        return Ok(());
    }
    let Some(shapes) = group.shapes()? else {
        if !unknown {
            rows.clear();
        }
        return Ok(());
    };
    let of_kinds = (shapes.services.as_slice(), shapes.kinds.as_slice());
    let mut verdicts = asked.verdicts(of_kinds, known.as_deref());
    let mut open = verdicts.sift(&shapes, rows);
    if asked.has_lengths() && !open.is_empty() {
        let mut requests = group.requests(shapes.clone())?;
        if known.is_none() {
            let known = group.read_lengths(&mut requests)?;
            verdicts = asked.verdicts(of_kinds, Some(&known));
            let still_open = verdicts.sift(&shapes, &mut open);
            rows.add(&std::mem::replace(&mut open, still_open));
        }
        for row in open.clone().iter() {
            match look_at(asked, &verdicts, &mut requests, row)? {
                Some(true) => {
                    rows.insert(row);
                    open.remove(row);
                }
                Some(false) => open.remove(row),
                None => {}
            }
        }
    }
    if unknown {
        rows.add(&open);
    }
    Ok(())
}

/// Whether some request or call of a row meets what is asked; `None` if that is not known.
fn look_at(
    asked: &Asked<'_>,
    verdicts: &Verdicts,
    requests: &mut Requests<'_>,
    row: usize,
) -> Result<Option<bool>, SettledError> {
    let shapes = requests.shapes.clone();
    let has_one_first = shapes.list_of(row).is_some_and(|list| shapes.firsts(list) == 1);
    let mut truth = Some(false);
    let is_known = requests.of_row(row, |request| {
        if truth == Some(true) {
            return;
        }
        match verdicts.get(request.number, has_one_first) {
            Verdict::No => {}
            Verdict::Yes => truth = Some(true),
            Verdict::Maybe => {
                let lengths = request.length.map(|length| only(Micros::new(length)));
                let seen = seen(&shapes.services, request.kind, has_one_first, lengths);
                match seen.meets(asked.tests) {
                    Some(false) => {}
                    met => truth = met,
                }
            }
        }
    })?;
    Ok(if is_known { truth } else { None })
}

/// A request or call of a kind, as conditions see it; or some of a kind.
fn seen(
    services: &[ServiceId],
    kind: GroupKind,
    has_one_first: bool,
    lengths: Option<RangeInclusive<Micros>>,
) -> SeenRequest<'_> {
    let service = services.get(kind.service as usize).filter(|_| kind.is_node());
    let is_client = service.is_some_and(ServiceId::is_client);
    SeenRequest {
        service,
        is_client,
        is_inferred: !kind.has(bit::REAL) && !is_client,
        is_first: kind.has(bit::ROOT),
        has_one_first,
        flags: kind.flags(),
        has_ended: kind.has(bit::ENDED),
        is_outlived: kind.has(bit::OUTLIVED),
        lengths,
    }
}
