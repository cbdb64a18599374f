//! What a cell says: missing, a number, a name.

use std::borrow::Cow;

use osteon_table::Cell;

use crate::schema::ColumnSpec;

/// Texts that mean "missing" unless a column says otherwise; letters of either case.
pub const MISSING_CODES: [&str; 6] = ["", "NA", "NaN", "N/A", "null", "."];

/// Whether a cell has no value: a null, a missing code, or NaN.
pub(crate) fn is_missing(cell: Cell<'_>, codes: Option<&[String]>) -> bool {
    let numeric = |x: f64| codes.is_some_and(|c| c.iter().any(|code| code.trim().parse() == Ok(x)));
    match cell {
        Cell::Missing => true,
        Cell::Bool(_) => false,
        Cell::Float(x) => x.is_nan() || numeric(x),
        Cell::Int(i) => numeric(i as f64),
        Cell::Text(text) => {
            let text = text.trim();
            match codes {
                Some(codes) => codes.iter().any(|c| c.trim() == text),
                None => MISSING_CODES.iter().any(|c| c.eq_ignore_ascii_case(text)),
            }
        }
    }
}

/// The number in a cell that is not missing, or why it is none.
pub(crate) fn number(cell: Cell<'_>) -> Result<f64, String> {
    match cell {
        Cell::Missing => Err("no value".to_owned()),
        Cell::Float(x) => Ok(x),
        Cell::Int(i) => Ok(i as f64),
        Cell::Bool(b) => Ok(f64::from(u8::from(b))),
        Cell::Text(text) => {
            let text = text.trim();
            text.parse().map_err(|_| match without_comma(text) {
                Some(point) => format!("\"{text}\" has a decimal comma; write {point}"),
                None => format!("\"{}\" is not a number", shorten(text)),
            })
        }
    }
}

/// A number in a feature column: present and finite, missing, or wrong.
pub(crate) fn finite(cell: Cell<'_>, spec: &ColumnSpec) -> Result<Option<f64>, String> {
    if is_missing(cell, spec.missing_codes.as_deref()) {
        return Ok(None);
    }
    match number(cell)? {
        x if x.is_finite() => Ok(Some(x)),
        x => Err(format!("{x} is not finite")),
    }
}

/// 0 or 1, also as a truth value; missing, or wrong.
pub(crate) fn truth(cell: Cell<'_>, spec: &ColumnSpec) -> Result<Option<bool>, String> {
    if let Cell::Text(text) = cell {
        match text.trim() {
            "true" | "TRUE" | "True" => return Ok(Some(true)),
            "false" | "FALSE" | "False" => return Ok(Some(false)),
            _ => {}
        }
    }
    match finite(cell, spec)? {
        None => Ok(None),
        Some(0.0) => Ok(Some(false)),
        Some(1.0) => Ok(Some(true)),
        Some(x) => Err(format!("{x} is neither 0 nor 1")),
    }
}

/// A name: the text, trimmed, or a number as it is written shortest.
pub(crate) fn name(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Missing => Cow::Borrowed(""),
        Cell::Text(text) => Cow::Borrowed(text.trim()),
        Cell::Float(x) => Cow::Owned(x.to_string()),
        Cell::Int(i) => Cow::Owned(i.to_string()),
        Cell::Bool(b) => Cow::Borrowed(if b { "1" } else { "0" }),
    }
}

/// `1,5` as `1.5`, if that is what it is.
pub(crate) fn without_comma(text: &str) -> Option<String> {
    let point = text.replacen(',', ".", 1);
    (point != text && point.parse::<f64>().is_ok()).then_some(point)
}

/// The beginning of a text, for a message.
fn shorten(text: &str) -> String {
    let mut start: String = text.chars().take(40).collect();
    if start.len() < text.len() {
        start.push_str("...");
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_codes_may_be_numbers() {
        let codes = ["-9".to_owned(), "unknown".to_owned()];
        let missing = |cell| is_missing(cell, Some(&codes));
        assert!(missing(Cell::Int(-9)) && missing(Cell::Float(-9.0)) && missing(Cell::Text(" unknown ")));
        assert!(!missing(Cell::Text("")) && !missing(Cell::Int(9)));
        for code in ["", " na", "NAN", "n/a", "NULL", "."] {
            assert!(is_missing(Cell::Text(code), None), "{code}");
        }
        assert!(!is_missing(Cell::Text("0"), None) && is_missing(Cell::Float(f64::NAN), None));
    }

    #[test]
    fn decimal_commas_are_called_so() {
        let why = number(Cell::Text("12,5")).expect_err("a comma");
        assert_eq!(why, "\"12,5\" has a decimal comma; write 12.5");
        assert_eq!(number(Cell::Text("1,2,3")).expect_err("a list"), "\"1,2,3\" is not a number");
        assert_eq!(number(Cell::Text(" -1.5e3 ")), Ok(-1500.0));
    }
}
