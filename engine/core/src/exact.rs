//! An exact accumulator of `f64` values: the sum does not depend on the order of its terms.
//!
//! The accumulator is one wide fixed-point integer that covers the whole range of `f64`
//! (bit 0 is worth 2^-1074) in limbs of 32 bits held in `i64`, as in Kulisch, "Very fast and
//! exact accumulation of products", Computing 91 (2011). Two accumulators add limb by limb, so a
//! sum over sites is one integer allreduce and has the same bits for any grouping of its terms.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bits of the accumulator held by one limb.
const LIMB_BITS: u32 = 32;
/// Limbs of an accumulator: 2098 bits for every finite `f64`, the rest for carries.
pub const LIMBS: usize = 68;
/// Words of an accumulator on the wire: its limbs and the count of non-finite terms.
pub const WIRE_WORDS: usize = LIMBS + 1;
/// Additions after which carries are propagated, so that no limb can overflow.
const CARRY_EVERY: u32 = 1 << 29;

/// An order-free sum of `f64` terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSum {
    limbs: Vec<i64>,
    /// Terms that were NaN or infinite; the sum is then undefined.
    faults: u64,
    pending: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self { limbs: vec![0; LIMBS], faults: 0, pending: 0 }
    }
}

impl ExactSum {
    /// The empty sum.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one term. A NaN or an infinity is counted as a fault and makes [`Self::value`] `None`.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            self.faults += 1;
            return;
        }
        let bits = x.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as u32;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, position) =
            if exponent == 0 { (fraction, 0) } else { (fraction | (1 << 52), exponent - 1) };
        if mantissa == 0 {
            return;
        }
        let limb = (position / LIMB_BITS) as usize;
        let wide = u128::from(mantissa) << (position % LIMB_BITS);
        let sign = if x < 0.0 { -1 } else { 1 };
        for k in 0..3 {
            let digit = ((wide >> (LIMB_BITS * k)) & 0xffff_ffff) as i64;
            self.limbs[limb + k as usize] += sign * digit;
        }
        self.pending += 1;
        if self.pending >= CARRY_EVERY {
            self.carry();
        }
    }

    /// Adds the product `a * b` without rounding (error-free transformation by FMA; exact unless
    /// the product underflows below 2^-1022).
    pub fn add_product(&mut self, a: f64, b: f64) {
        let high = a * b;
        self.add(high);
        if high.is_finite() {
            self.add(f64::mul_add(a, b, -high));
        }
    }

    /// Adds another accumulator.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (a, b) in self.limbs.iter_mut().zip(&other.limbs) {
            *a += b;
        }
        self.pending = 1;
        self.faults += other.faults;
    }

    /// The sum rounded once to the nearest `f64`, or `None` if a term was not finite.
    pub fn value(&self) -> Option<f64> {
        if self.faults > 0 {
            return None;
        }
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            for limb in &mut sum.limbs {
                *limb = -*limb;
            }
            sum.carry();
        }
        let magnitude = round_magnitude(&sum.limbs);
        Some(if negative { -magnitude } else { magnitude })
    }

    /// Terms that were NaN or infinite.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// The accumulator as words that add up by wrapping `u64` addition over up to 2^31 ranks.
    pub fn to_wire(&self, words: &mut Vec<u64>) {
        let mut sum = self.clone();
        sum.carry();
        words.extend(sum.limbs.iter().map(|&l| l as u64));
        words.push(self.faults);
    }

    /// Reads back what [`Self::to_wire`] wrote, possibly summed over ranks.
    ///
    /// # Panics
    /// If `words` is shorter than [`WIRE_WORDS`].
    pub fn from_wire(words: &[u64]) -> Self {
        let mut sum = Self {
            limbs: words[..LIMBS].iter().map(|&w| w as i64).collect(),
            faults: words[LIMBS],
            pending: 0,
        };
        sum.carry();
        sum
    }

    /// The limbs in use, after carries have been propagated into as few of them as possible: the
    /// top one then has the sign. Empty for a sum of 0.
    pub fn window(&mut self) -> Range<usize> {
        self.carry();
        if self.limbs[LIMBS - 1] == -1 {
            // A small negative number: the borrow that ran up to the top goes back down.
            let top = self.limbs[..LIMBS - 1].iter().rposition(|&l| l != 0xffff_ffff).map_or(0, |p| p + 1);
            if top < LIMBS - 1 {
                self.limbs[top..].fill(0);
                self.limbs[top] = -1;
            }
        }
        let low = self.limbs.iter().position(|&l| l != 0);
        let high = self.limbs.iter().rposition(|&l| l != 0);
        low.zip(high).map_or(0..0, |(low, high)| low..high + 1)
    }

    /// These limbs as words that add up as those of [`Self::to_wire`]; `limbs` must contain
    /// [`Self::window`]. Faults are not among them.
    ///
    /// # Panics
    /// If `limbs` is out of range.
    pub fn to_window(&self, limbs: Range<usize>, words: &mut Vec<u64>) {
        words.extend(self.limbs[limbs].iter().map(|&l| l as u64));
    }

    /// Reads back what [`Self::to_window`] wrote from limb `low` on, possibly summed over ranks.
    ///
    /// # Panics
    /// If there are more words than limbs from `low` on.
    pub fn from_window(low: usize, words: &[u64]) -> Self {
        let mut sum = Self::new();
        for (limb, &word) in sum.limbs[low..low + words.len()].iter_mut().zip(words) {
            *limb = word as i64;
        }
        sum.carry();
        sum
    }

    /// Brings every limb but the last into `0..2^32`.
    fn carry(&mut self) {
        let mut carry = 0i64;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let total = *limb + carry;
            *limb = total & 0xffff_ffff;
            carry = total >> LIMB_BITS;
        }
        self.limbs[LIMBS - 1] += carry;
        self.pending = 0;
    }
}

