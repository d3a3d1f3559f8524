//! The filter that tells of most ids that are not in a file, without reading it; and of most texts
//! that are not in a dictionary ([`super::digests`]).
//!
//! A split block Bloom filter, as Parquet's: an id belongs to one block of eight words and sets
//! one bit in each, so that a question costs one look into memory. With 12 bits for each id about
//! one absent id in 150 is let through. Ids are made by senders, who could choose such as are let
//! through; that would cost a read for each, and no wrong answer.

use roentgen_model::TraceId;

use super::encoding::{Input, Malformed};

/// Bits for each id or text.
const BITS_PER_ENTRY: usize = 12;
/// Bytes of a block.
const BLOCK_BYTES: usize = 32;
/// Odd numbers, from Parquet's description, that choose the bit in each word.
const SALT: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

type Block = [u32; 8];

/// The filter.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Vec<Block>,
}

impl Filter {
    /// An empty filter with room for so many ids or texts.
    pub(super) fn with_room_for(entries: usize) -> Self {
        let blocks = (entries * BITS_PER_ENTRY).div_ceil(BLOCK_BYTES * 8).max(1);
        Self { blocks: vec![[0; 8]; blocks] }
    }

    /// Puts an id in.
    pub(super) fn insert(&mut self, id: TraceId) {
        self.insert_hash(hash_of(id));
    }

    /// Puts in what has this hash, all of whose bits must be random.
    pub(super) fn insert_hash(&mut self, hash: u64) {
        let index = self.index(hash);
        if let Some(block) = self.blocks.get_mut(index) {
            block.iter_mut().zip(bits(hash)).for_each(|(word, bit)| *word |= bit);
        }
    }

    /// Whether an id may be in the file: `false` is certain.
    pub(super) fn may_contain(&self, id: TraceId) -> bool {
        self.may_contain_hash(hash_of(id))
    }

    /// Whether something with this hash may have been put in: `false` is certain.
    pub(super) fn may_contain_hash(&self, hash: u64) -> bool {
        let block = self.blocks.get(self.index(hash));
        block.is_some_and(|block| block.iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0))
    }

    /// The block of a hash: its upper half as a part of all.
    fn index(&self, hash: u64) -> usize {
        let index = ((hash >> 32) * self.blocks.len() as u64) >> 32;
        usize::try_from(index).unwrap_or_default()
    }

    /// The memory that it takes.
    pub(super) fn memory(&self) -> usize {
        self.blocks.capacity() * BLOCK_BYTES
    }

    /// The words of all blocks.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads what [`Filter::to_bytes`] gave.
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (blocks, rest) = input.take_rest().as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return Err(Malformed);
        }
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let mut block = [0; 8];
            block.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = word(from));
            block
        };
        Ok(Self { blocks: blocks.iter().map(block).collect() })
    }
}

/// The bit of a hash in each word of its block.
fn bits(hash: u64) -> Block {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    let low = u32::from_le_bytes([a, b, c, d]);
    SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

/// Spreads the bits of an id. Part of the format.
fn hash_of(id: TraceId) -> u64 {
    let both = u128::from_be_bytes(id.to_bytes());
    let [high, low] = [both >> 64, both & u128::from(u64::MAX)];
    let half = |half: u128| u64::try_from(half).unwrap_or_default();
    let mixed = (half(high) ^ half(low).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id of one of ten seconds, the rest of it random.
    fn id(number: u64) -> TraceId {
        let random = u128::from(number + 1).wrapping_mul(0xDA94_2042_E4DD_58B5_9E37_79B9_7F4A_7C15);
        let random = (random ^ random >> 67).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        TraceId::from_bytes((u128::from(number % 10) << 96 | random).to_be_bytes())
    }

    #[test]
    fn what_was_put_in_is_found_and_most_else_is_not() {
        let mut filter = Filter::with_room_for(20_000);
        (0..20_000).for_each(|number| filter.insert(id(number)));
        let bytes = filter.to_bytes();
        assert_eq!(bytes.len(), 938 * BLOCK_BYTES);
        let filter = Filter::read(&mut Input::new(&bytes)).unwrap();
        assert!((0..20_000).all(|number| filter.may_contain(id(number))));
        let passed = (20_000..120_000).filter(|number| filter.may_contain(id(*number))).count();
        assert!((200..1000).contains(&passed), "{passed} of 100,000 absent ids are let through");
    }

    #[test]
    fn bytes_that_are_no_blocks_are_malformed() {
        let is_filter = |bytes: &[u8]| Filter::read(&mut Input::new(bytes)).is_ok();
        assert!(is_filter(&[0; 64]));
        assert!(!is_filter(&[0; 65]));
        assert!(!is_filter(&[]));
        assert!(!Filter::with_room_for(0).may_contain(id(0)));
    }
}
