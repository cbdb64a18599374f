//! Filter taps of the discrete wavelets, with the digits that PyWavelets 1.8 has.
//!
//! Families: haar, db1 to db38, sym2 to sym20, coif1 to coif5 and dmey are orthogonal (Daubechies
//! 1988 and 1993, Meyer 1985); bior1.1 to bior6.8 are the biorthogonal splines of Cohen, Daubechies and
//! Feauveau (1992), rbio1.1 to rbio6.8 the same with analysis and synthesis exchanged. Each line of
//! `wavelets.txt` holds the low-pass decomposition taps, after `/` those of the reconstruction where they
//! are no mirror image, and after `~` the taps whose single-precision value there is not the nearest.

use crate::error::RadiomicsError;
use crate::settings::unknown;

const TABLE: &str = include_str!("wavelets.txt");

/// The two decomposition filters of a wavelet, in both precisions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taps {
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub low_single: Vec<f32>,
    pub high_single: Vec<f32>,
}

/// Names of all wavelets.
fn names() -> impl Iterator<Item = String> {
    let lines = TABLE.lines().filter_map(|line| line.split_once(':'));
    let all = lines.map(|(name, _)| name.to_owned());
    let reverse = all.clone().filter(|n| n.starts_with("bior")).map(|n| n.replace("bior", "rbio"));
    all.chain(reverse)
}

impl Taps {
    /// The taps of a wavelet by its name in PyWavelets.
    ///
    /// # Errors
    /// If there is no such wavelet.
    pub(crate) fn of(name: &str) -> Result<Self, RadiomicsError> {
        let reverse = name.starts_with("rbio");
        let stored = if reverse { name.replace("rbio", "bior") } else { name.to_owned() };
        let line = TABLE.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == stored);
        let Some((_, taps)) = line else {
            let known: Vec<String> = names().collect();
            return Err(unknown(name, known.iter().map(String::as_str)));
        };
        let (taps, exceptions) = taps.split_once(" ~ ").unwrap_or((taps, ""));
        let numbers = |text: &str| text.split(' ').filter_map(|t| t.parse().ok()).collect::<Vec<f64>>();
        let mirrored = |taps: &[f64]| taps.iter().rev().copied().collect::<Vec<f64>>();
        let (low, back) = match taps.split_once(" / ") {
            // Decomposition of the one family is the reconstruction of the other, backwards.
            Some((low, back)) if reverse => (mirrored(&numbers(back)), mirrored(&numbers(low))),
            Some((low, back)) => (numbers(low), numbers(back)),
            None => (numbers(taps), mirrored(&numbers(taps))),
        };
        let mut low_single: Vec<f32> = low.iter().map(|&t| t as f32).collect();
        let mut back_single: Vec<f32> = back.iter().map(|&t| t as f32).collect();
        for (place, tap) in exceptions.split(' ').filter_map(|e| e.split_once('=')) {
            if let (Ok(k), Ok(tap)) = (place.parse::<usize>(), tap.parse()) {
                low_single[k] = tap;
                back_single[low.len() - 1 - k] = tap;
            }
        }
        let (high, high_single) = (alternating(&back), alternating(&back_single));
        Ok(Self { low, high, low_single, high_single })
    }
}

/// The high-pass filter to a low-pass one of the other side.
fn alternating<T: Copy + std::ops::Neg<Output = T>>(taps: &[T]) -> Vec<T> {
    taps.iter().enumerate().map(|(k, &t)| if k % 2 == 0 { -t } else { t }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_passes_keep_constants_and_high_passes_remove_them() {
        assert_eq!(names().count(), 1 + 38 + 19 + 5 + 15 + 1 + 15);
        for name in names() {
            let taps = Taps::of(&name).expect("a wavelet");
            let (low, high): (f64, f64) = (taps.low.iter().sum(), taps.high.iter().sum());
            assert_eq!(taps.low.len() % 2, 0, "{name}");
            assert_eq!(taps.low.len(), taps.high.len(), "{name}");
            // The discrete Meyer wavelet is an approximation, cut off at 62 taps.
            let limit = if name == "dmey" { 2e-3 } else { 1e-8 };
            assert!((low - 2f64.sqrt()).abs() < 1e-8 && high.abs() < limit, "{name}: {low} {high}");
        }
    }

    #[test]
    fn orthogonal_taps_are_orthogonal_to_their_even_shifts() {
        for name in ["db7", "db21", "db38", "sym13", "coif4", "haar"] {
            let taps = Taps::of(name).expect("a wavelet");
            for shift in (0..taps.low.len()).step_by(2) {
                let product: f64 = taps.low[shift..].iter().zip(&taps.low).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(shift == 0))).abs() < 1e-9, "{name} {shift}");
            }
        }
    }

    #[test]
    fn the_nearest_name_is_given() {
        let text = Taps::of("coiff1").expect_err("a misspelt wavelet").to_string();
        assert!(text.contains("\"coif1\""), "{text}");
    }
}
