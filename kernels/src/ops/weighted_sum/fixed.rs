//! Floats to fixed point and back: the inner loops of a parameter sum.

/// Adding 1.5 * 2^52 to `|v| <= 2^51` rounds `v` to an integer, ties to even, and leaves it in the low
/// bits of the sum: no branch and no call, so the loop vectorises on every machine.
const MAGIC: f64 = 1.5 * (1u64 << 52) as f64;
/// Sizes the trick is exact for.
const MAGIC_LIMIT: f64 = (1u64 << 51) as f64;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type of model parameters: `f32`, or `f64` for references.
pub trait Param: sealed::Sealed + Copy + Into<f64> + std::fmt::Debug + 'static {
    /// The nearest number of this type.
    fn nearest(x: f64) -> Self;

    /// The largest size in `xs`, as an order-preserving integer; NaN above infinity above every number.
    fn largest(xs: &[Self]) -> u64;

    /// The integer of [`Self::largest`] for the size of one value.
    fn size_key(x: f64) -> u64;
}

impl Param for f32 {
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn largest(xs: &[Self]) -> u64 {
        // Without its sign the bit pattern grows with the size; as i32 the maximum vectorises on SSE2.
        xs.iter().fold(0i32, |m, x| m.max((x.to_bits() & 0x7fff_ffff) as i32)) as u64
    }

    fn size_key(x: f64) -> u64 {
        u64::from((x.abs() as f32).to_bits())
    }
}

impl Param for f64 {
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn largest(xs: &[Self]) -> u64 {
        xs.iter().fold(0i64, |m, x| m.max((x.to_bits() & (u64::MAX >> 1)) as i64)) as u64
    }

    fn size_key(x: f64) -> u64 {
        x.abs().to_bits()
    }
}

/// Adds `round_ties_even(x * factor) * weight` to each of `sums`, wrapping. `factor` is a power of two,
/// so the product is exact; `largest` is [`Param::largest`] of `xs`, all of which are in range.
#[inline(always)]
fn add_scaled_body<T: Param>(sums: &mut [u64], xs: &[T], factor: f64, weight: u64, largest: u64) {
    if largest <= T::size_key(MAGIC_LIMIT / factor) {
        for (sum, &x) in sums.iter_mut().zip(xs) {
            let v: f64 = x.into();
            let q = (v * factor + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits());
            *sum = sum.wrapping_add(q.wrapping_mul(weight));
        }
    } else {
        for (sum, &x) in sums.iter_mut().zip(xs) {
            *sum =
                sum.wrapping_add(((x.into() * factor).round_ties_even() as i64 as u64).wrapping_mul(weight));
        }
    }
}

/// Writes `sum / denominator` for each sum read as i64: one conversion and one division in f64.
#[inline(always)]
fn mean_body<T: Param>(means: &mut [T], sums: &[u64], denominator: f64) {
    for (mean, &sum) in means.iter_mut().zip(sums) {
        *mean = T::nearest(sum as i64 as f64 / denominator);
    }
}

/// The same loops compiled for AVX2, where the machine has it. The arithmetic is the same operation by
/// operation (no fused multiply-add), so are the bits.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Param;

    #[target_feature(enable = "avx2")]
    pub(super) fn largest<T: Param>(xs: &[T]) -> u64 {
        T::largest(xs)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn add_scaled<T: Param>(sums: &mut [u64], xs: &[T], factor: f64, weight: u64, largest: u64) {
        super::add_scaled_body(sums, xs, factor, weight, largest);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn mean<T: Param>(means: &mut [T], sums: &[u64], denominator: f64) {
        super::mean_body(means, sums, denominator);
    }
}

/// The largest size in `xs`, see [`Param::largest`].
pub fn largest<T: Param>(xs: &[T]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2.
        return unsafe { avx2::largest(xs) };
    }
    T::largest(xs)
}

/// Adds `round_ties_even(x * factor) * weight` to each of `sums`, wrapping. `factor` is a power of two and
/// `largest` is [`largest`] of `xs`, all of which are in range of an i64 after scaling.
pub fn add_scaled<T: Param>(sums: &mut [u64], xs: &[T], factor: f64, weight: u64, largest: u64) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2.
        return unsafe { avx2::add_scaled(sums, xs, factor, weight, largest) };
    }
    add_scaled_body(sums, xs, factor, weight, largest);
}

/// Writes `sum / denominator` for each sum read as i64: one conversion and one division in f64.
pub fn mean<T: Param>(means: &mut [T], sums: &[u64], denominator: f64) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2.
        return unsafe { avx2::mean(means, sums, denominator) };
    }
    mean_body(means, sums, denominator);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in integers of 128 bits.
    fn reference(x: f64, factor: f64, weight: u64) -> u64 {
        ((x * factor).round_ties_even() as i128 * i128::from(weight)) as u64
    }

    proptest! {
        #[test]
        fn every_path_is_the_definition(
            xs in proptest::collection::vec(-1023.0f32..1023.0, 1..40),
            small in any::<bool>(), bits in 0i32..=44, weight in 0u64..250
        ) {
            let factor = f64::from(bits).exp2();
            let xs: Vec<f32> = xs.iter().map(|x| if small { x * 1e-4 } else { *x }).collect();
            let expected: Vec<u64> = xs.iter().map(|&x| reference(f64::from(x), factor, weight)).collect();
            let mut sums = vec![0; xs.len()];
            add_scaled(&mut sums, &xs, factor, weight, largest(&xs));
            prop_assert_eq!(&sums, &expected);
            sums.fill(0);
            add_scaled_body(&mut sums, &xs, factor, weight, f32::largest(&xs));
            prop_assert_eq!(&sums, &expected);
        }
    }

    #[test]
    fn ties_go_to_even_on_both_sides_of_the_limit() {
        for x in [
            0.5,
            1.5,
            2.5,
            -0.5,
            -1.5,
            -2.5,
            MAGIC_LIMIT - 0.5,
            MAGIC_LIMIT,
            MAGIC_LIMIT + 0.5,
            2.0 * MAGIC_LIMIT,
            -MAGIC_LIMIT,
        ] {
            let mut sums = [0u64];
            add_scaled(&mut sums, &[x], 1.0, 1, largest(&[x]));
            assert_eq!(sums[0], reference(x, 1.0, 1), "{x}");
        }
    }

    #[test]
    fn nan_and_infinity_are_larger_than_every_number() {
        assert!(largest(&[1.0f32, f32::NAN, 2.0]) > f32::size_key(f64::from(f32::MAX)));
        assert!(largest(&[1.0f32, -f32::INFINITY]) > f32::size_key(f64::from(f32::MAX)));
        assert!(largest(&[-f64::NAN]) > f64::size_key(f64::MAX));
        assert_eq!(largest(&[-3.0f32, 2.0]), f32::size_key(3.0));
    }
}