impl Extend<f64> for ExactSum {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, terms: I) {
        for x in terms {
            self.add(x);
        }
    }
}

/// Rounds a non-negative carried accumulator to the nearest `f64`, ties to even.
fn round_magnitude(limbs: &[i64]) -> f64 {
    let Some(top) = limbs.iter().rposition(|&l| l != 0) else {
        return 0.0;
    };
    let bit = |p: u32| (limbs[(p / LIMB_BITS) as usize] >> (p % LIMB_BITS)) & 1 == 1;
    let high = top as u32 * LIMB_BITS + (63 - limbs[top].leading_zeros());
    let take = |low: u32| (low..=high).rev().fold(0u64, |m, p| (m << 1) | u64::from(bit(p)));
    if high < 53 {
        // Below 2^-1021 the integer is the bit pattern itself.
        return f64::from_bits(take(0));
    }
    let low = high - 52;
    let mut mantissa = take(low);
    let half = bit(low - 1);
    let below = (low - 1) / LIMB_BITS;
    let sticky = limbs[..below as usize].iter().any(|&l| l != 0)
        || limbs[below as usize] & ((1i64 << ((low - 1) % LIMB_BITS)) - 1) != 0;
    if half && (sticky || mantissa & 1 == 1) {
        mantissa += 1;
    }
    // A mantissa rounded up to 2^53 carries into the exponent by itself.
    let bits = (u64::from(low + 1) << 52) + (mantissa - (1 << 52));
    if bits >= 0x7ff << 52 { f64::INFINITY } else { f64::from_bits(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(terms: &[f64]) -> f64 {
        let mut s = ExactSum::new();
        s.extend(terms.iter().copied());
        s.value().expect("finite terms")
    }

    #[test]
    fn cancellation_is_exact() {
        assert_eq!(sum(&[1e308, 1.0, -1e308]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1.0, -1e16]), 2.0);
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]), f64::from_bits(2));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -f64::from_bits(1)]), f64::from_bits((1 << 52) - 1));
    }

    #[test]
    fn rounds_to_nearest_even() {
        let ulp = f64::EPSILON;
        assert_eq!(sum(&[1.0, ulp / 2.0]), 1.0);
        assert_eq!(sum(&[1.0 + ulp, ulp / 2.0]), 1.0 + 2.0 * ulp);
        assert_eq!(sum(&[1.0, ulp / 2.0, 1e-300]), 1.0 + ulp);
    }

    #[test]
    fn products_keep_their_low_half() {
        let (a, b) = (1.0 + f64::EPSILON, 1.0 - f64::EPSILON);
        let mut s = ExactSum::new();
        s.add_product(a, b);
        s.add(-1.0);
        assert_eq!(s.value(), Some(-f64::EPSILON * f64::EPSILON));
    }

    #[test]
    fn a_fault_is_not_a_number() {
        let mut s = ExactSum::new();
        s.add(f64::NAN);
        s.add(1.0);
        assert_eq!(s.value(), None);
        let mut t = ExactSum::new();
        t.merge(&s);
        assert_eq!((t.value(), t.faults()), (None, 1));
    }

    proptest! {
        #[test]
        fn order_and_grouping_do_not_matter(
            terms in proptest::collection::vec(-1e300f64..1e300, 1..60), cut in 0usize..60
        ) {
            let whole = sum(&terms);
            let mut reversed = terms.clone();
            reversed.reverse();
            prop_assert_eq!(sum(&reversed).to_bits(), whole.to_bits());
            let cut = cut.min(terms.len());
            let mut wire = vec![0u64; WIRE_WORDS];
            for part in [&terms[..cut], &terms[cut..]] {
                let mut s = ExactSum::new();
                s.extend(part.iter().copied());
                let mut words = Vec::new();
                s.to_wire(&mut words);
                for (a, b) in wire.iter_mut().zip(words) {
                    *a = a.wrapping_add(b);
                }
            }
            prop_assert_eq!(ExactSum::from_wire(&wire).value().map(f64::to_bits), Some(whole.to_bits()));
        }

        #[test]
        fn a_window_holds_the_sum(
            parts in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![-1e300f64..1e300, -1.0f64..1.0, Just(0.0)], 0..9), 1..5
            )
        ) {
            let mut whole = ExactSum::new();
            let mut sums: Vec<ExactSum> = Vec::new();
            for part in &parts {
                let mut s = ExactSum::new();
                s.extend(part.iter().copied());
                whole.merge(&s);
                sums.push(s);
            }
            let used: Vec<_> = sums.iter_mut().map(ExactSum::window).filter(|w| !w.is_empty()).collect();
            let low = used.iter().map(|w| w.start).min().unwrap_or(0);
            let high = used.iter().map(|w| w.end).max().unwrap_or(0);
            let mut wire = vec![0u64; high - low];
            for s in &sums {
                let mut words = Vec::new();
                s.to_window(low..high, &mut words);
                wire.iter_mut().zip(words).for_each(|(a, b)| *a = a.wrapping_add(b));
            }
            let total = ExactSum::from_window(low, &wire);
            prop_assert_eq!(total.value().map(f64::to_bits), whole.value().map(f64::to_bits));
        }

        #[test]
        fn a_small_negative_number_needs_few_limbs(x in 1e-6f64..1e6) {
            let mut s = ExactSum::new();
            s.add(-x);
            prop_assert!(s.window().len() <= 4);
            prop_assert_eq!(s.value(), Some(-x));
        }

        #[test]
        fn one_term_is_itself(bits in any::<u64>()) {
            let x = f64::from_bits(bits);
            prop_assume!(x.is_finite() && x != 0.0);
            prop_assert_eq!(sum(&[x]).to_bits(), x.to_bits());
        }
    }
}
