//! Where documents stand in the log.

use std::fmt;

/// The number in a log file's name; later files have higher numbers.
pub(crate) type FileNumber = u32;

/// The highest number of a file. At a gigabyte a file that is 16 million gigabytes of log.
pub(crate) const MAX_FILE_NUMBER: FileNumber = (1 << FILE_BITS) - 1;

const FILE_BITS: u32 = 24;
const OFFSET_BITS: u32 = 32;
const PLACE_BITS: u32 = 8;

/// Where a document stands: file (24 bits), offset of its block in the file (32 bits), place in
/// the block (8 bits). Positions sort in the order of storage.
///
/// Indexes on disk hold positions as numbers, so these bits are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before every document.
    pub(crate) const MIN: Self = Self(0);
    /// Behind every document.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// The position of these parts; `None` when the number of the file is too high.
    pub(crate) fn new(file: FileNumber, offset: u32, place: u8) -> Option<Self> {
        let (file, offset) = ((file <= MAX_FILE_NUMBER).then_some(file)?, u64::from(offset));
        Some(Self(u64::from(file) << (64 - FILE_BITS) | offset << PLACE_BITS | u64::from(place)))
    }

    /// From its number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// As a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The file.
    pub(crate) fn file(self) -> FileNumber {
        let bits = self.0 >> (OFFSET_BITS + PLACE_BITS);
        FileNumber::try_from(bits).unwrap_or(MAX_FILE_NUMBER)
    }

    /// Where the block begins in the file.
    pub(crate) fn offset(self) -> u32 {
        u32::try_from(self.0 >> PLACE_BITS & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// The place of the document in the block, from 0.
    pub(crate) fn place(self) -> u8 {
        let [place, ..] = self.0.to_le_bytes();
        place
    }

    /// The least position behind this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position of the first document of the same block.
    pub(crate) fn block(self) -> Self {
        Self(self.0 & !u64::from(u8::MAX))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08}.log+{}:{}", self.file(), self.offset(), self.place())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_have_their_bits() {
        let position = Position::new(0x01_0203, 0x0405_0607, 8).unwrap();
        assert_eq!(position.as_u64(), 0x0102_0304_0506_0708);
        assert_eq!(position.block().as_u64(), 0x0102_0304_0506_0700);
        assert_eq!(format!("{position:?}"), "00066051.log+67438087:8");
        assert_eq!(Position::new(MAX_FILE_NUMBER, u32::MAX, 255).unwrap().as_u64(), u64::MAX);
        assert_eq!(Position::new(MAX_FILE_NUMBER + 1, 0, 0), None);
        assert_eq!(Position::new(0, 0, 0), Some(Position::MIN));
    }

    proptest! {
        #[test]
        fn parts_come_back(number: u64) {
            let position = Position::from_u64(number);
            let (file, offset, place) = (position.file(), position.offset(), position.place());
            prop_assert_eq!(Position::new(file, offset, place), Some(position));
        }

        #[test]
        fn positions_sort_by_file_offset_and_place(one: u64, other: u64) {
            let (one, other) = (Position::from_u64(one), Position::from_u64(other));
            let parts = |position: Position| (position.file(), position.offset(), position.place());
            prop_assert_eq!(one.cmp(&other), parts(one).cmp(&parts(other)));
        }
    }
}
