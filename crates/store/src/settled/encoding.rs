//! Numbers and texts as bytes: what every part of a settled file is written with.
//!
//! Numbers are written in groups of seven bits, the lowest first, a set eighth bit saying that
//! more follow (LEB128); signed ones are folded first, so that those near zero stay short.

/// Why some bytes cannot be read. Their checksum was right, so they were written so: by another
/// program, or by a defect of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends a number.
pub(super) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7F) as u8);
}

/// Appends a count or length.
pub(super) fn write_count(out: &mut Vec<u8>, count: usize) {
    write_number(out, count as u64);
}

/// Appends a number that may be negative.
pub(super) fn write_signed(out: &mut Vec<u8>, number: i64) {
    write_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends a text or other bytes behind their length.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Bytes being read from their beginning.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Reads these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are left, which have then been read.
    pub(super) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// A number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        match self.rest.split_first() {
            Some((&first, rest)) if first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Malformed> {
        if let Some((number, bytes)) = self.rest.first_chunk().and_then(|next| short_number(*next))
            && let Some(rest) = self.rest.get(bytes..)
        {
            self.rest = rest;
            return Ok(number);
        }
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A number that may be negative.
    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A number that fits a smaller type.
    #[inline]
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.number()?).map_err(|_| Malformed)
    }

    /// The number of things that follow, each of which takes at least one byte: never more than
    /// there are bytes, so that room may be made for them.
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.small()?;
        if count > self.rest.len() { Err(Malformed) } else { Ok(count) }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// So many bytes, their number known to the compiler.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A text behind its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)
    }

    /// Everything must have been read.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// The number that eight bytes begin with, and how many of them it takes; `None` if all do not
/// suffice. Without a loop, it takes half the time.
fn short_number(bytes: [u8; 8]) -> Option<(u64, usize)> {
    const MORE: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let last = !word & MORE;
    if last == 0 {
        return None;
    }
    // All bits up to the eighth one of the last byte; then pairs of 7, 14 and 28 bits join.
    let groups = word & (last ^ (last - 1)) & !MORE;
    let groups = groups & 0x007F_007F_007F_007F | (groups & 0x7F00_7F00_7F00_7F00) >> 1;
    let groups = groups & 0x0000_3FFF_0000_3FFF | (groups & 0x3FFF_0000_3FFF_0000) >> 2;
    let number = groups & 0x0FFF_FFFF | (groups & 0x0FFF_FFFF_0000_0000) >> 4;
    Some((number, last.trailing_zeros() as usize / 8 + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_format_description() {
        let check = |number: i64, expect: &[u8]| {
            let mut out = Vec::new();
            write_signed(&mut out, number);
            assert_eq!(out, expect, "{number}");
        };
        check(0, &[0]);
        check(-1, &[1]);
        check(63, &[0x7E]);
        check(64, &[0x80, 0x01]);
        check(i64::MIN, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    }

    #[test]
    fn numbers_too_long_and_counts_too_large_are_malformed() {
        let check = |bytes: &[u8]| assert_eq!(Input::new(bytes).number(), Err(Malformed));
        check(&[]);
        check(&[0x80]);
        check(&[0xFF; 10]);
        check(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]);
        assert_eq!(Input::new(&[3, 0, 0]).count(), Err(Malformed));
        assert_eq!(Input::new(&[2, 0, 0]).count(), Ok(2));
        assert_eq!(Input::new(&[2, 0xC3, 0x28]).text(), Err(Malformed), "not UTF-8");
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec((any::<i64>(), 0..64_u32), 1..6)) {
            let of_any_length = |(number, shift): &(i64, u32)| number >> shift;
            let numbers: Vec<i64> = numbers.iter().map(of_any_length).collect();
            let mut out = Vec::new();
            for number in &numbers {
                write_signed(&mut out, *number);
                write_number(&mut out, number.unsigned_abs());
            }
            let mut input = Input::new(&out);
            for number in numbers {
                prop_assert_eq!(input.signed(), Ok(number));
                prop_assert_eq!(input.number(), Ok(number.unsigned_abs()));
            }
            prop_assert_eq!(input.finish(), Ok(()));
        }
    }
}
