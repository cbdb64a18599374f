//! The table of ops and backends in docs/devices.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use osteon_kernels::ops::ALL;

const BEGIN: &str = "<!-- ops: generated -->\n";
const END: &str = "<!-- end -->\n";

/// What the registry says.
fn table() -> String {
    let mut text = "| op | cpu | wgpu | cuda | device NMSE below |\n|---|---|---|---|---|\n".to_owned();
    for op in ALL {
        let (there, limit) = match op.source() {
            Some(_) => ("yes", format!("{:.0e}", op.max_nmse_device())),
            None => ("no", String::new()),
        };
        let _ = writeln!(text, "| `{}` | yes | {there} | {there} | {limit} |", op.name());
    }
    text
}

/// The page has the table of today; `OSTEON_WRITE_DOCS=1` writes it.
pub fn is_current() -> Result<(), Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/devices.md has no table of ops")?;
    let (written, after) = rest.split_once(END).ok_or("the table of ops has no end")?;
    if std::env::var_os("OSTEON_WRITE_DOCS").is_some() {
        return Ok(fs::write(&page, format!("{before}{BEGIN}{}{END}{after}", table()))?);
    }
    match written == table() {
        true => Ok(()),
        false => Err("docs/devices.md is not current; write it with OSTEON_WRITE_DOCS=1".into()),
    }
}
