//! The virtual vector of the CPU profile: 16 `f32`, 16 `u32` or 8 `f64` lanes on every machine.
//!
//! An algorithm written against [`Simd`] performs the same IEEE operations in the same order
//! whether a vector is one AVX-512 register, two AVX2 registers or an array, so its bits agree
//! between machines. Only fused multiply-add, the four operations, comparisons and bit operations
//! are offered; nothing approximate (`rcp`, `rsqrt`) is, because it differs between vendors.

mod avx2;
mod avx512;
pub mod math;
mod portable;
pub mod random;

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

/// `f32` lanes of a vector.
pub const LANES: usize = 16;
/// `f64` lanes of a vector.
pub const LANES_F64: usize = 8;

/// Vector operations of one instruction set. A value of the type proves that the set is present.
///
/// Pointer arguments must be valid for a whole vector; they need no alignment.
pub trait Simd: Copy + Send + Sync + 'static {
    /// 16 `f32`.
    type F: Copy;
    /// 16 `u32`.
    type U: Copy;
    /// 8 `f64`.
    type D: Copy;
    /// One flag per `f32` lane.
    type M: Copy;
    /// One flag per `f64` lane.
    type MD: Copy;
    /// Vectors that a matrix kernel should hold at once for each of six rows.
    const TILES: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Loads 16 lanes.
    /// # Safety
    /// `p` is valid for reading 16 `f32`.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// Loads 16 IEEE half-precision values, widened.
    /// # Safety
    /// `p` is valid for reading 16 `u16`.
    unsafe fn load_f16(self, p: *const u16) -> Self::F;
    /// Loads 16 bfloat16 values, widened.
    /// # Safety
    /// `p` is valid for reading 16 `u16`.
    unsafe fn load_bf16(self, p: *const u16) -> Self::F;
    /// Stores 16 lanes.
    /// # Safety
    /// `p` is valid for writing 16 `f32`.
    unsafe fn store(self, p: *mut f32, x: Self::F);
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` where either is NaN or both are zero.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN or both are zero.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Square root.
    fn sqrt(self, a: Self::F) -> Self::F;
    /// Nearest integer, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// `a > b`.
    fn gt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` where the flag is set, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// Flags as bits, lane 0 lowest.
    fn mask_bits(self, m: Self::M) -> u16;
    /// Flags from bits, lane 0 lowest.
    fn mask_from(self, bits: u16) -> Self::M;
    /// `2^n` for integral `n` in `-126..=127`.
    fn pow2(self, n: Self::F) -> Self::F;

    /// All lanes `x`.
    fn splat_u(self, x: u32) -> Self::U;
    /// Loads 16 lanes.
    /// # Safety
    /// `p` is valid for reading 16 `u32`.
    unsafe fn load_u(self, p: *const u32) -> Self::U;
    /// Wrapping sum.
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Exclusive or.
    fn xor_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Bitwise and.
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Logical shift right by 16.
    fn shr16_u(self, a: Self::U) -> Self::U;
    /// High and low words of the 64-bit product with a constant.
    fn mul_wide_u(self, a: Self::U, b: u32) -> (Self::U, Self::U);
    /// `a < b`, signed; exact for values below 2^31.
    fn lt_u(self, a: Self::U, b: Self::U) -> Self::M;

    /// All lanes `x`.
    fn splat_d(self, x: f64) -> Self::D;
    /// Loads 8 lanes.
    /// # Safety
    /// `p` is valid for reading 8 `f64`.
    unsafe fn load_d(self, p: *const f64) -> Self::D;
    /// Stores 8 lanes.
    /// # Safety
    /// `p` is valid for writing 8 `f64`.
    unsafe fn store_d(self, p: *mut f64, x: Self::D);
    /// `a + b`.
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a - b`.
    fn sub_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a * b`.
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a / b`.
    fn div_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a * b + c`, rounded once.
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;
    /// The wrapping sum of the bits of the lanes, read as 64-bit integers.
    fn add_bits_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a > b`.
    fn gt_d(self, a: Self::D, b: Self::D) -> Self::MD;
    /// `a` where the flag is set, else `b`.
    fn select_d(self, m: Self::MD, a: Self::D, b: Self::D) -> Self::D;
    /// Splits a positive normal `x` into an exponent `e` and a mantissa `m` in `[1, 2)`, `x = m 2^e`.
    fn split_d(self, x: Self::D) -> (Self::D, Self::D);
    /// `x * 2^n` for integral `n` in `-1022..=1023` and a normal result.
    fn scale_d(self, x: Self::D, n: Self::D) -> Self::D;
    /// Inclusive prefix sums: in three steps each lane adds the lane 1, 2 and 4 below it, or +0.
    fn prefix_d(self, x: Self::D) -> Self::D;
    /// The highest lane in all lanes.
    fn last_d(self, x: Self::D) -> Self::D;
    /// Sum over the 8 lanes by a fixed tree: halves are added until one lane is left.
    fn sum_d(self, x: Self::D) -> f64;
    /// The low and high eight lanes, widened.
    fn widen(self, a: Self::F) -> (Self::D, Self::D);
    /// Two halves, rounded to nearest.
    fn narrow(self, low: Self::D, high: Self::D) -> Self::F;

    /// Sum over the 16 lanes by a fixed tree: halves are added until one lane is left.
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        let mut x = [0f32; LANES];
        // SAFETY: the array holds 16 lanes.
        unsafe { self.store(x.as_mut_ptr(), a) };
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                x[i] += x[i + width];
            }
            width /= 2;
        }
        x[0]
    }

    /// [`Self::sum`] of four vectors: the same tree, walked for all four at once.
    #[inline(always)]
    fn sum4(self, a: [Self::F; 4]) -> [f32; 4] {
        a.map(|a| self.sum(a))
    }
}

/// A piece of work that is compiled once per instruction set.
pub trait Kernel {
    /// Its result.
    type Out;
    /// The work; mark it `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Instruction sets that the CPU profile can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Arrays; correct everywhere, fast where FMA is part of the base instruction set.
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, DQ, BW and VL.
    Avx512,
}

