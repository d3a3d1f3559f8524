//! Conditions on texts.
//!
//! A text is looked for once in the dictionary of a row group; and not even there if the digest of
//! that dictionary is in mind and has it not.

use std::sync::Arc;

use super::super::SettledError;
use super::super::columns::{ColumnData, ColumnName, TextColumn, TextLists, Users};
use super::super::digests::DigestName;
use super::super::group::Group;
use super::super::selection::Selection;
use super::super::texts::Texts;
use super::Codes;
use crate::condition::TextMatch;

/// Keeps the rows with a text that matches.
pub(super) fn select_text(
    group: &Group<'_>,
    name: ColumnName,
    wanted: &TextMatch,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    match look_up(group, name, |column: &TextColumn| &column.texts, wanted)? {
        Some((column, matching)) => matching.select(&column.codes, rows),
        None => rows.clear(),
    }
    Ok(())
}

/// Keeps the rows one of whose texts matches.
pub(super) fn select_texts(
    group: &Group<'_>,
    name: ColumnName,
    wanted: &TextMatch,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    match look_up(group, name, |column: &TextLists| &column.texts, wanted)? {
        Some((column, texts)) => Codes::of_lists(&column.lists, &texts).select(&column.codes, rows),
        None => rows.clear(),
    }
    Ok(())
}

/// Keeps the rows one of whose users matches.
pub(super) fn select_user(
    group: &Group<'_>,
    wanted: &TextMatch,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    match look_up(group, ColumnName::Users, |users: &Users| &users.names, wanted)? {
        Some((users, matching)) => rows.retain(|row| {
            let mut names = users.get(row).iter().map(|(name, _)| *name as usize);
            names.any(|name| matching.has(name))
        }),
        None => rows.clear(),
    }
    Ok(())
}

/// A column and which texts of its dictionary match; `None` if none does.
fn look_up<T: ColumnData>(
    group: &Group<'_>,
    name: ColumnName,
    texts: fn(&T) -> &Texts,
    wanted: &TextMatch,
) -> Result<Option<(Arc<T>, Codes)>, SettledError> {
    let dictionary = DigestName::Texts(name, 0);
    if group.lacks_text(dictionary, wanted) {
        return Ok(None);
    }
    let column = group.column::<T>(name)?;
    let texts = texts(&column);
    let matching = Codes::of(texts.len(), &texts.matching(wanted));
    if matching.is_empty {
        group.keep_texts(dictionary, texts, wanted);
        return Ok(None);
    }
    Ok(Some((column, matching)))
}
