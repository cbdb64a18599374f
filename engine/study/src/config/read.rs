//! From text and overrides to a checked study.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use osteon_core::names::nearest;
use toml::{Table, Value};

use super::{Study, check, ignored};
use crate::error::{Place, StudyError};

/// A study that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The study with every default filled in and every path absolute.
    pub study: Study,
    /// Keys that were set and that the chosen arm, model or strategy ignores.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Reads a study from a `.toml` file, or from the `run.json` of an earlier run.
    ///
    /// `overrides` are `key.sub=value` with a TOML value; what is no TOML value is text.
    /// Relative paths in the file are relative to the file, those of overrides to the
    /// working directory.
    ///
    /// # Errors
    /// If the file cannot be read, or the study in it is wrong; the first fault is named with
    /// `file:line:column` or with the override that holds it.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, StudyError> {
        let text = fs::read_to_string(path).map_err(StudyError::io("read", path))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        if path.extension().is_some_and(|e| e == "json") {
            return Self::from_table(json_table(&text, &name)?, None, &name, base, overrides);
        }
        Self::parse(&text, &name, base, overrides)
    }

    /// Reads a study from text; `name` stands for the file in messages, `base` is where its
    /// relative paths start.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, name: &str, base: &Path, overrides: &[String]) -> Result<Self, StudyError> {
        let positioned = |e: &toml::de::Error| fault(place(text, name, e.span()), e.message());
        let table: Table = toml::from_str(text).map_err(|e| positioned(&e))?;
        // Read from text once, for errors with a position; overrides have none.
        toml::from_str::<Study>(text).map_err(|e| positioned(&e))?;
        Self::from_table(table, Some(text), name, base, overrides)
    }

    fn from_table(
        mut table: Table,
        text: Option<&str>,
        name: &str,
        base: &Path,
        overrides: &[String],
    ) -> Result<Self, StudyError> {
        let read = |table: &Table, place: &str| {
            table.clone().try_into::<Study>().map_err(|e| fault(Place(place.to_owned()), e.message()))
        };
        absolute_paths(&mut table, base);
        let mut study = read(&table, name)?;
        for text in overrides {
            let place = format!("--set {text}");
            override_key(&mut table, text).map_err(|message| StudyError::Config {
                place: Place(place.clone()),
                message,
                hint: None,
            })?;
            study = read(&table, &place)?;
        }
        if !overrides.is_empty() {
            absolute_paths(&mut table, Path::new(""));
            study = read(&table, name)?;
        }
        if let Some(found) = check::first_fault(&study) {
            let set = overrides
                .iter()
                .rev()
                .find(|o| o.split_once('=').is_some_and(|(k, _)| k.trim() == found.key));
            let place = match (set, text) {
                (Some(set), _) => Place(format!("--set {set}")),
                (None, Some(text)) => place(text, name, locate(text, found.key)),
                (None, None) => Place(name.to_owned()),
            };
            let message = format!("{}: {}", found.key, found.message);
            return Err(StudyError::Config { place, message, hint: found.hint });
        }
        let warnings = ignored::warnings(&study, &table);
        Ok(Self { study, warnings })
    }

    /// The study as a complete TOML file.
    ///
    /// # Errors
    /// If a value has no form in TOML, such as a seed of 2^63 or more.
    pub fn to_toml(&self) -> Result<String, StudyError> {
        toml::to_string(&self.study).map_err(|e| StudyError::Config {
            place: Place("study".to_owned()),
            message: e.to_string(),
            hint: None,
        })
    }
}

/// The study inside `run.json`, or a study written as JSON.
fn json_table(text: &str, name: &str) -> Result<Table, StudyError> {
    let wrong = |message: String| StudyError::Config { place: Place(name.to_owned()), message, hint: None };
    let mut json: serde_json::Value = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let config = json.get_mut("config").map(serde_json::Value::take).unwrap_or(json);
    serde_json::from_value(config).map_err(|e| wrong(format!("no study in it: {e}")))
}

/// Lays one `key.sub=value` over a table.
fn override_key(table: &mut Table, text: &str) -> Result<(), String> {
    let (key, value) = text.split_once('=').ok_or("needs the form key=value")?;
    let mut parts: Vec<&str> = key.split('.').map(str::trim).collect();
    let last = parts.pop().filter(|k| !k.is_empty()).ok_or("needs the form key=value")?;
    let mut at = table;
    for part in parts {
        let below = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = below.as_table_mut().ok_or_else(|| format!("`{part}` is not a table"))?;
    }
    at.insert(last.to_owned(), value_of(value.trim()));
    Ok(())
}

/// A TOML value, or the text itself.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    match parsed {
        Ok(mut table) if table.len() == 1 => table.remove("value").unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}

/// Makes the paths of a study absolute, so that its resolved form means the same everywhere.
fn absolute_paths(table: &mut Table, base: &Path) {
    let fix = |value: Option<&mut Value>| {
        if let Some(Value::String(path)) = value {
            let joined: PathBuf = base.join(&*path);
            // An empty path stays as it is and is refused by the checks.
            if let Ok(absolute) = std::path::absolute(joined) {
                *path = absolute.to_string_lossy().into_owned();
            }
        }
    };
    fix(table.get_mut("data").and_then(|d| d.get_mut("path")));
    for key in ["folder", "table"] {
        fix(table.get_mut("bags").and_then(|b| b.get_mut(key)));
    }
    let blocks = table.get_mut("data").and_then(|d| d.get_mut("block"));
    for block in blocks.and_then(Value::as_array_mut).into_iter().flatten() {
        fix(block.get_mut("file"));
    }
    let sites = table.get_mut("federation").and_then(|f| f.get_mut("site"));
    for site in sites.and_then(Value::as_array_mut).into_iter().flatten() {
        fix(site.get_mut("path"));
        let blocks = site.get_mut("blocks").and_then(Value::as_table_mut);
        blocks.into_iter().flatten().for_each(|(_, path)| fix(Some(path)));
    }
}

/// An error of the TOML reader, with the nearest known name where a name was unknown.
fn fault(place: Place, message: &str) -> StudyError {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (message, hint) = match quoted.split_first() {
        Some((name, known)) if message.starts_with("unknown field") => {
            (format!("unknown key `{name}`"), Some(did_you_mean(name, known)))
        }
        Some((name, known)) if message.starts_with("unknown variant") => {
            (format!("unknown value \"{name}\""), Some(did_you_mean(name, known)))
        }
        _ => (in_plain_words(message), None),
    };
    StudyError::Config { place, message, hint }
}

/// Replaces the names of types in a message by what a user may write.
fn in_plain_words(message: &str) -> String {
    let Some((before, expected)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let plain = match expected {
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f64" => "a number",
        other => other,
    };
    format!("{before}expected {plain}")
}

fn did_you_mean(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// `file:line:column` of a span; columns count characters from 1.
fn place(text: &str, name: &str, span: Option<Range<usize>>) -> Place {
    let Some(before) = span.and_then(|s| text.get(..s.start)) else {
        return Place(name.to_owned());
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    Place(format!("{name}:{line}:{column}"))
}

/// Where the value of a dotted key stands, or the deepest table on the way to it.
fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        found = Some(name.span());
        match value.get_ref().as_table() {
            Some(below) => table = below,
            None => break,
        }
    }
    found
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