impl Level {
    /// Name as `OSTEON_SIMD` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Levels that this processor can run, widest last.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
            {
                levels.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                {
                    levels.push(Self::Avx512);
                }
            }
        }
        levels
    }

    /// The level in use: the widest, or the one that `OSTEON_SIMD` names if the processor has it.
    pub fn current() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let levels = Self::available();
            let wanted = std::env::var("OSTEON_SIMD").ok();
            let named = wanted.and_then(|w| levels.iter().copied().find(|l| l.name() == w));
            named.unwrap_or(levels[levels.len() - 1])
        })
    }
}

/// Runs a kernel on the current level.
#[inline]
pub fn run<K: Kernel>(kernel: K) -> K::Out {
    run_on(Level::current(), kernel)
}

/// Runs a kernel on a given level, for tests that compare levels.
///
/// # Panics
/// If the processor lacks the level.
pub fn run_on<K: Kernel>(level: Level, kernel: K) -> K::Out {
    match level {
        Level::Portable => kernel.run(Portable),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            assert!(Level::current() == level || Level::available().contains(&level));
            // SAFETY: the features were detected.
            unsafe { avx2::enter(kernel) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            assert!(Level::current() == level || Level::available().contains(&level));
            // SAFETY: the features were detected.
            unsafe { avx512::enter(kernel) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        other => panic!("{} does not exist on this processor", other.name()),
    }
}

#[cfg(test)]
mod tests {
    use osteon_core::rng::{Purpose, Stream};

    use super::*;

    /// Sums of four vectors, one by one and at once.
    struct Sums<'a>(&'a [f32]);

    impl Kernel for Sums<'_> {
        type Out = [[f32; 4]; 2];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Out {
            assert_eq!(self.0.len(), 4 * LANES);
            // SAFETY: four vectors of 16 lanes.
            let a = std::array::from_fn(|i| unsafe { s.load(self.0.as_ptr().add(i * LANES)) });
            [a.map(|a| s.sum(a)), s.sum4(a)]
        }
    }

    #[test]
    fn four_sums_at_once_have_the_bits_of_each() {
        let mut stream = Stream::new(3, Purpose::Synthetic, 0);
        for _ in 0..200 {
            // Magnitudes far apart, so that another order gives another sum.
            let x: Vec<f32> =
                (0..4 * LANES).map(|_| (stream.normal() * (4.0 * stream.normal()).exp()) as f32).collect();
            let wanted = run_on(Level::Portable, Sums(&x))[0].map(f32::to_bits);
            for level in Level::available() {
                let found = run_on(level, Sums(&x)).map(|sums| sums.map(f32::to_bits));
                assert_eq!(found, [wanted; 2], "{}", level.name());
            }
        }
    }
}
