//! Counter-based random numbers: a value depends on its key and counter alone, never on who
//! computed it, in which order or on how many threads.
//!
//! The generator is Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
//! SC11). Its constants are exported so that the SIMD, WGSL and CUDA versions share them.

/// Multipliers of the two halves of a Philox round.
pub const PHILOX_M: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the two key words.
pub const PHILOX_W: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of the generator.
pub const PHILOX_ROUNDS: usize = 10;

/// One Philox block: four words from a 128-bit counter and a 64-bit key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..PHILOX_ROUNDS {
        let a = u64::from(PHILOX_M[0]) * u64::from(counter[0]);
        let b = u64::from(PHILOX_M[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(PHILOX_W[0]), key[1].wrapping_add(PHILOX_W[1])];
    }
    counter
}

/// What a stream of random numbers is for. Streams of different purpose never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Which patients fall into train, test, fold or site.
    Split = 1,
    /// Initial parameters.
    Init = 2,
    /// Dropout masks (counter: patient, unit group, step).
    Dropout = 3,
    /// Bootstrap multiplicities.
    Bootstrap = 4,
    /// Which sites take part in a round.
    ClientSampling = 5,
    /// The order of mini-batches.
    Batch = 6,
    /// Generated cohorts.
    Synthetic = 7,
}

/// Mixes 64 bits (the finaliser of SplitMix64; Steele et al., OOPSLA 2014).
pub fn mix64(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The Philox key of a stream: the run's seed, what the numbers are for, and a sub-stream (the
/// problem's own seed, a site, a fold).
pub fn stream_key(seed: u64, purpose: Purpose, sub: u64) -> [u32; 2] {
    let a = mix64(seed.wrapping_add(0x9E37_79B9_7F4A_7C15));
    let b = mix64(a ^ (purpose as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let key = mix64(b ^ sub.wrapping_mul(0xA076_1D64_78BD_642F).wrapping_add(1));
    [key as u32, (key >> 32) as u32]
}

/// A sequential reader of one stream.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of `purpose` and sub-stream `sub` under `seed`.
    pub fn new(seed: u64, purpose: Purpose, sub: u64) -> Self {
        Self { key: stream_key(seed, purpose, sub), block: 0, words: [0; 4], used: 4 }
    }

    /// 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.block as u32, (self.block >> 32) as u32, 0, 0];
            self.words = philox(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(low) | (u64::from(self.next_u32()) << 32)
    }

    /// A uniform number in `[0, 1)` with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (-53f64).exp2()
    }

    /// A uniform integer in `0..n` without bias (rejection, as in Lemire 2019).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0) has no answer");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A standard normal number (Box-Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn streams_are_apart() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..4 {
            for purpose in [Purpose::Split, Purpose::Init, Purpose::Dropout] {
                for sub in 0..4 {
                    assert!(seen.insert(Stream::new(seed, purpose, sub).next_u64()));
                }
            }
        }
    }

    #[test]
    fn moments_and_range() {
        let mut s = Stream::new(7, Purpose::Synthetic, 0);
        let n = 20_000;
        let (mut mean, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = s.normal();
            mean += x / f64::from(n);
            square += x * x / f64::from(n);
            assert!(s.below(7) < 7);
        }
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05, "{mean} {square}");
    }
}
