//! Fuzzing with proptest: recordings, damaged in the ways that bytes get damaged. A run of the tests
//! tries some thousand cases of each; `PROPTEST_CASES=1000000 cargo test -p roentgen-daemon mutated`
//! tries as many as are wished for, and a case that fails is reduced to its core.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Cases of a usual run; more than proptest's own number, as each takes microseconds.
const LEAST_CASES: u32 = 2_048;

/// Most mutations of one recording. With more of them little is left of what it was.
const MOST_MUTATIONS: usize = 6;

/// Most bytes that one mutation repeats, and how often.
const MOST_REPEATED: usize = 64;
const MOST_REPEATS: usize = 200;

/// So many cases, or those that `PROPTEST_CASES` asks for.
pub(crate) fn many_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(LEAST_CASES), ..usual }
}

/// One of the recordings with some mutations, which may put `words` into it.
pub(crate) fn mutated(
    recordings: Vec<Vec<u8>>,
    words: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let others = recordings.clone();
    let mutations = prop::collection::vec(mutation(words), 0..=MOST_MUTATIONS);
    (select(recordings), mutations).prop_map(move |(mut bytes, mutations)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, &others));
        bytes
    })
}

#[derive(Clone, Debug)]
enum Mutation {
    Change(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index, usize),
    CutOff(Index),
    /// Goes on as another recording does.
    Splice(Index, Index, Index),
}

fn mutation(words: &'static [&'static str]) -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let word = prop_oneof![
        4 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(place, byte)| Mutation::Change(place, byte)),
        (at(), word).prop_map(|(place, word)| Mutation::Insert(place, word)),
        (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        (at(), at(), 1..MOST_REPEATS).prop_map(|(a, b, times)| Mutation::Repeat(a, b, times)),
        at().prop_map(Mutation::CutOff),
        (at(), at(), at()).prop_map(|(a, b, c)| Mutation::Splice(a, b, c)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let place = |index: &Index, length: usize| index.index(length + 1);
        let range = |one: &Index, other: &Index, length: usize| {
            let (one, other) = (place(one, length), place(other, length));
            one.min(other)..one.max(other)
        };
        let length = bytes.len();
        match self {
            Self::Change(index, byte) => {
                if let Some(changed) = bytes.get_mut(place(index, length)) {
                    *changed = *byte;
                }
            }
            Self::Insert(index, word) => {
                let place = place(index, length);
                bytes.splice(place..place, word.iter().copied());
            }
            Self::Remove(one, other) => {
                bytes.drain(range(one, other, length));
            }
            Self::Repeat(one, other, times) => {
                let range = range(one, other, length);
                let end = range.end.min(range.start + MOST_REPEATED);
                let part = bytes[range.start..end].repeat(*times);
                bytes.splice(end..end, part);
            }
            Self::CutOff(index) => bytes.truncate(place(index, length)),
            Self::Splice(index, which, from) => {
                let other = which.get(others);
                bytes.truncate(place(index, length));
                bytes.extend_from_slice(&other[place(from, other.len())..]);
            }
        }
    }
}
