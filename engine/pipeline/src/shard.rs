//! A part of a batch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// Part `index` of `count`: every `count`-th case, so that neighbours in the table, which often
/// are of one kind, are spread over the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All cases.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Part `index` of `count`, from 1.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn new(index: usize, count: usize) -> Result<Self, PipelineError> {
        let shard = Self { index, count };
        if index == 0 || index > count { Err(PipelineError::Shard(shard.to_string())) } else { Ok(shard) }
    }

    /// Whether the part holds a case, counted from 0.
    pub fn holds(self, case: usize) -> bool {
        case % self.count == self.index - 1
    }

    /// Whether the part is not all.
    pub fn is_part(self) -> bool {
        self.count > 1
    }

    /// How the part is named in files: `2-of-8`.
    pub fn file_part(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, PipelineError> {
        let wrong = || PipelineError::Shard(text.to_owned());
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |t: &str| t.trim().parse().map_err(|_| wrong());
        Self::new(number(index)?, number(count)?).map_err(|_| wrong())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_complete() {
        for count in 1..6 {
            for case in 0..20 {
                let holders = (1..=count).filter(|&i| Shard::new(i, count).expect("a part").holds(case));
                assert_eq!(holders.count(), 1);
            }
        }
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        assert_eq!("2/4".parse::<Shard>().expect("a part"), Shard { index: 2, count: 4 });
        for text in ["0/4", "5/4", "1", "1/0", "a/4", "1/4/2", "-1/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
