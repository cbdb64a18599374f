//! Philox 4x32-10 on 16 lanes; one lane per patient.

use osteon_core::rng::{PHILOX_M, PHILOX_ROUNDS, PHILOX_W};

use super::Simd;

/// One Philox block per lane: `counter` words may differ by lane, the key is shared.
#[inline(always)]
pub fn philox<S: Simd>(s: S, counter: [S::U; 4], mut key: [u32; 2]) -> [S::U; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    for _ in 0..PHILOX_ROUNDS {
        let (high0, low0) = s.mul_wide_u(c0, PHILOX_M[0]);
        let (high1, low1) = s.mul_wide_u(c2, PHILOX_M[1]);
        c0 = s.xor_u(s.xor_u(high1, c1), s.splat_u(key[0]));
        c1 = low1;
        c2 = s.xor_u(s.xor_u(high0, c3), s.splat_u(key[1]));
        c3 = low0;
        key = [key[0].wrapping_add(PHILOX_W[0]), key[1].wrapping_add(PHILOX_W[1])];
    }
    [c0, c1, c2, c3]
}
