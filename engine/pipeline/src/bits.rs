//! `f64` values in a journal, exact for every value: `#[serde(with = "osteon_pipeline::bits")]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Hexadecimal digits of a value.
const DIGITS: usize = 16;

/// Writes values as 16 hexadecimal digits each.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(values: &[f64], out: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(values.len() * DIGITS);
    values.iter().for_each(|x| text.push_str(&format!("{:016x}", x.to_bits())));
    out.serialize_str(&text)
}

/// Reads them back.
///
/// # Errors
/// If the text is not such values.
pub fn deserialize<'a, D: Deserializer<'a>>(input: D) -> Result<Vec<f64>, D::Error> {
    let text = String::deserialize(input)?;
    let chunks = text.as_bytes().chunks(DIGITS);
    let value = |digits: &[u8]| {
        let digits = str::from_utf8(digits).ok().filter(|d| d.len() == DIGITS);
        let bits = digits.and_then(|d| u64::from_str_radix(d, 16).ok());
        bits.map(f64::from_bits).ok_or_else(|| D::Error::custom("not 16 hexadecimal digits"))
    };
    chunks.map(value).collect()
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Values(#[serde(with = "super")] Vec<f64>);

    #[test]
    fn every_value_survives() {
        let values = Values(vec![0.1, -0.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE / 3.0]);
        let text = serde_json::to_string(&values).expect("text");
        let back: Values = serde_json::from_str(&text).expect("values");
        let bits = |v: &Values| v.0.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&values));
        assert!(serde_json::from_str::<Values>("\"3ff\"").is_err());
    }
}
