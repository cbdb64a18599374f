//! Parameter files (YAML) and `key=value` texts.

use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value};

use crate::error::RadiomicsError;
use crate::settings::Params;

impl Params {
    /// Reads a parameter file of PyRadiomics (`.yaml`, or JSON, which is YAML too).
    ///
    /// # Errors
    /// If the file cannot be read or parsed, a key is unknown or a value out of range.
    pub fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let text = fs::read_to_string(path).map_err(|e| RadiomicsError::io(path, e))?;
        let value = value(&text).map_err(|reason| RadiomicsError::format(path, reason))?;
        Self::from_value(&value)
    }

    /// Sets a setting from `key=value`, the value written as in a parameter file.
    ///
    /// # Errors
    /// If there is no `=`, the key is unknown or the value out of range.
    pub fn assign(&mut self, text: &str) -> Result<(), RadiomicsError> {
        let (key, written) =
            text.split_once('=').ok_or_else(|| RadiomicsError::setting("set", text, "key=value"))?;
        let value = value(written).map_err(|_| RadiomicsError::setting(key, written, "a value"))?;
        self.settings.set(key.trim(), &value)
    }
}

/// The first document of a YAML text.
fn value(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|e| e.to_string())?;
    documents.first().map_or(Ok(Value::Null), converted)
}

fn converted(node: &Yaml) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(b)) => Value::Bool(*b),
        Yaml::Value(Scalar::Integer(i)) => Value::from(*i),
        Yaml::Value(Scalar::FloatingPoint(x)) => {
            Value::Number(Number::from_f64(x.into_inner()).ok_or("a number is not finite")?)
        }
        Yaml::Value(Scalar::String(s)) => Value::String(s.to_string()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(converted).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let mut table = Map::new();
            for (key, content) in entries {
                let key = key.as_str().ok_or("a key is no text")?;
                table.insert(key.to_owned(), converted(content)?);
            }
            Value::Object(table)
        }
        _ => return Err("aliases and tags are not supported".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roi::{Binning, ResegmentMode};

    #[test]
    fn settings_by_name() {
        let mut params = Params::default();
        params.assign("binWidth=0.25").expect("a width");
        params.assign("distances=[1, 2]").expect("distances");
        assert_eq!(params.settings.binning, Binning::Width(0.25));
        assert_eq!(params.settings.distances, [1, 2]);
        let text = params.assign("binwidht=1").expect_err("a misspelt key").to_string();
        assert!(text.contains("did you mean \"binWidth\""), "{text}");
        assert!(params.assign("binWidth=-1").is_err());
        assert!(params.assign("force2D=yes").is_err());
    }

    #[test]
    fn a_resegmentation_mode_needs_a_range_and_may_precede_it() {
        let mut params = Params::default();
        params.assign("resegmentMode=sigma").expect("a mode");
        let text = params.settings.check().expect_err("no range").to_string();
        assert!(text.contains("resegmentRange"), "{text}");
        params.assign("resegmentRange=[-3, 3]").expect("a range");
        params.settings.check().expect("both");
        assert_eq!(params.settings.resegment.map(|r| r.mode), Some(ResegmentMode::Sigma));
    }

    #[test]
    fn unknown_sections_and_features_are_refused() {
        let parse = |text: &str| Params::from_value(&value(text).expect("YAML")).map_err(|e| e.to_string());
        assert!(parse("settings:\n  binWidth: 5\n").expect_err("a section").contains("\"setting\""));
        assert!(parse("featureClass:\n  glcm: [Contrst]\n").expect_err("a feature").contains("\"Contrast\""));
        let some = parse("featureClass:\n  glcm: [Idn, Contrast]\n  shape:\n").expect("features");
        assert_eq!(some.features.iter().map(|f| (f.0, f.1.len())).collect::<Vec<_>>(), [(0, 14), (3, 2)]);
    }
}
