//! Masks cancel in the sum, and what a rank sends looks like nothing.

use std::sync::{Arc, Mutex};

use super::*;
use crate::comm::threads;
use crate::message::Recorder;
use crate::{ParamScale, ParamSum, TensorSpec};

const PARAMS: usize = 500;
const SITES: usize = 4;

fn params(site: usize) -> Vec<f32> {
    (0..PARAMS).map(|i| ((i * 13 + site * 7) as f32 * 0.01).sin()).collect()
}

/// What the ranks hand to the parameter sum, in the order they do, and the sum itself.
fn heard(rank_of: [usize; SITES], ranks: usize, secure: bool, round: u32) -> (Vec<Vec<u64>>, Vec<u32>) {
    let sent: Arc<Mutex<Vec<Vec<u64>>>> = Arc::default();
    let book = sent.clone();
    let recorder: Recorder = Arc::new(move |kind, words: &[u64]| {
        if kind == Kind::ParamSum {
            book.lock().expect("words").push(words.to_vec());
        }
    });
    let means = threads::spawn_recorded(ranks, Some(recorder), |comm| {
        let mine: Vec<usize> = (0..SITES).filter(|&k| rank_of[k] == comm.rank()).collect();
        let tensors = TensorSpec::layout([("w", vec![PARAMS])]);
        let mut sum = ParamSum::<f32>::new(ParamScale::choose(10), &tensors, 1);
        mine.iter().for_each(|&k| sum.add(0, "s", 1 + k as u64, &params(k)));
        if secure {
            let masks = Masks::agree(&comm, &mine, SITES).expect("keys");
            masks.lay(&mut sum, Kind::ParamSum, round, &mine, &[0, 1, 2, 3]).expect("four sites");
        }
        let mut out = vec![0f32; PARAMS];
        sum.finish(&comm).expect("finite").write(&mut out);
        out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    });
    assert!(means.iter().all(|m| *m == means[0]));
    let sent = sent.lock().expect("words").clone();
    (sent, means[0].clone())
}

/// Whether a message holds the bare sums of a set of sites: the same integers, or numbers of their size.
fn bares(message: &[u64], sites: &[usize]) -> bool {
    let scale = ParamScale::choose(10);
    let mut sum = ParamSum::<f32>::new(scale, &TensorSpec::layout([("w", vec![PARAMS])]), 1);
    sites.iter().for_each(|&k| sum.add(0, "s", 1 + k as u64, &params(k)));
    let plain = sum.sums_mut();
    let same = plain.iter().zip(message).filter(|(a, b)| a == b).count();
    let largest = plain.iter().map(|&x| (x as i64).unsigned_abs()).max().unwrap_or(0);
    let small = message[..PARAMS].iter().filter(|&&x| (x as i64).unsigned_abs() <= largest).count();
    same > 0 || small > PARAMS / 4
}

#[test]
fn the_sum_keeps_its_bits_and_the_messages_show_nothing() {
    for (rank_of, ranks) in [([0, 1, 2, 3], 4), ([0, 1, 1, 2], 3), ([1, 0, 0, 1], 2)] {
        let held = |r: usize| (0..SITES).filter(|&k| rank_of[k] == r).collect::<Vec<_>>();
        let shows = |sent: &[Vec<u64>]| (0..ranks).any(|r| sent.iter().any(|m| bares(m, &held(r))));
        let (bare, mean) = heard(rank_of, ranks, false, 1);
        // The control: without masks this very search finds what every rank sent.
        assert!(shows(&bare), "{rank_of:?}");
        let (masked, secure_mean) = heard(rank_of, ranks, true, 1);
        assert_eq!(secure_mean, mean, "{rank_of:?}");
        assert_eq!(masked.len(), ranks);
        assert!(!shows(&masked), "{rank_of:?}");
        // The tail stays bare: weights and the fault count.
        let weights: u64 = masked.iter().map(|m| m[PARAMS]).sum();
        assert_eq!((weights, masked[0][PARAMS + 1]), (10, 0));
    }
}

#[test]
fn the_two_masks_of_a_pair_are_the_same_and_each_use_has_its_own() {
    let masks = |round: u32, kind: Kind| {
        threads::spawn(3, move |comm| {
            let masks = Masks {
                keys: BTreeMap::from([((comm.rank(), 9), [comm.rank() as u8; 32])]),
                holder: (0..10).collect(),
            };
            let tensors = TensorSpec::layout([("w", vec![3000])]);
            let mut sum = ParamSum::new(ParamScale::choose(1), &tensors, 1);
            masks.lay(&mut sum, kind, round, &[comm.rank()], &[comm.rank(), 9, comm.rank()]).expect("three");
            sum.sums_mut().to_vec()
        })
    };
    let first = masks(1, Kind::ParamSum);
    assert_eq!(masks(1, Kind::ParamSum), first);
    for other in [masks(2, Kind::ParamSum), masks(1, Kind::ControlSum)] {
        assert!(first.iter().zip(&other).all(|(a, b)| a.iter().zip(b).all(|(a, b)| a != b)));
    }
    // RFC 8439 has the keystream of the zero key and nonce 0 0 0 in appendix A.1, test vector 1.
    let streams = [Keystream { key: [0; 32], nonce: [0; 12], adds: true }];
    let mut sums = vec![0u64; 3 * PIECE + 5];
    spread(&streams, &mut sums, 0);
    assert_eq!(sums[0].to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    // A task that starts in the middle goes on there.
    let mut rest = vec![0u64; 2 * PIECE];
    spread(&streams, &mut rest, PIECE + 5);
    assert_eq!(rest, sums[PIECE + 5..]);
}

#[test]
fn every_pair_agrees_and_no_two_pairs_share_a_key() {
    let keys = threads::spawn(3, |comm| {
        let mine: Vec<usize> = (0..5).filter(|k| k % 3 == comm.rank()).collect();
        Masks::agree(&comm, &mine, 5).expect("keys").keys
    });
    let all: BTreeMap<_, _> = keys.into_iter().flatten().collect();
    assert_eq!(all.len(), 20);
    for (&(a, b), key) in &all {
        assert_eq!(all[&(b, a)], *key);
        assert_eq!(all.values().filter(|other| *other == key).count(), 2, "{a} {b}");
    }
}
