//! Conditions on annotations.

use std::ops::RangeBounds as _;

use super::super::SettledError;
use super::super::columns::{AnnotationValues, Annotations, ColumnName, ValueKind, Values};
use super::super::digests::DigestName;
use super::super::group::Group;
use super::super::selection::Selection;
use super::Codes;
use crate::condition::AnnotationMatch;

/// Keeps the rows with an annotation of this key and such a value.
pub(super) fn select_annotation(
    group: &Group<'_>,
    key: &str,
    wanted: &AnnotationMatch,
    rows: &mut Selection,
) -> Result<(), SettledError> {
    let annotations = group.column::<Annotations>(ColumnName::Annotations)?;
    let is_kind = |kind| match wanted {
        AnnotationMatch::Any => true,
        AnnotationMatch::Text(_) => kind == ValueKind::Text,
        AnnotationMatch::Number(_) => kind == ValueKind::Number,
        AnnotationMatch::Boolean(_) => kind == ValueKind::Boolean,
    };
    let columns = (0_u32..).zip(&annotations.columns);
    let columns: Vec<_> =
        columns.filter(|(_, column)| column.key == key && is_kind(column.kind)).collect();
    if *wanted == AnnotationMatch::Any {
        let of_key = |[column, _]: &[u32; 2]| columns.iter().any(|(number, _)| number == column);
        let shapes = annotations.shapes.iter().zip(0..);
        let matching: Vec<u32> = shapes
            .filter(|(shape, _)| shape.as_chunks().0.iter().any(of_key))
            .map(|(_, number)| number)
            .collect();
        Codes::of(annotations.shapes.len(), &matching).select(&annotations.rows, rows);
        return Ok(());
    }
    // At most one column has the key and the one kind that is asked for.
    let Some((number, column)) = columns.first() else {
        rows.clear();
        return Ok(());
    };
    let dictionary = DigestName::Texts(ColumnName::AnnotationValues(column.chunk), column.place);
    if let AnnotationMatch::Text(wanted) = wanted
        && group.lacks_text(dictionary, wanted)
    {
        rows.clear();
        return Ok(());
    }
    let chunk = group.annotation_values(&annotations, column.chunk)?;
    let matching = matching_values(&chunk, column.place, wanted);
    if matching.is_empty {
        if let (AnnotationMatch::Text(wanted), Some(column)) = (wanted, chunk.0.get(column.place))
            && let Values::Texts(texts) = &column.values
        {
            group.keep_texts(dictionary, texts, wanted);
        }
        rows.clear();
        return Ok(());
    }
    let codes = chunk.0.get(column.place).map_or(&[][..], |values| &values.codes);
    let counts: Vec<usize> = annotations
        .shapes
        .iter()
        .map(|shape| shape.as_chunks().0.iter().filter(|[column, _]| column == number).count())
        .collect();
    // The values of a row are the next ones of the column, whether it is still in question or not.
    let mut next = 0;
    let mut matched = vec![false; annotations.rows.len()];
    for (shape, is_match) in annotations.rows.iter().zip(&mut matched) {
        let shape = usize::from(*shape).checked_sub(1);
        let count = shape.and_then(|shape| counts.get(shape)).copied().unwrap_or(0);
        let of_row = codes.get(next..next + count).unwrap_or(&[]);
        *is_match = of_row.iter().any(|code| matching.has(*code as usize));
        next += count;
    }
    rows.retain(|row| matched.get(row).copied().unwrap_or(false));
    Ok(())
}

fn matching_values(chunk: &AnnotationValues, place: usize, wanted: &AnnotationMatch) -> Codes {
    let Some(column) = chunk.0.get(place) else { return Codes::of(0, &[]) };
    match (&column.values, wanted) {
        (Values::Texts(texts), AnnotationMatch::Text(wanted)) => {
            Codes::of(texts.len(), &texts.matching(wanted))
        }
        (Values::Numbers(numbers), AnnotationMatch::Number(limits)) => {
            let matching = (0..).zip(numbers).filter(|(_, number)| limits.contains(*number));
            let matching: Vec<u32> = matching.map(|(place, _)| place).collect();
            Codes::of(numbers.len(), &matching)
        }
        (Values::Booleans, AnnotationMatch::Boolean(wanted)) => Codes::of(2, &[u32::from(*wanted)]),
        _ => Codes::of(0, &[]),
    }
}
