//! The templates of `slurm/templates`, filled in.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use osteon_core::files::write_atomic;

use crate::SlurmError;

/// A file of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Script {
    /// Writes the file into a folder; a shell script may be executed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), SlurmError> {
        let path = dir.join(&self.name);
        let mode = if self.name.ends_with(".toml") { 0o644 } else { 0o755 };
        write_atomic::<std::io::Error>(&path, |out| {
            out.write_all(self.text.as_bytes())?;
            out.get_ref().set_permissions(fs::Permissions::from_mode(mode))
        })
        .map_err(|source| SlurmError::Io { action: "write", path, source })
    }
}

/// A template with every `{{name}}` replaced. A line that holds nothing but a name whose text is empty goes.
///
/// # Panics
/// If a name has no value: templates and callers are both ours.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    for line in template.lines() {
        let mut pieces = line.split("{{");
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
            let value = values.iter().find(|(known, _)| *known == name);
            filled += value.unwrap_or_else(|| panic!("nothing fills {name}")).1;
            filled += rest;
        }
        if !filled.is_empty() || line.is_empty() {
            out.push_str(&filled);
            out.push('\n');
        }
    }
    out
}

/// A word as the shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:@/+=-%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Words as one line of the shell.
pub(crate) fn line(words: &[String]) -> String {
    words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        let words = ["a b", "it's", "$HOME", "", "plain-1", "x\"y`z"].map(str::to_owned);
        let script = format!("printf '%s\\n' {}", line(&words));
        let out = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let expected: String = words.iter().map(|w| format!("{w}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&out.stdout), expected);
    }

    #[test]
    fn an_empty_value_takes_its_line_with_it() {
        // What a user gave is not a template.
        assert_eq!(fill("a\n{{x}}\n\nb {{y}}\n", &[("x", ""), ("y", "{{c")]), "a\n\nb {{c\n");
    }
}
