//! Elementary functions on virtual vectors, part of the numeric profile.

use super::Simd;

/// Below this `exp` is taken as 0: the result would be subnormal.
const EXP_UNDERFLOW: f32 = -87.336_54;
/// Above this `exp` overflows.
const EXP_OVERFLOW: f32 = 88.722_83;

/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`; returns `(n, r + r^2 P(r))`, so that
/// `exp(x) = 2^n (1 + second)`. Polynomial of Cephes `expf` (Moshier), error below 2e-8.
#[inline(always)]
fn exp_parts<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = s.fma(p, r, s.splat(c));
    }
    (n, s.fma(s.mul(r, r), p, r))
}

/// `exp(x) 2^-shift` in `f64`, low and high lanes, for an integral `shift`: relative error below
/// 5e-8 for `|x| <= 4096` wherever the result lies within `2^-1000..2^1000`. The shift costs no
/// rounding, unlike `exp(x - c)` in `f32`, and the `f64` exponent leaves room for any range.
#[inline(always)]
pub fn exp_shifted<S: Simd>(s: S, x: S::F, shift: S::F) -> (S::D, S::D) {
    let (n, second) = exp_parts(s, x);
    let (n0, n1) = s.widen(s.sub(n, shift));
    let (y0, y1) = s.widen(second);
    let one = s.splat_d(1.0);
    (s.scale_d(s.add_d(y0, one), n0), s.scale_d(s.add_d(y1, one), n1))
}

/// `exp(x)`, relative error below 1.2e-7; 0 below -87.3, infinite above 88.7, NaN for NaN.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // `max` and `min` return their second operand for NaN.
    let clamped = s.min(s.splat(88.72), s.max(s.splat(EXP_UNDERFLOW), x));
    let (n, second) = exp_parts(s, clamped);
    // 2^n in two factors: n reaches 128.
    let half = s.round(s.mul(n, s.splat(0.5)));
    let scale = s.pow2(half);
    let y = s.mul(s.mul(s.add(second, s.splat(1.0)), scale), s.pow2(s.sub(n, half)));
    let y = s.select(s.gt(s.splat(EXP_UNDERFLOW), x), s.splat(0.0), y);
    s.select(s.gt(x, s.splat(EXP_OVERFLOW)), s.splat(f32::INFINITY), y)
}

/// `exp(x)` for `x <= 0`, where no overflow is possible; as [`exp`] elsewhere.
#[inline(always)]
pub fn exp_nonpositive<S: Simd>(s: S, x: S::F) -> S::F {
    let clamped = s.max(s.splat(-87.3), x);
    let (n, second) = exp_parts(s, clamped);
    let scale = s.pow2(n);
    s.select(s.gt(s.splat(EXP_UNDERFLOW), x), s.splat(0.0), s.fma(second, scale, scale))
}

/// `exp(x) - 1` for `x <= 0` without cancellation: `2^n second + (2^n - 1)`.
#[inline(always)]
pub fn expm1_nonpositive<S: Simd>(s: S, x: S::F) -> S::F {
    let (n, second) = exp_parts(s, s.max(s.splat(-87.0), x));
    let scale = s.pow2(n);
    s.fma(second, scale, s.sub(scale, s.splat(1.0)))
}

/// `tanh(x)`: `1 - 2 / (exp(2|x|) + 1)` with the sign of `x`, an odd polynomial (Cephes `tanhf`)
/// below 0.625.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    let magnitude = s.max(x, s.sub(zero, x));
    // exp(-2|x|) cannot overflow: tanh = (1 - q) / (1 + q).
    let q = exp_nonpositive(s, s.mul(magnitude, s.splat(-2.0)));
    let one = s.splat(1.0);
    let large = s.div(s.sub(one, q), s.add(one, q));
    let large = s.select(s.gt(zero, x), s.sub(zero, large), large);
    let z = s.mul(x, x);
    let mut p = s.splat(-5.704_988_7e-3);
    for c in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = s.fma(p, z, s.splat(c));
    }
    let small = s.fma(s.mul(p, z), x, x);
    s.select(s.gt(magnitude, s.splat(0.625)), large, small)
}

/// `1 / (1 + exp(-x))`, relative error below 3e-7; 0 below -87.3.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    // exp(-|x|) cannot overflow.
    let q = exp_nonpositive(s, s.min(x, s.sub(zero, x)));
    s.div(s.select(s.gt(zero, x), q, one), s.add(one, q))
}

/// `ln(x)` for positive normal `x`, error below 2 ulp: with `x = m 2^e`, `m` in
/// `[sqrt(1/2), sqrt 2)`, `ln x = e ln 2 + 2 atanh((m-1)/(m+1))`, series to the 21st power.
#[inline(always)]
pub fn ln_d<S: Simd>(s: S, x: S::D) -> S::D {
    let (e, m) = s.split_d(x);
    let high = s.gt_d(m, s.splat_d(std::f64::consts::SQRT_2));
    let m = s.select_d(high, s.mul_d(m, s.splat_d(0.5)), m);
    let e = s.select_d(high, s.add_d(e, s.splat_d(1.0)), e);
    let one = s.splat_d(1.0);
    let f = s.div_d(s.sub_d(m, one), s.add_d(m, one));
    let z = s.mul_d(f, f);
    let mut p = s.splat_d(2.0 / 21.0);
    for k in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = s.fma_d(p, z, s.splat_d(2.0 / k));
    }
    let tail = s.mul_d(s.mul_d(p, z), f);
    // ln 2 in two parts, the first with trailing zeros, so that e * high is exact.
    let low = s.fma_d(e, s.splat_d(1.908_214_929_270_587_7e-10), tail);
    let sum = s.fma_d(s.splat_d(2.0), f, low);
    s.fma_d(e, s.splat_d(6.931_471_803_691_238e-1), sum)
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, LANES, LANES_F64, Level, run_on};
    use super::*;

    struct Apply<'a>(&'a str, &'a [f32], &'a mut [f32]);

    impl Kernel for Apply<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for (x, y) in self.1.chunks_exact(LANES).zip(self.2.chunks_exact_mut(LANES)) {
                // SAFETY: both chunks hold 16 lanes.
                unsafe {
                    let v = s.load(x.as_ptr());
                    let r = match self.0 {
                        "exp" => exp(s, v),
                        "exp_nonpositive" => exp_nonpositive(s, v),
                        "expm1" => expm1_nonpositive(s, v),
                        "sigmoid" => sigmoid(s, v),
                        _ => tanh(s, v),
                    };
                    s.store(y.as_mut_ptr(), r);
                }
            }
        }
    }

    fn apply(level: Level, name: &str, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        run_on(level, Apply(name, x, &mut y));
        y
    }

    fn grid(low: f32, high: f32) -> Vec<f32> {
        let n = 64 * LANES;
        (0..n).map(|i| low + (high - low) * i as f32 / (n - 1) as f32).collect()
    }

    #[test]
    fn functions_are_accurate_and_levels_agree() {
        type Truth = fn(f64) -> f64;
        let cases: [(&str, f32, f32, Truth, f64); 5] = [
            ("exp", -87.0, 88.0, f64::exp, 1.3e-7),
            ("exp_nonpositive", -87.0, 0.0, f64::exp, 1.3e-7),
            ("expm1", -80.0, 0.0, f64::exp_m1, 2e-7),
            ("tanh", -12.0, 12.0, f64::tanh, 3e-7),
            ("sigmoid", -80.0, 20.0, |x| 1.0 / (1.0 + (-x).exp()), 3e-7),
        ];
        for (name, low, high, truth, limit) in cases {
            for (low, high) in [(low, high), (low / 1e3, high / 1e3)] {
                let x = grid(low, high);
                let base = apply(Level::Portable, name, &x);
                for (x, y) in x.iter().zip(&base) {
                    let want = truth(f64::from(*x));
                    let error = (f64::from(*y) - want).abs() / want.abs().max(1e-300);
                    assert!(error <= limit || want == f64::from(*y), "{name}({x}) = {y}, error {error:e}");
                }
                for level in Level::available() {
                    let other = apply(level, name, &x);
                    let same = base.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{name} differs on {}", level.name());
                }
            }
        }
    }

    #[test]
    fn edges() {
        let mut x = [0f32; LANES];
        x[..5].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -200.0, 0.0]);
        for level in Level::available() {
            let y = apply(level, "exp", &x);
            assert!(y[0].is_nan(), "{}", level.name());
            assert_eq!(&y[1..5], [0.0, f32::INFINITY, 0.0, 1.0]);
        }
    }

    struct Ln<'a>(&'a [f64; LANES_F64], &'a mut [f64; LANES_F64]);

    impl Kernel for Ln<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            // SAFETY: both arrays hold 8 lanes.
            unsafe { s.store_d(self.1.as_mut_ptr(), ln_d(s, s.load_d(self.0.as_ptr()))) };
        }
    }

    #[test]
    fn logarithm() {
        for base in [1e-300, 1e-7, 0.7, 1.0 - 1e-9, 1.0, 1.42, 3.0, 1e300] {
            let x: [f64; LANES_F64] = std::array::from_fn(|i| base * (1.0 + i as f64 * 1e-3));
            for level in Level::available() {
                let mut y = [0.0; LANES_F64];
                run_on(level, Ln(&x, &mut y));
                for (x, y) in x.iter().zip(&y) {
                    assert!((y - x.ln()).abs() <= 4e-16 * x.ln().abs(), "ln({x}) = {y} on {}", level.name());
                }
            }
        }
    }

    struct Doubles<'a>(&'a [f32; LANES], &'a mut [f64; 2 * LANES + 1]);

    impl Kernel for Doubles<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let Self(x, out) = self;
            // SAFETY: `x` holds 16 lanes and `out` twice as many.
            unsafe {
                let (low, high) = exp_shifted(s, s.load(x.as_ptr()), s.splat(-3.0));
                s.store_d(out.as_mut_ptr(), low);
                s.store_d(out.as_mut_ptr().add(LANES_F64), high);
                s.store_d(out.as_mut_ptr().add(LANES), s.prefix_d(low));
                s.store_d(out.as_mut_ptr().add(LANES + LANES_F64), s.last_d(high));
                out[2 * LANES] = s.sum_d(high);
            }
        }
    }

    #[test]
    fn double_lanes() {
        let run = |level, base: f32| {
            let x: [f32; LANES] = std::array::from_fn(|i| base * (i as f32 - 7.3));
            let mut out = [0.0; 2 * LANES + 1];
            run_on(level, Doubles(&x, &mut out));
            (x, out)
        };
        for base in [1e-3, 0.1, 1.0, 20.0, 70.0] {
            let (x, y) = run(Level::Portable, base);
            for (x, y) in x.iter().zip(&y) {
                let want = 8.0 * f64::from(*x).exp();
                assert!((y - want).abs() <= 5e-8 * want, "exp({x}) = {y}, {want}");
            }
            let mut sum = 0.0;
            for i in 0..LANES_F64 {
                sum += y[i];
                assert!((y[LANES + i] - sum).abs() <= 1e-15 * sum, "prefix {i}");
                assert_eq!(y[LANES + LANES_F64 + i], y[LANES - 1]);
            }
            let high: f64 = y[LANES_F64..LANES].iter().sum();
            assert!((y[2 * LANES] - high).abs() <= 1e-15 * high);
            for level in Level::available() {
                let same = run(level, base).1.iter().zip(&y).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{} differs", level.name());
            }
        }
    }
}
