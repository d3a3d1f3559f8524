//! Conditions on single requests and calls.
//!
//! Kinds are few and lists of kinds, too. What can be told of them is told of each once; only where
//! lengths matter and kinds leave it open, the rows themselves are looked at.

use roentgen_model::{Micros, ServiceId};

use super::super::SettledError;
use super::super::columns::Shapes;
use super::super::group::Group;
use super::super::observed::{GroupKind, bit};
use super::super::selection::Selection;
use crate::condition::{Logic, RequestTest, SeenRequest, ServiceMatch};

/// Keeps the rows with a request of such nodes that meets what is asked; and those of which that is
/// not known if `unknown`.
pub(super) fn select_requests(
    group: &Group<'_>,
    who: &ServiceMatch,
    tests: &Logic<RequestTest>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let is_meant = |kind: GroupKind, shapes: &Shapes| {
        kind.is_node() && service(shapes, kind).is_some_and(|service| who.matches(service))
    };
    select(group, &is_meant, tests, unknown, rows)
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
    let is_meant = |kind: GroupKind, shapes: &Shapes| {
        let caller = kind.from.checked_sub(1);
        let caller = caller.and_then(|caller| shapes.services.get(caller as usize));
        caller.is_some_and(|caller| from.matches(caller))
            && service(shapes, kind).is_some_and(|service| to.matches(service))
    };
    select(group, &is_meant, tests, unknown, rows)
}

fn service(shapes: &Shapes, kind: GroupKind) -> Option<&ServiceId> {
    shapes.services.get(kind.service as usize)
}

/// What is known of a kind, or of a list of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    /// Unknown, and lengths may tell.
    Maybe,
}

fn select(
    group: &Group<'_>,
    is_meant: &dyn Fn(GroupKind, &Shapes) -> bool,
    tests: &Logic<RequestTest>,
    unknown: bool,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let Some(shapes) = group.shapes()? else {
        if !unknown {
            rows.clear();
        }
        return Ok(());
    };
    let meant: Vec<bool> = shapes.kinds.iter().map(|kind| is_meant(*kind, &shapes)).collect();
    // Twice, as it may matter whether one request alone is the first of its trace.
    let of_kinds = [false, true].map(|has_one_first| -> Vec<Verdict> {
        let kinds = shapes.kinds.iter().zip(&meant);
        let verdict = |(kind, is_meant): (&GroupKind, &bool)| match is_meant {
            false => Verdict::No,
            true => match seen(&shapes, *kind, has_one_first, None).meets(tests) {
                Some(true) => Verdict::Yes,
                Some(false) => Verdict::No,
                None => Verdict::Maybe,
            },
        };
        kinds.map(verdict).collect()
    });
    let [in_others, in_usual] = &of_kinds;
    let has_one_first = |list: usize| shapes.firsts(list) == 1;
    let of_list = |list: usize| {
        let of_kinds = if has_one_first(list) { in_usual } else { in_others };
        let kinds = shapes.lists.get(list).iter();
        let mut verdicts = kinds.filter_map(|kind| of_kinds.get(*kind as usize).copied());
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
    if open.is_empty() {
        return Ok(());
    }
    if tests.has(&|test| matches!(test, RequestTest::ResponseTime(_) | RequestTest::Duration(_))) {
        let mut requests = group.requests(shapes.clone())?;
        for row in open.clone().iter() {
            let has_one_first = shapes.list_of(row).is_some_and(has_one_first);
            let mut truth = Some(false);
            let is_known = requests.of_row(row, |request| {
                let is_meant = meant.get(request.number as usize).copied().unwrap_or(false);
                if is_meant && truth != Some(true) {
                    let length = request.length.map(|length| Micros::new(length).clamped());
                    let seen = seen(&shapes, request.kind, has_one_first, length);
                    match seen.meets(tests) {
                        Some(false) => {}
                        met => truth = met,
                    }
                }
            })?;
            if is_known && truth.is_some() {
                open.remove(row);
                if truth == Some(true) {
                    rows.insert(row);
                }
            }
        }
    }
    if unknown {
        rows.add(&open);
    }
    Ok(())
}

/// A request or call of a kind, as conditions see it.
fn seen(
    shapes: &Shapes,
    kind: GroupKind,
    has_one_first: bool,
    length: Option<Micros>,
) -> SeenRequest<'_> {
    let service = service(shapes, kind).filter(|_| kind.is_node());
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
        length,
    }
}
