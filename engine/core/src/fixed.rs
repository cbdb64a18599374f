//! Many order-free sums at once: a fixed-point form of [`ExactSum`](crate::ExactSum) with a narrower range.
//!
//! A sum is an integer of 192 bits whose lowest bit is worth 2^-100, in four limbs of 48 bits held in `i64`. A term
//! is rounded to that grid (exactly kept if it is a multiple of it) and must be below 2^90; what is added is an
//! integer, so that the result does not depend on the order or the grouping of the terms. A Gram matrix of 1536
//! columns takes 38 MB this way, a seventeenth of what as many [`ExactSum`](crate::ExactSum)s take.

use crate::{Reduce, ReduceError};

/// Limbs of a sum.
const LIMBS: usize = 4;
const LIMB_BITS: i32 = 48;
const DIGIT: i64 = (1 << LIMB_BITS) - 1;
/// The lowest bit is worth two to the minus this.
const FRACTION_BITS: i32 = 100;
/// Additions after which carries are propagated: a limb has 15 bits to spare.
const CARRY_EVERY: u32 = 1 << 14;

/// Order-free sums, addressed by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedSums {
    limbs: Vec<[i64; LIMBS]>,
    /// Terms that were not finite, or too large.
    faults: u64,
    pending: u32,
}

impl FixedSums {
    /// `len` empty sums.
    pub fn new(len: usize) -> Self {
        Self { limbs: vec![[0; LIMBS]; len], faults: 0, pending: 0 }
    }

    /// Number of sums.
    pub fn len(&self) -> usize {
        self.limbs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Terms that were not finite or too large; the sums are then undefined.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Adds a term to each sum.
    ///
    /// # Panics
    /// If there are not as many terms as sums.
    pub fn add(&mut self, terms: &[f64]) {
        assert_eq!(terms.len(), self.len(), "a term for each sum");
        for (limbs, &x) in self.limbs.iter_mut().zip(terms) {
            self.faults += u64::from(!add(limbs, x));
        }
        self.pending += 1;
        if self.pending >= CARRY_EVERY {
            self.carry();
        }
    }

    /// Adds other sums, place by place.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(other.len(), self.len(), "as many sums");
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (a, b) in self.limbs.iter_mut().zip(&other.limbs) {
            (0..LIMBS).for_each(|k| a[k] += b[k]);
        }
        self.faults += other.faults;
        self.pending = 1;
    }

    /// The sum at a place, rounded.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn value(&self, at: usize) -> f64 {
        let mut limbs = self.limbs[at];
        carry(&mut limbs);
        let negative = limbs[LIMBS - 1] < 0;
        if negative {
            limbs = limbs.map(|l| -l);
            carry(&mut limbs);
        }
        // Digits are exact in f64; from the top down the first addition that rounds is nearly the last.
        let scale = |k: usize| 2f64.powi(LIMB_BITS * k as i32 - FRACTION_BITS);
        let sum = (0..LIMBS).rev().fold(0.0, |sum, k| sum + limbs[k] as f64 * scale(k));
        if negative { -sum } else { sum }
    }

    /// Replaces the sums by those over all participants.
    ///
    /// # Errors
    /// If a participant is lost, or any term anywhere was not finite.
    pub fn reduce(&mut self, over: &dyn Reduce) -> Result<(), ReduceError> {
        let mut words = self.to_words();
        over.words(&mut words)?;
        *self = Self::from_words(&words);
        match self.faults {
            0 => Ok(()),
            n => Err(ReduceError(format!("{n} terms of a sum are NaN, infinite or above 2^90"))),
        }
    }

    /// The sums as words that add up by wrapping addition over up to 2^15 participants.
    pub fn to_words(&self) -> Vec<u64> {
        let mut sums = self.clone();
        sums.carry();
        let mut words: Vec<u64> = sums.limbs.iter().flatten().map(|&l| l as u64).collect();
        words.push(sums.faults);
        words
    }

    /// Reads back what [`Self::to_words`] wrote, possibly added up.
    pub fn from_words(words: &[u64]) -> Self {
        let (faults, limbs) = words.split_last().map_or((0, words), |(&last, rest)| (last, rest));
        let limbs = limbs.chunks_exact(LIMBS).map(|c| std::array::from_fn(|k| c[k] as i64)).collect();
        let mut sums = Self { limbs, faults, pending: 0 };
        sums.carry();
        sums
    }

    fn carry(&mut self) {
        self.limbs.iter_mut().for_each(carry);
        self.pending = 0;
    }
}

