//! Which sites take part in a round.

use osteon_core::rng::{Purpose, Stream};

use crate::FederateError;

/// How many sites take part in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClientSampling {
    /// All.
    All,
    /// So many.
    Count(usize),
    /// This part of them, rounded, at least one.
    Fraction(f64),
}

impl ClientSampling {
    /// The sites (members of `eligible`, ascending) of round `round`: drawn without replacement from the
    /// run's seed and the round alone, so the same on every rank and for any number of ranks.
    ///
    /// # Errors
    /// A count outside `1..=K` or a fraction outside `(0, 1]`.
    pub fn draw(self, seed: u64, round: u32, eligible: &[usize]) -> Result<Vec<usize>, FederateError> {
        let k = eligible.len();
        let wrong = |value: String, reason: String| {
            Err(FederateError::Setting { what: "federation.sampling".into(), value, reason })
        };
        let take = match self {
            Self::All => return Ok(eligible.to_vec()),
            Self::Count(n) if n == 0 || n > k => {
                return wrong(n.to_string(), format!("it lies in 1..={k}, the sites with weight"));
            }
            Self::Count(n) => n,
            Self::Fraction(f) if !(f > 0.0 && f <= 1.0) => {
                return wrong(f.to_string(), "it lies above 0 and at most at 1".into());
            }
            Self::Fraction(f) => ((f * k as f64).round() as usize).clamp(1, k.max(1)),
        };
        let mut drawn = eligible.to_vec();
        Stream::new(seed, Purpose::ClientSampling, u64::from(round)).shuffle(&mut drawn);
        drawn.truncate(take);
        drawn.sort_unstable();
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_its_own_seeded_list() {
        let sites: Vec<usize> = (0..20).collect();
        let draw = |seed, round| ClientSampling::Fraction(0.3).draw(seed, round, &sites).expect("legal");
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_eq!(draw(1, 0).len(), 6);
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn every_site_is_drawn_equally_often() {
        let sites = [3, 5, 8, 9];
        let mut seen = [0; 10];
        for round in 0..4000 {
            let drawn = ClientSampling::Count(2).draw(7, round, &sites).expect("legal");
            assert!(drawn.is_sorted() && drawn[0] != drawn[1]);
            drawn.iter().for_each(|&s| seen[s] += 1);
        }
        // 2000 expected each; the standard deviation is 32.
        assert!(sites.iter().all(|&s| (1850..2150).contains(&seen[s])), "{seen:?}");
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for sampling in [ClientSampling::Count(0), ClientSampling::Count(4), ClientSampling::Fraction(0.0)] {
            assert!(sampling.draw(0, 0, &[0, 1, 2]).is_err(), "{sampling:?}");
        }
        assert_eq!(ClientSampling::Fraction(0.01).draw(0, 0, &[0, 1, 2]).map(|d| d.len()).ok(), Some(1));
    }
}
