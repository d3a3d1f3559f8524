//! Dictionaries: what segment documents of a log have in common, so that even a block of one
//! document compresses well. A log file holds the dictionary of its blocks and can be read alone.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use zstd::dict::DecoderDictionary;

use super::ids::IdPacker;
use crate::locking::lock;

/// As many documents are wanted to train a dictionary from: twice as many take twice the time, and of
/// documents of three kinds neither leaves less than the other.
pub(crate) const DICTIONARY_SAMPLES: usize = 2000;
/// Bytes of a trained dictionary. For documents of few shapes half of it does as well; for those
/// of a shop with ten services and five SDKs it saves 5 % against half, and twice as much 1 %.
const TRAINED_BYTES: usize = 32 << 10;
/// Documents below which nothing is trained: there is too little to learn from.
const LEAST_SAMPLES: usize = 100;
/// Bytes of the largest dictionary that is written and read.
pub(super) const MAX_DICTIONARY_BYTES: usize = 64 << 10;

/// A dictionary, ready to decompress with.
pub(crate) struct Dictionary {
    bytes: Vec<u8>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// As it stands in files.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// To decompress with.
    pub(super) fn decoder(&self) -> &DecoderDictionary<'static> {
        &self.decoder
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dictionary").field("bytes", &self.bytes.len()).finish()
    }
}

/// The dictionaries in use. Files with the same one share it: each takes some 100 KiB.
#[derive(Debug, Default)]
pub(super) struct Dictionaries(Mutex<Vec<Weak<Dictionary>>>);

impl Dictionaries {
    /// The dictionary of these bytes. Fails when they are none.
    pub(super) fn get(&self, bytes: &[u8]) -> io::Result<Arc<Dictionary>> {
        let mut known = lock(&self.0);
        known.retain(|dictionary| dictionary.strong_count() > 0);
        let same = known.iter().filter_map(Weak::upgrade).find(|known| known.bytes == bytes);
        if let Some(dictionary) = same {
            return Ok(dictionary);
        }
        if bytes.len() > MAX_DICTIONARY_BYTES {
            return Err(io::Error::other("the dictionary is too large"));
        }
        let decoder = DecoderDictionary::try_copy(bytes)?;
        let dictionary = Arc::new(Dictionary { bytes: bytes.to_vec(), decoder });
        known.push(Arc::downgrade(&dictionary));
        Ok(dictionary)
    }
}

/// Makes a dictionary from documents, best some [`DICTIONARY_SAMPLES`] of them from all over the
/// traffic; it takes about 0.12 s of processor time for so many. `None` when they are too few, or
/// have too little in common.
pub(crate) fn train(samples: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
    if samples.len() < LEAST_SAMPLES {
        return None;
    }
    let mut packer = IdPacker::new();
    let (mut texts, mut lengths) = (Vec::new(), Vec::with_capacity(samples.len()));
    for sample in samples {
        packer.pack(sample.as_ref());
        texts.extend_from_slice(&packer.text);
        lengths.push(packer.text.len());
    }
    zstd::dict::from_continuous(&texts, &lengths, TRAINED_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::test_log::documents;

    #[test]
    fn a_dictionary_is_made_from_enough_documents() {
        let samples: Vec<_> = documents(1).take(1000).collect();
        assert_eq!(train(&samples[..LEAST_SAMPLES - 1]), None, "too few");
        assert_eq!(train(&vec![Vec::new(); 1000]), None, "nothing to learn");
        let bytes = train(&samples).unwrap();
        assert!((1000..=TRAINED_BYTES).contains(&bytes.len()), "{}", bytes.len());
        assert_eq!(train(&samples), Some(bytes), "the same again");
    }

    #[test]
    fn files_with_the_same_dictionary_share_it() {
        let known = Dictionaries::default();
        let bytes = train(&documents(1).take(1000).collect::<Vec<_>>()).unwrap();
        let first = known.get(&bytes).unwrap();
        assert!(Arc::ptr_eq(&first, &known.get(&bytes).unwrap()));
        let other = train(&documents(2).take(1000).collect::<Vec<_>>()).unwrap();
        assert!(!Arc::ptr_eq(&first, &known.get(&other).unwrap()));
        known.get(&vec![b'x'; MAX_DICTIONARY_BYTES + 1]).unwrap_err();
    }
}