/// Brings every limb but the last into `0..2^48`.
fn carry(limbs: &mut [i64; LIMBS]) {
    for k in 0..LIMBS - 1 {
        let carry = limbs[k] >> LIMB_BITS;
        limbs[k] &= DIGIT;
        limbs[k + 1] += carry;
    }
}

/// Adds a term; `false` if it does not fit.
fn add(limbs: &mut [i64; LIMBS], x: f64) -> bool {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    if exponent == 0x7ff || exponent - 1023 >= 90 {
        return false;
    }
    if exponent == 0 {
        // Zero, or far below the grid.
        return true;
    }
    let mantissa = i128::from(bits & ((1 << 52) - 1) | (1 << 52));
    let position = exponent - 1075 + FRACTION_BITS;
    let (mantissa, position) = match position {
        0.. => (mantissa, position),
        // To the nearest, halves away from zero; a shift beyond the mantissa leaves nothing.
        -54..=-1 => ((mantissa + (1 << (-position - 1))) >> -position, 0),
        _ => return true,
    };
    let wide = mantissa << (position % LIMB_BITS);
    let limb = (position / LIMB_BITS) as usize;
    let sign = if x < 0.0 { -1 } else { 1 };
    for k in 0..3 {
        let digit = (wide >> (LIMB_BITS * k)) as i64 & DIGIT;
        if digit != 0 {
            limbs[limb + k as usize] += sign * digit;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(terms: &[f64]) -> FixedSums {
        let mut sums = FixedSums::new(1);
        terms.iter().for_each(|&x| sums.add(&[x]));
        sums
    }

    #[test]
    fn cancellation_is_exact_on_the_grid() {
        assert_eq!(sum(&[1e26, 1.0, -1e26]).value(0), 1.0);
        assert_eq!(sum(&[-2f64.powi(-99), 2f64.powi(-100)]).value(0), -2f64.powi(-100));
        assert_eq!(sum(&[2f64.powi(-102)]).value(0), 0.0);
        assert_eq!(sum(&[]).value(0), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_a_fault() {
        for x in [f64::NAN, f64::INFINITY, 2f64.powi(90), -1e300] {
            assert_eq!(sum(&[1.0, x]).faults(), 1, "{x}");
        }
        assert_eq!(sum(&[2f64.powi(89), -2f64.powi(89)]).faults(), 0);
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(
            terms in proptest::collection::vec(-1e20f64..1e20, 1..60), cut in 0usize..60
        ) {
            let whole = sum(&terms);
            let mut reversed = terms.clone();
            reversed.reverse();
            prop_assert_eq!(sum(&reversed).to_words(), whole.to_words());
            let cut = cut.min(terms.len());
            let (mut first, second) = (sum(&terms[..cut]), sum(&terms[cut..]));
            let wire: Vec<u64> =
                first.to_words().into_iter().zip(second.to_words()).map(|(a, b)| a.wrapping_add(b)).collect();
            prop_assert_eq!(FixedSums::from_words(&wire).to_words(), whole.to_words());
            first.merge(&second);
            prop_assert_eq!(first.to_words(), whole.to_words());
        }

        #[test]
        fn the_sum_is_that_of_an_exact_accumulator(terms in proptest::collection::vec(-1e3f64..1e3, 1..40)) {
            let mut exact = crate::ExactSum::new();
            exact.extend(terms.iter().copied());
            let wanted = exact.value().expect("finite");
            prop_assert!((sum(&terms).value(0) - wanted).abs() <= 1e-15 * wanted.abs() + 1e-28);
        }
    }
}
