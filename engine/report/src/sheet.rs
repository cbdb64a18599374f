//! A page that shows a cohort: a picture per case, with what is unusual about it.

use std::io::{self, Write};
use std::path::Path;

use osteon_core::files;

use crate::error::ReportError;
use crate::svg::escape;

/// A picture on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its file, from the folder of the page.
    pub file: String,
    /// What stands over it.
    pub caption: String,
    /// What is unusual; shown under it, in colour.
    pub flags: Vec<String>,
}

const STYLE: &str = "body{font:14px sans-serif;margin:2em}main{display:flex;flex-wrap:wrap;gap:1em}\
figure{margin:0;border:1px solid #ccc;padding:.5em;width:24em}img{width:100%}.unusual{border-color:#d02828}\
li{color:#d02828}";

/// Writes the page; it refers to the pictures and needs no network.
///
/// # Errors
/// If the page cannot be written.
pub fn write_sheet(path: &Path, title: &str, pictures: &[Picture]) -> Result<(), ReportError> {
    let written = files::write_atomic::<io::Error>(path, |out| {
        let title = escape(title);
        write!(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>")?;
        let unusual = pictures.iter().filter(|p| !p.flags.is_empty()).count();
        let all = pictures.len();
        writeln!(
            out,
            "<style>{STYLE}</style></head><body><h1>{title}</h1><p>{all} cases, {unusual} to look at</p><main>"
        )?;
        for picture in pictures {
            let class = if picture.flags.is_empty() { "" } else { " class=\"unusual\"" };
            let (file, caption) = (escape(&picture.file), escape(&picture.caption));
            write!(out, "<figure{class}><figcaption>{caption}</figcaption>")?;
            write!(out, "<img loading=\"lazy\" src=\"{file}\" alt=\"{caption}\"><ul>")?;
            for flag in &picture.flags {
                write!(out, "<li>{}</li>", escape(flag))?;
            }
            writeln!(out, "</ul></figure>")?;
        }
        writeln!(out, "</main></body></html>")
    });
    written.map_err(ReportError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_flags_are_shown() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("cohort.html");
        let picture = |caption: &str, flags: &[&str]| Picture {
            file: "pictures/a.png".into(),
            caption: caption.into(),
            flags: flags.iter().map(ToString::to_string).collect(),
        };
        write_sheet(&path, "Cases", &[picture("<a>", &["dose 900"]), picture("b", &[])]).expect("written");
        let text = std::fs::read_to_string(&path).expect("the page");
        assert!(text.contains("2 cases, 1 to look at") && text.contains("<li>dose 900</li>"), "{text}");
        assert!(text.contains("&lt;a&gt;") && !text.contains("<a>"), "{text}");
    }
}
