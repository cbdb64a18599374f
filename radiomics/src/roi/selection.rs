//! Which labels of a mask become regions.

use std::str::FromStr;

use crate::error::RadiomicsError;

/// Labels to take from a mask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The labels, or all there are.
    pub labels: Option<Vec<u16>>,
    /// Whether their union is a region too, named `all`.
    pub whole: bool,
}

impl Selection {
    /// One label, as PyRadiomics takes it.
    pub fn single(label: u16) -> Self {
        Self { labels: Some(vec![label]), whole: false }
    }

    /// The labels to take of those present.
    pub(super) fn resolve(&self, present: &[u16]) -> Result<Vec<u16>, RadiomicsError> {
        let list = || {
            let some: Vec<_> = present.iter().take(40).map(ToString::to_string).collect();
            if some.is_empty() { "none".to_owned() } else { some.join(", ") }
        };
        match &self.labels {
            None if present.is_empty() => {
                Err(RadiomicsError::Region { label: "all".into(), reason: "the mask is empty".into() })
            }
            None => Ok(present.to_vec()),
            Some(wanted) => match wanted.iter().find(|l| !present.contains(l)) {
                Some(&label) => Err(RadiomicsError::Label { label, present: list() }),
                None => Ok(wanted.clone()),
            },
        }
    }
}

/// `all`, or labels and ranges such as `1,5-9`.
impl FromStr for Selection {
    type Err = RadiomicsError;

    fn from_str(text: &str) -> Result<Self, RadiomicsError> {
        if text == "all" {
            return Ok(Self::default());
        }
        let wrong = || RadiomicsError::setting("labels", text, "all, or labels from 1 such as 1,5-9");
        let mut labels = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: u16 = first.trim().parse().map_err(|_| wrong())?;
            let last: u16 = last.trim().parse().map_err(|_| wrong())?;
            if first == 0 || last < first {
                return Err(wrong());
            }
            labels.extend(first..=last);
        }
        labels.sort_unstable();
        labels.dedup();
        Ok(Self { labels: Some(labels), whole: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        let labels = |t: &str| t.parse::<Selection>().map(|s| s.labels);
        assert_eq!(labels("9,1,5-7,6").expect("a list"), Some(vec![1, 5, 6, 7, 9]));
        assert_eq!(labels("all").expect("all"), None);
        for wrong in ["", "0", "3-1", "a", "1,,2"] {
            assert!(labels(wrong).is_err(), "{wrong}");
        }
    }
}
