//! Values that are a word or a number, or a word or a list.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rows per optimiser step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// All rows.
    Full,
    /// This many.
    Size(usize),
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Full => s.serialize_str("full"),
            Self::Size(n) => n.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = Batch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"full\" or a positive whole number")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Batch, E> {
                match v {
                    "full" => Ok(Batch::Full),
                    _ => Err(E::invalid_value(de::Unexpected::Str(v), &self)),
                }
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Batch, E> {
                match usize::try_from(v) {
                    Ok(n) if n > 0 => Ok(Batch::Size(n)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(v), &self)),
                }
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Batch, E> {
                i64::try_from(v)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
                    .and_then(|v| self.visit_i64(v))
            }
        }
        d.deserialize_any(Seen)
    }
}

/// Independently initialised models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seeds {
    /// This many, numbered from `train.seed`.
    Count(u32),
    /// These.
    List(Vec<u64>),
}

impl Seeds {
    /// The seeds themselves, numbered from `first` where only their number is given.
    pub fn list(&self, first: u64) -> Vec<u64> {
        match self {
            Self::Count(n) => (0..u64::from(*n)).map(|i| first.wrapping_add(i)).collect(),
            Self::List(seeds) => seeds.clone(),
        }
    }
}

impl Serialize for Seeds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(n) => n.serialize(s),
            Self::List(seeds) => seeds.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Seeds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a positive number of seeds, or a list of seeds")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Seeds, E> {
                match u32::try_from(v) {
                    Ok(n) if n > 0 => Ok(Seeds::Count(n)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(v), &self)),
                }
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Seeds, E> {
                i64::try_from(v)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
                    .and_then(|v| self.visit_i64(v))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seeds, A::Error> {
                let mut seeds = Vec::new();
                while let Some(seed) = seq.next_element()? {
                    seeds.push(seed);
                }
                if seeds.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                Ok(Seeds::List(seeds))
            }
        }
        d.deserialize_any(Seen)
    }
}

/// Columns that enter the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Features {
    /// Every column without another role.
    All,
    /// These.
    Names(Vec<String>),
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => s.serialize_str("all"),
            Self::Names(names) => names.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Features;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a list of column names")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Features, E> {
                match v {
                    "all" => Ok(Features::All),
                    _ => Err(E::invalid_value(de::Unexpected::Str(v), &self)),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Features, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Features::Names(names))
            }
        }
        d.deserialize_any(Seen)
    }
}

/// The site that trains alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteChoice {
    /// The one with the fewest patients.
    Smallest,
    /// The one with the most patients.
    Largest,
    /// Each site for itself.
    All,
    /// The one of this name.
    Name(String),
}

impl Serialize for SiteChoice {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(match self {
            Self::Smallest => "smallest",
            Self::Largest => "largest",
            Self::All => "all",
            Self::Name(name) => name,
        })
    }
}

impl<'de> Deserialize<'de> for SiteChoice {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(d)?.as_str() {
            "smallest" => Self::Smallest,
            "largest" => Self::Largest,
            "all" => Self::All,
            name => Self::Name(name.to_owned()),
        })
    }
}
