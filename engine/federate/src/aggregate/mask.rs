//! Pairwise masks over parameter sums: they cancel in the sum, and nothing else is seen on the way.
//!
//! Sites `j < k` share a secret (X25519, RFC 7748). In each round the lower adds and the higher subtracts the
//! same ChaCha20 keystream (RFC 8439), read as integers modulo 2^64, so the sum over all sites has the bits
//! it would have without. What leaves a rank is one sum over the sites it holds, so two ranks need one keystream between
//! them: that of the first site that each has in the round. After Bonawitz et al., CCS 2017, without their recovery of lost sites: in
//! a collective a lost rank ends the round anyway.
//!
//! | input of the keystream | |
//! |---|---|
//! | key | SHA-256 of a label, the shared secret, both public keys in order of site |
//! | nonce | round (8 bytes), kind of message (4 bytes) |
//!
//! Secrets are drawn anew at every start of a run and kept by the rank that holds the site, so no keystream
//! is used twice. Weights and the fault count stay bare: every rank knows the weights from the roster, and a
//! fault must be legible exactly when something went wrong.

use std::collections::BTreeMap;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::message::Kind;
use crate::{Comm, FederateError, ParamSum};

/// Fewest sites of a masked sum: with two, each learns the other's part by subtracting its own.
pub const LEAST_SITES: usize = 3;
/// Words masked at a time; a piece stays in the first-level cache.
const PIECE: usize = 1 << 10;
/// Words of a task of a thread.
const SHARE: usize = 1 << 16;
/// Of a site in the exchange: its public key and its rank.
const WORDS: usize = 5;
const LABEL: &[u8] = b"osteon pairwise mask 1";

/// The keys of the sites of this rank, each with every other site.
pub struct Masks {
    /// Key of each pair `(held here, other)`.
    keys: BTreeMap<(usize, usize), [u8; 32]>,
    /// The rank that holds each site.
    holder: Vec<usize>,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks of {} pairs", self.keys.len())
    }
}

impl Masks {
    /// Agrees on the keys of all pairs of `sites` sites; only public keys cross. All ranks call it.
    ///
    /// # Errors
    /// On all ranks: the system has no random numbers, or a rank is lost.
    pub fn agree(comm: &Comm, held: &[usize], sites: usize) -> Result<Self, FederateError> {
        let drawn = held.iter().map(|_| secret()).collect::<Result<Vec<_>, _>>();
        let secrets = comm.agree(drawn)?;
        let mut words = vec![0u64; sites * WORDS];
        for (&site, &secret) in held.iter().zip(&secrets) {
            let public = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
            for (word, bytes) in words[site * WORDS..].iter_mut().zip(public.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            words[site * WORDS + 4] = comm.rank() as u64;
        }
        comm.sum(Kind::PublicKey, &mut words)?;
        let public: Vec<[u8; 32]> = words
            .chunks_exact(WORDS)
            .map(|w| std::array::from_fn(|i| w[i / 8].to_le_bytes()[i % 8]))
            .collect();
        let holder = words.chunks_exact(WORDS).map(|w| w[4] as usize).collect();
        let mut keys = BTreeMap::new();
        for (&mine, &secret) in held.iter().zip(&secrets) {
            for other in (0..sites).filter(|&other| other != mine) {
                let shared = x25519_dalek::x25519(secret, public[other]);
                let (low, high) = (mine.min(other), mine.max(other));
                let digest = [LABEL, &shared, &public[low], &public[high]]
                    .iter()
                    .fold(Sha256::new(), |hash, part| hash.chain_update(part))
                    .finalize();
                keys.insert((mine, other), digest.into());
            }
        }
        Ok(Self { keys, holder })
    }

    /// Masks the sums of this rank, which holds the sites `mine` of those that take part.
    ///
    /// # Errors
    /// If fewer than [`LEAST_SITES`] take part: the same on all ranks.
    pub fn lay(
        &self,
        sum: &mut ParamSum,
        kind: Kind,
        round: u32,
        mine: &[usize],
        taking_part: &[usize],
    ) -> Result<(), FederateError> {
        if taking_part.len() < LEAST_SITES {
            return Err(FederateError::FewSites { sites: taking_part.len(), round, least: LEAST_SITES });
        }
        let sums = sum.sums_mut();
        let mut nonce = [0u8; 12];
        nonce[..8].copy_from_slice(&u64::from(round).to_le_bytes());
        nonce[8..].copy_from_slice(&(kind as u32).to_le_bytes());
        let Some(&first) = mine.iter().min() else { return Ok(()) };
        let mut others: BTreeMap<usize, usize> = BTreeMap::new();
        for &other in taking_part.iter().filter(|&&other| self.holder[other] != self.holder[first]) {
            others.entry(self.holder[other]).and_modify(|o| *o = other.min(*o)).or_insert(other);
        }
        let streams: Vec<Keystream> = others
            .into_values()
            .map(|other| Keystream { key: self.keys[&(first, other)], nonce, adds: first < other })
            .collect();
        sums.par_chunks_mut(SHARE).enumerate().for_each(|(k, sums)| spread(&streams, sums, k * SHARE));
        Ok(())
    }
}

/// The mask between two ranks in one sum.
struct Keystream {
    key: [u8; 32],
    nonce: [u8; 12],
    /// This side adds, the other subtracts.
    adds: bool,
}

/// Lays the keystreams over sums of which the first is word `from` of the vector.
fn spread(streams: &[Keystream], sums: &mut [u64], from: usize) {
    let mut bytes = [0u8; 8 * PIECE];
    for Keystream { key, nonce, adds } in streams {
        let mut stream = ChaCha20::new(key.into(), nonce.into());
        stream.seek(8 * from as u64);
        for sums in sums.chunks_mut(PIECE) {
            let bytes = &mut bytes[..8 * sums.len()];
            stream.write_keystream(bytes);
            let masks = bytes.as_chunks::<8>().0.iter().map(|mask| u64::from_le_bytes(*mask));
            // Two loops, each without a choice within.
            if *adds {
                sums.iter_mut().zip(masks).for_each(|(sum, mask)| *sum = sum.wrapping_add(mask));
            } else {
                sums.iter_mut().zip(masks).for_each(|(sum, mask)| *sum = sum.wrapping_sub(mask));
            }
        }
    }
}

/// 32 bytes that nobody else knows.
fn secret() -> Result<[u8; 32], FederateError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| FederateError::Local {
        text: format!("no random numbers from the system: {e}"),
        code: osteon_core::ExitCode::Unexpected,
        hint: None,
    })?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
