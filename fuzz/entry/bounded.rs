//! A fuzz target without a fuzzer: its corpus, and a bounded number of mutations of it, as a test.

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::{env, fs, path::Path};

/// What parsers stumble over, in a value's place.
const VALUES: [&str; 24] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "0",
    "-1",
    "1.5",
    "1e999",
    "65536",
    "4294967296",
    "18446744073709551616",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"/\"",
    "\"0.0.0.0/0\"",
    "\"::/0\"",
    "\"::ffff:10.0.0.1\"",
    "\"255.255.255.255/32\"",
    "\"10.0.0.1/33\"",
    "\"00000000-0000-4000-8000-000000000000\"",
    "[null]",
    "[[]]",
    "[{}]",
];

/// The inputs that are kept for a target.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut corpus: Vec<Vec<u8>> =
        fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    corpus.sort();
    corpus
}

/// Runs a target on all of its corpus and on so many mutations of it, which are always the same. `KURYR_FUZZ_CASES` says
/// how many, and then they are others each time.
pub fn run(target: &str, cases: u32, entry: fn(&[u8])) {
    let corpus = corpus(target);
    corpus.iter().for_each(|input| entry(input));
    let change = (any::<Index>(), 0..8_u8, vec(any::<u8>(), 0..12), any::<Index>());
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
                // Another value in JSON.
                4..6 => {
                    let from =
                        input[at..].iter().position(|byte| b":[".contains(byte)).map_or(at, |found| at + found + 1);
                    let to =
                        input[from..].iter().position(|byte| b",]}".contains(byte)).map_or(from, |found| from + found);
                    drop(input.splice(from..to, other.get(&VALUES).bytes()));
                }
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
    let wanted: Option<u32> = env::var("KURYR_FUZZ_CASES").ok().and_then(|wanted| wanted.parse().ok());
    let config =
        ProptestConfig { cases: wanted.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = match wanted {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    runner
        .run(&input, |input| {
            entry(&input);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
