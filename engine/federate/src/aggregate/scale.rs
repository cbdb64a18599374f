//! The fixed-point scale of a run.

use crate::FederateError;

/// Largest scale: 2^-44 is the spacing of `f32` numbers of size 2^-21, and finer steps gain nothing.
const MAX_BITS: i32 = 44;
/// Parameters below 2^10 = 1024 always fit.
const HEADROOM_BITS: i32 = 10;
/// The sum of all terms stays below 2^62, so it fits i64 with a bit to spare.
const SUM_BITS: i32 = 62;

/// `x` travels as `round_ties_even(x * 2^bits) * weight`. One scale per run, the same on all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamScale {
    bits: i32,
    total_weight: u64,
}

impl ParamScale {
    /// The scale for a total weight of at most `total_weight` per problem:
    /// `min(44, 62 - bits(total_weight) - 10)`, so that every `|x| < 1024` fits (docs/decisions/0001).
    pub fn choose(total_weight: u64) -> Self {
        let bits = MAX_BITS.min(SUM_BITS - length(total_weight) - HEADROOM_BITS);
        Self { bits, total_weight }
    }

    /// A scale of `2^bits`, for parameters larger than 1024 or coarser steps.
    ///
    /// # Errors
    /// If `bits` leaves no room for `|x| < 1` or is above 44.
    pub fn with_bits(bits: i32, total_weight: u64) -> Result<Self, FederateError> {
        let most = MAX_BITS.min(SUM_BITS - length(total_weight));
        if !(0..=most).contains(&bits) {
            return Err(FederateError::Setting {
                what: "scale_bits".into(),
                value: bits.to_string(),
                reason: format!("with a total weight of {total_weight} it lies in 0..={most}"),
            });
        }
        Ok(Self { bits, total_weight })
    }

    /// The exponent of the scale.
    pub fn bits(self) -> i32 {
        self.bits
    }

    /// The largest total weight per problem the scale is good for.
    pub fn total_weight(self) -> u64 {
        self.total_weight
    }

    /// The scale, 2^bits.
    pub fn factor(self) -> f64 {
        f64::from(self.bits).exp2()
    }

    /// Parameters must be smaller than this in size (a power of two): `2^(62 - bits(W) - bits)`, which
    /// bounds the sum of all terms by 2^62.
    pub fn limit(self) -> f64 {
        f64::from(SUM_BITS - length(self.total_weight) - self.bits).exp2()
    }
}

/// Bits needed to write `n`.
fn length(n: u64) -> i32 {
    64 - n.leading_zeros() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_of_common_cohorts() {
        assert_eq!(ParamScale::choose(0).bits(), 44);
        assert_eq!(ParamScale::choose(100).bits(), 44);
        assert_eq!(ParamScale::choose(1523).bits(), 41);
        assert_eq!(ParamScale::choose(1_000_000).bits(), 32);
        for weight in [0, 1, 255, 256, 1523, 1 << 40] {
            assert!(ParamScale::choose(weight).limit() >= 1024.0);
        }
    }

    #[test]
    fn the_limit_bounds_the_sum() {
        for weight in [1, 3, 1000, 1_000_000] {
            let scale = ParamScale::choose(weight);
            let largest = scale.limit() * scale.factor() * weight as f64;
            assert!(largest <= 2f64.powi(62));
        }
        assert!(ParamScale::with_bits(45, 10).is_err());
        assert!(ParamScale::with_bits(-1, 10).is_err());
        assert_eq!(ParamScale::with_bits(20, 1000).map(ParamScale::limit).ok(), Some(2f64.powi(32)));
    }
}
