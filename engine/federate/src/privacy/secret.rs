//! Random words that only the rank that holds a site can make.
//!
//! Noise from the seed of the run could be subtracted by whoever reads the study. So a site draws a secret
//! once, from the system, and expands it with ChaCha20 by problem and step. The secret is part of the site's
//! state in the checkpoints: a round that is repeated after a break has the same noise, where fresh noise
//! would be a second look at the same patients.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::FederateError;

/// What a site's noise is made from.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new secret.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn draw() -> Result<Self, FederateError> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| FederateError::Local {
            text: format!("no random numbers from the system: {e}"),
            code: osteon_core::ExitCode::Unexpected,
            hint: None,
        })?;
        Ok(Self(bytes))
    }

    /// For the site's own state in a checkpoint.
    pub fn to_words(&self) -> [u64; 4] {
        std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|b| self.0[8 * i + b])))
    }

    /// Back from [`Self::to_words`].
    pub fn from_words(words: [u64; 4]) -> Self {
        Self(std::array::from_fn(|i| words[i / 8].to_le_bytes()[i % 8]))
    }

    /// The words of one step of one problem; the same whenever asked for.
    pub fn words(&self, problem: u32, step: u64) -> impl FnMut() -> u64 + use<> {
        let mut nonce = [0u8; 12];
        nonce[..8].copy_from_slice(&step.to_le_bytes());
        nonce[8..].copy_from_slice(&problem.to_le_bytes());
        let mut stream = ChaCha20::new(&self.0.into(), &nonce.into());
        let (mut buffer, mut used) = ([0u8; 1024], 1024);
        move || {
            if used == buffer.len() {
                stream.write_keystream(&mut buffer);
                used = 0;
            }
            used += 8;
            u64::from_le_bytes(std::array::from_fn(|b| buffer[used - 8 + b]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_and_each_step_has_its_own_words() {
        let secret = Secret::draw().expect("a system with random numbers");
        assert_eq!(Secret::from_words(secret.to_words()), secret);
        let first = |s: &Secret, problem, step| {
            let mut word = s.words(problem, step);
            (0..300).map(|_| word()).collect::<Vec<_>>()
        };
        let words = first(&secret, 0, 1);
        assert_eq!(first(&secret, 0, 1), words);
        let others =
            [first(&secret, 1, 1), first(&secret, 0, 2), first(&Secret::draw().expect("random"), 0, 1)];
        assert!(others.iter().all(|o| o.iter().zip(&words).all(|(a, b)| a != b)));
        let mut distinct = words.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), words.len());
    }
}
