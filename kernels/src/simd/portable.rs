//! Arrays: the meaning of every vector operation, and the code for other processors.

use super::{LANES, LANES_F64, Simd};

/// Needs nothing beyond IEEE arithmetic.
#[derive(Clone, Copy)]
pub struct Portable;

type F = [f32; LANES];
type U = [u32; LANES];
type D = [f64; LANES_F64];

#[inline(always)]
fn map2<T: Copy, R, const N: usize>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> R) -> [R; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    type F = F;
    type U = U;
    type D = D;
    type M = [bool; LANES];
    type MD = [bool; LANES_F64];
    const TILES: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> F {
        unsafe { p.cast::<[half::f16; LANES]>().read_unaligned() }.map(half::f16::to_f32)
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> F {
        unsafe { p.cast::<[half::bf16; LANES]>().read_unaligned() }.map(half::bf16::to_f32)
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: F) {
        unsafe { p.cast::<F>().write_unaligned(x) }
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: F) -> F {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn gt(self, a: F, b: F) -> Self::M {
        map2(a, b, |a, b| a > b)
    }
    #[inline(always)]
    fn select(self, m: Self::M, a: F, b: F) -> F {
        std::array::from_fn(|i| if m[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn mask_bits(self, m: Self::M) -> u16 {
        m.iter().enumerate().fold(0, |bits, (i, &set)| bits | (u16::from(set) << i))
    }
    #[inline(always)]
    fn mask_from(self, bits: u16) -> Self::M {
        std::array::from_fn(|i| bits >> i & 1 == 1)
    }
    #[inline(always)]
    fn pow2(self, n: F) -> F {
        n.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> U {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_u(self, p: *const u32) -> U {
        unsafe { p.cast::<U>().read_unaligned() }
    }
    #[inline(always)]
    fn add_u(self, a: U, b: U) -> U {
        map2(a, b, u32::wrapping_add)
    }
    #[inline(always)]
    fn xor_u(self, a: U, b: U) -> U {
        map2(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn and_u(self, a: U, b: U) -> U {
        map2(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn shr16_u(self, a: U) -> U {
        a.map(|a| a >> 16)
    }
    #[inline(always)]
    fn mul_wide_u(self, a: U, b: u32) -> (U, U) {
        let wide = a.map(|a| u64::from(a) * u64::from(b));
        (wide.map(|w| (w >> 32) as u32), wide.map(|w| w as u32))
    }
    #[inline(always)]
    fn lt_u(self, a: U, b: U) -> Self::M {
        map2(a, b, |a, b| (a as i32) < (b as i32))
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> D {
        [x; LANES_F64]
    }
    #[inline(always)]
    unsafe fn load_d(self, p: *const f64) -> D {
        unsafe { p.cast::<D>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_d(self, p: *mut f64, x: D) {
        unsafe { p.cast::<D>().write_unaligned(x) }
    }
    #[inline(always)]
    fn add_d(self, a: D, b: D) -> D {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub_d(self, a: D, b: D) -> D {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul_d(self, a: D, b: D) -> D {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div_d(self, a: D, b: D) -> D {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma_d(self, a: D, b: D, c: D) -> D {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn add_bits_d(self, a: D, b: D) -> D {
        std::array::from_fn(|i| f64::from_bits(a[i].to_bits().wrapping_add(b[i].to_bits())))
    }
    #[inline(always)]
    fn gt_d(self, a: D, b: D) -> Self::MD {
        map2(a, b, |a, b| a > b)
    }
    #[inline(always)]
    fn select_d(self, m: Self::MD, a: D, b: D) -> D {
        std::array::from_fn(|i| if m[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn split_d(self, x: D) -> (D, D) {
        let exponent = x.map(|x| (x.to_bits() >> 52) as f64 - 1023.0);
        let mantissa = x.map(|x| f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52)));
        (exponent, mantissa)
    }
    #[inline(always)]
    fn scale_d(self, x: D, n: D) -> D {
        map2(x, n, |x, n| x * f64::from_bits(((n as i64 + 1023) as u64) << 52))
    }
    #[inline(always)]
    fn prefix_d(self, x: D) -> D {
        let step = |x: D, k: usize| std::array::from_fn(|i| x[i] + if i < k { 0.0 } else { x[i - k] });
        step(step(step(x, 1), 2), 4)
    }
    #[inline(always)]
    fn last_d(self, x: D) -> D {
        [x[LANES_F64 - 1]; LANES_F64]
    }
    #[inline(always)]
    fn sum_d(self, x: D) -> f64 {
        let four: [f64; 4] = std::array::from_fn(|i| x[i] + x[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline(always)]
    fn widen(self, a: F) -> (D, D) {
        (std::array::from_fn(|i| f64::from(a[i])), std::array::from_fn(|i| f64::from(a[i + LANES_F64])))
    }
    #[inline(always)]
    fn narrow(self, low: D, high: D) -> F {
        std::array::from_fn(|i| if i < LANES_F64 { low[i] as f32 } else { high[i - LANES_F64] as f32 })
    }
}
