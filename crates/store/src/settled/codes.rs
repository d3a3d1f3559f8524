//! Codes: columns that name entries of a dictionary.
//!
//! Dictionaries are in the order of first use, so the next entry that was not used before is
//! always known, and a column of values that are all different takes next to nothing.

use super::encoding::{Input, Malformed, write_number};

/// Stands for "the next entry that was not used before".
const NEXT: u64 = 0;

/// Writes the codes of a column.
#[derive(Debug, Default)]
pub(super) struct CodeWriter {
    used: u32,
}

impl CodeWriter {
    /// Appends the code of an entry, or of no entry. A new entry must be the one behind all that
    /// were used.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, entry: Option<u32>) {
        match entry {
            Some(entry) if entry == self.used => {
                self.used += 1;
                write_number(out, NEXT);
            }
            Some(entry) => write_number(out, u64::from(entry) + 2),
            None => write_number(out, 1),
        }
    }
}

/// Reads `count` codes of a dictionary with so many entries: 0 for no entry, else the number of
/// the entry plus 1.
pub(super) fn read_codes<T: TryFrom<u32>>(
    input: &mut Input<'_>,
    count: usize,
    entries: usize,
) -> Result<Vec<T>, Malformed> {
    if count > input.len() {
        return Err(Malformed);
    }
    let mut codes = Vec::with_capacity(count);
    let mut used = 0_u32;
    for _ in 0..count {
        let code = match input.number()? {
            NEXT => {
                used += 1;
                used
            }
            written => u32::try_from(written - 1).map_err(|_| Malformed)?,
        };
        if code as usize > entries {
            return Err(Malformed);
        }
        codes.push(T::try_from(code).map_err(|_| Malformed)?);
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_beyond_the_dictionary_are_malformed() {
        let check = |bytes: &[u8], entries, expect: Result<Vec<u16>, Malformed>| {
            assert_eq!(read_codes(&mut Input::new(bytes), bytes.len(), entries), expect);
        };
        check(&[0, 0, 1, 2, 3], 2, Ok(vec![1, 2, 0, 1, 2]));
        check(&[0, 0, 0], 2, Err(Malformed));
        check(&[4], 2, Err(Malformed));
        assert_eq!(read_codes::<u16>(&mut Input::new(&[1]), 2, 2), Err(Malformed));
    }

    proptest! {
        #[test]
        fn codes_come_back(values in prop::collection::vec(prop::option::of(0_u8..20), 0..60)) {
            let (mut seen, mut out, mut writer) = (Vec::new(), Vec::new(), CodeWriter::default());
            let mut expect = Vec::new();
            for value in &values {
                let entry = value.map(|value| {
                    seen.iter().position(|seen| *seen == value).unwrap_or_else(|| {
                        seen.push(value);
                        seen.len() - 1
                    })
                });
                let entry = entry.map(|entry| u32::try_from(entry).unwrap());
                expect.push(entry.map_or(0, |entry| entry + 1));
                writer.write(&mut out, entry);
            }
            let mut input = Input::new(&out);
            prop_assert_eq!(read_codes::<u32>(&mut input, values.len(), seen.len()), Ok(expect));
            prop_assert_eq!(input.finish(), Ok(()));
        }
    }
}
