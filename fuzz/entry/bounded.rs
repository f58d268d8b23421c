//! A fuzz target without a fuzzer: its corpus, and a bounded number of mutations of it, as a test.

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use std::{fs, path::Path};

/// Mutations that are tried.
const CASES: u32 = 400;

/// Runs a target on all of its corpus and on mutations of it.
pub fn run(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut corpus: Vec<Vec<u8>> =
        fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    corpus.sort();
    corpus.iter().for_each(|input| entry(input));
    let change = (any::<Index>(), 0..5_u8, vec(any::<u8>(), 0..12), any::<Index>());
    let input = (any::<Index>(), vec(change, 0..8)).prop_map(|(first, changes)| {
        let mut input = first.get(&corpus).clone();
        for (place, kind, bytes, other) in changes {
            let at = place.index(input.len() + 1);
            let end = (at + bytes.len()).min(input.len());
            match kind {
                0 => drop(input.splice(at..end, bytes)),
                1 => drop(input.splice(at..at, bytes)),
                2 => drop(input.drain(at..end)),
                3 => input.truncate(at),
                // The rest of another one.
                _ => {
                    let other = other.get(&corpus);
                    input.truncate(at);
                    input.extend_from_slice(&other[at.min(other.len())..]);
                }
            }
        }
        input
    });
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&input, |input| {
            entry(&input);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
