//! AVX-512: a virtual vector is one register.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// AVX-512 F, DQ, BW and VL are present.
#[derive(Clone, Copy)]
pub struct Avx512(());

/// Compiles `kernel` for AVX-512.
///
/// # Safety
/// The processor has AVX-512 F, DQ, BW, VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
pub unsafe fn enter<K: Kernel>(kernel: K) -> K::Out {
    kernel.run(Avx512(()))
}

// SAFETY of every block below: an `Avx512` value exists only inside `enter`.
impl Simd for Avx512 {
    type F = __m512;
    type U = __m512i;
    type D = __m512d;
    type M = __mmask16;
    type MD = __mmask8;
    const TILES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> __m512 {
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: __m512) {
        unsafe { _mm512_storeu_ps(p, x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn gt(self, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, m: __mmask16, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(m, b, a) }
    }
    #[inline(always)]
    fn mask_bits(self, m: __mmask16) -> u16 {
        m
    }
    #[inline(always)]
    fn mask_from(self, bits: u16) -> __mmask16 {
        bits
    }
    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> __m512i {
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    fn add_u(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn xor_u(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    fn and_u(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    fn shr16_u(self, a: __m512i) -> __m512i {
        unsafe { _mm512_srli_epi32::<16>(a) }
    }
    #[inline(always)]
    fn mul_wide_u(self, a: __m512i, b: u32) -> (__m512i, __m512i) {
        unsafe {
            let m = _mm512_set1_epi32(b as i32);
            let even = _mm512_mul_epu32(a, m);
            let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(a), m);
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
            let low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64::<32>(odd));
            (high, low)
        }
    }
    #[inline(always)]
    fn lt_u(self, a: __m512i, b: __m512i) -> __mmask16 {
        unsafe { _mm512_cmplt_epi32_mask(a, b) }
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> __m512d {
        unsafe { _mm512_set1_pd(x) }
    }
    #[inline(always)]
    unsafe fn load_d(self, p: *const f64) -> __m512d {
        unsafe { _mm512_loadu_pd(p) }
    }
    #[inline(always)]
    unsafe fn store_d(self, p: *mut f64, x: __m512d) {
        unsafe { _mm512_storeu_pd(p, x) }
    }
    #[inline(always)]
    fn add_d(self, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_add_pd(a, b) }
    }
    #[inline(always)]
    fn sub_d(self, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_sub_pd(a, b) }
    }
    #[inline(always)]
    fn mul_d(self, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_mul_pd(a, b) }
    }
    #[inline(always)]
    fn div_d(self, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_div_pd(a, b) }
    }
    #[inline(always)]
    fn fma_d(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }
    #[inline(always)]
    fn add_bits_d(self, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a), _mm512_castpd_si512(b))) }
    }
    #[inline(always)]
    fn gt_d(self, a: __m512d, b: __m512d) -> __mmask8 {
        unsafe { _mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    fn select_d(self, m: __mmask8, a: __m512d, b: __m512d) -> __m512d {
        unsafe { _mm512_mask_blend_pd(m, b, a) }
    }
    #[inline(always)]
    fn split_d(self, x: __m512d) -> (__m512d, __m512d) {
        unsafe {
            let e = _mm512_getexp_pd(x);
            let m = _mm512_getmant_pd::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_SRC>(x);
            (e, m)
        }
    }
    #[inline(always)]
    fn scale_d(self, x: __m512d, n: __m512d) -> __m512d {
        unsafe { _mm512_scalef_pd(x, n) }
    }
    #[inline(always)]
    fn prefix_d(self, x: __m512d) -> __m512d {
        unsafe {
            let zero = _mm512_setzero_si512();
            let up1 = _mm512_alignr_epi64::<7>(_mm512_castpd_si512(x), zero);
            let x = _mm512_add_pd(x, _mm512_castsi512_pd(up1));
            let up2 = _mm512_alignr_epi64::<6>(_mm512_castpd_si512(x), zero);
            let x = _mm512_add_pd(x, _mm512_castsi512_pd(up2));
            let up4 = _mm512_alignr_epi64::<4>(_mm512_castpd_si512(x), zero);
            _mm512_add_pd(x, _mm512_castsi512_pd(up4))
        }
    }
    #[inline(always)]
    fn last_d(self, x: __m512d) -> __m512d {
        unsafe { _mm512_permutexvar_pd(_mm512_set1_epi64(7), x) }
    }
    #[inline(always)]
    fn sum_d(self, x: __m512d) -> f64 {
        unsafe {
            let four = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x));
            let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
    #[inline(always)]
    fn widen(self, a: __m512) -> (__m512d, __m512d) {
        unsafe {
            let low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
            (low, _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(a)))
        }
    }
    #[inline(always)]
    fn narrow(self, low: __m512d, high: __m512d) -> __m512 {
        unsafe {
            let low = _mm512_castps256_ps512(_mm512_cvtpd_ps(low));
            _mm512_insertf32x8::<1>(low, _mm512_cvtpd_ps(high))
        }
    }
    #[inline(always)]
    fn sum4(self, a: [__m512; 4]) -> [f32; 4] {
        let mut sums = [0f32; 4];
        unsafe {
            // Halves of two vectors side by side, then quarters of four.
            let halves = |a, b| {
                let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b))
            };
            let (ab, cd) = (halves(a[0], a[1]), halves(a[2], a[3]));
            let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
            let x = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd));
            let x = _mm512_add_ps(x, _mm512_permute_ps::<0b11_10_11_10>(x));
            let x = _mm512_add_ps(x, _mm512_permute_ps::<0b01_01_01_01>(x));
            // The sums lie in lanes 0, 4, 8 and 12.
            let packed = _mm512_maskz_compress_ps(0x1111, x);
            _mm_storeu_ps(sums.as_mut_ptr(), _mm512_castps512_ps128(packed));
        }
        sums
    }
}
