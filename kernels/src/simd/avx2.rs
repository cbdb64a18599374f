//! AVX2 with FMA and F16C: a virtual vector is two registers.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// AVX2, FMA and F16C are present.
#[derive(Clone, Copy)]
pub struct Avx2(());

/// Compiles `kernel` for AVX2.
///
/// # Safety
/// The processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx2(()))
}

/// Applies a one-register operation to both halves.
macro_rules! both {
    ($f:ident ( $($a:ident),+ )) => { unsafe { [$f($($a[0]),+), $f($($a[1]),+)] } };
}

// SAFETY of every block below: an `Avx2` value exists only inside `enter`.
impl Simd for Avx2 {
    type F = [__m256; 2];
    type U = [__m256i; 2];
    type D = [__m256d; 2];
    type M = [__m256; 2];
    type MD = [__m256d; 2];
    const TILES: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))] }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> Self::F {
        unsafe {
            [_mm256_cvtph_ps(_mm_loadu_si128(p.cast())), _mm256_cvtph_ps(_mm_loadu_si128(p.add(8).cast()))]
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> Self::F {
        let widen = |p: *const u16| unsafe {
            let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
        };
        unsafe { [widen(p), widen(p.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: Self::F) {
        unsafe {
            _mm256_storeu_ps(p, x[0]);
            _mm256_storeu_ps(p.add(8), x[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        both!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        both!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        unsafe { a.map(|x| _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)) }
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { [_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]), _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])] }
    }
    #[inline(always)]
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_blendv_ps(b, a, m))
    }
    #[inline(always)]
    fn mask_bits(self, m: Self::M) -> u16 {
        unsafe { (_mm256_movemask_ps(m[0]) | (_mm256_movemask_ps(m[1]) << 8)) as u16 }
    }
    #[inline(always)]
    fn mask_from(self, bits: u16) -> Self::M {
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let half = |b: u16| {
                let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(b & 0xff)), lane);
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane))
            };
            [half(bits), half(bits >> 8)]
        }
    }
    #[inline(always)]
    fn pow2(self, n: Self::F) -> Self::F {
        unsafe {
            n.map(|n| {
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            })
        }
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        unsafe { [_mm256_set1_epi32(x as i32); 2] }
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> Self::U {
        unsafe { [_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(8).cast())] }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        both!(_mm256_add_epi32(a, b))
    }
    #[inline(always)]
    fn xor_u(self, a: Self::U, b: Self::U) -> Self::U {
        both!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U {
        both!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn shr16_u(self, a: Self::U) -> Self::U {
        unsafe { a.map(|x| _mm256_srli_epi32::<16>(x)) }
    }
    #[inline(always)]
    fn mul_wide_u(self, a: Self::U, b: u32) -> (Self::U, Self::U) {
        unsafe {
            let m = _mm256_set1_epi32(b as i32);
            let pair = a.map(|a| {
                let even = _mm256_mul_epu32(a, m);
                let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), m);
                let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
                let low = _mm256_blend_epi32::<0xaa>(even, _mm256_slli_epi64::<32>(odd));
                (high, low)
            });
            ([pair[0].0, pair[1].0], [pair[0].1, pair[1].1])
        }
    }
    #[inline(always)]
    fn lt_u(self, a: Self::U, b: Self::U) -> Self::M {
        let m = both!(_mm256_cmpgt_epi32(b, a));
        both!(_mm256_castsi256_ps(m))
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> Self::D {
        unsafe { [_mm256_set1_pd(x); 2] }
    }
    #[inline(always)]
    unsafe fn load_d(self, p: *const f64) -> Self::D {
        unsafe { [_mm256_loadu_pd(p), _mm256_loadu_pd(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn store_d(self, p: *mut f64, x: Self::D) {
        unsafe {
            _mm256_storeu_pd(p, x[0]);
            _mm256_storeu_pd(p.add(4), x[1]);
        }
    }
    #[inline(always)]
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D {
        both!(_mm256_add_pd(a, b))
    }
    #[inline(always)]
    fn sub_d(self, a: Self::D, b: Self::D) -> Self::D {
        both!(_mm256_sub_pd(a, b))
    }
    #[inline(always)]
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D {
        both!(_mm256_mul_pd(a, b))
    }
    #[inline(always)]
    fn div_d(self, a: Self::D, b: Self::D) -> Self::D {
        both!(_mm256_div_pd(a, b))
    }
    #[inline(always)]
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        both!(_mm256_fmadd_pd(a, b, c))
    }
    #[inline(always)]
    fn add_bits_d(self, a: Self::D, b: Self::D) -> Self::D {
        let sum = |a, b| unsafe {
            _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), _mm256_castpd_si256(b)))
        };
        [sum(a[0], b[0]), sum(a[1], b[1])]
    }
    #[inline(always)]
    fn gt_d(self, a: Self::D, b: Self::D) -> Self::MD {
        unsafe { [_mm256_cmp_pd::<_CMP_GT_OQ>(a[0], b[0]), _mm256_cmp_pd::<_CMP_GT_OQ>(a[1], b[1])] }
    }
    #[inline(always)]
    fn select_d(self, m: Self::MD, a: Self::D, b: Self::D) -> Self::D {
        both!(_mm256_blendv_pd(b, a, m))
    }
    #[inline(always)]
    fn split_d(self, x: Self::D) -> (Self::D, Self::D) {
        unsafe {
            let pair = x.map(|x| {
                let bits = _mm256_castpd_si256(x);
                // The exponent as a double: put it into the mantissa of 2^52 and subtract.
                let magic = _mm256_set1_epi64x(0x4330_0000_0000_0000);
                let e = _mm256_castsi256_pd(_mm256_or_si256(_mm256_srli_epi64::<52>(bits), magic));
                let e = _mm256_sub_pd(e, _mm256_set1_pd(4_503_599_627_370_496.0 + 1023.0));
                let fraction = _mm256_and_si256(bits, _mm256_set1_epi64x(0x000f_ffff_ffff_ffff));
                let one = _mm256_set1_epi64x(0x3ff0_0000_0000_0000);
                (e, _mm256_castsi256_pd(_mm256_or_si256(fraction, one)))
            });
            ([pair[0].0, pair[1].0], [pair[0].1, pair[1].1])
        }
    }
    #[inline(always)]
    fn scale_d(self, x: Self::D, n: Self::D) -> Self::D {
        unsafe {
            // Adding 1.5 * 2^52 leaves the biased exponent in the low bits.
            let magic = _mm256_set1_pd(6_755_399_441_055_744.0 + 1023.0);
            let power = n.map(|n| {
                let biased = _mm256_castpd_si256(_mm256_add_pd(n, magic));
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(biased))
            });
            self.mul_d(x, power)
        }
    }
    #[inline(always)]
    fn prefix_d(self, x: Self::D) -> Self::D {
        unsafe {
            let zero = _mm256_setzero_pd();
            let [low, high] = x.map(|x| _mm256_permute4x64_pd::<0b10_01_00_11>(x));
            let up1 = [_mm256_blend_pd::<1>(low, zero), _mm256_blend_pd::<1>(high, low)];
            let x = self.add_d(x, up1);
            let up2 =
                [_mm256_permute2f128_pd::<0x08>(x[0], x[0]), _mm256_permute2f128_pd::<0x21>(x[0], x[1])];
            let x = self.add_d(x, up2);
            [_mm256_add_pd(x[0], zero), _mm256_add_pd(x[1], x[0])]
        }
    }
    #[inline(always)]
    fn last_d(self, x: Self::D) -> Self::D {
        unsafe { [_mm256_permute4x64_pd::<0xff>(x[1]); 2] }
    }
    #[inline(always)]
    fn sum_d(self, x: Self::D) -> f64 {
        unsafe {
            let four = _mm256_add_pd(x[0], x[1]);
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
    #[inline(always)]
    fn widen(self, a: Self::F) -> (Self::D, Self::D) {
        unsafe {
            let wide = a.map(|a| {
                [_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a))]
            });
            (wide[0], wide[1])
        }
    }
    #[inline(always)]
    fn narrow(self, low: Self::D, high: Self::D) -> Self::F {
        unsafe { [low, high].map(|d| _mm256_set_m128(_mm256_cvtpd_ps(d[1]), _mm256_cvtpd_ps(d[0]))) }
    }
    #[inline(always)]
    fn sum4(self, a: [Self::F; 4]) -> [f32; 4] {
        let mut sums = [0f32; 8];
        unsafe {
            let [a, b, c, d] = a.map(|a| _mm256_add_ps(a[0], a[1]));
            // Halves of two vectors side by side, then quarters of four.
            let halves = |a, b| {
                let low = _mm256_permute2f128_ps::<0x20>(a, b);
                _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(a, b))
            };
            let (ab, cd) = (halves(a, b), halves(c, d));
            let low = _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
            let x = _mm256_add_ps(low, _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
            let x = _mm256_add_ps(x, _mm256_permute_ps::<0b10_11_00_01>(x));
            _mm256_storeu_ps(sums.as_mut_ptr(), x);
        }
        // Lanes of 128 bits hold a and c, b and d.
        [sums[0], sums[4], sums[2], sums[6]]
    }
}
