//! Records the commit of the checkout, if there is one.

use std::process::Command;

fn main() {
    // A worktree has its HEAD elsewhere, and a path that does not exist would rebuild every time.
    let head =
        Command::new("git").args(["rev-parse", "--path-format=absolute", "--git-path", "HEAD"]).output();
    match head {
        Ok(out) if out.status.success() => {
            println!("cargo:rerun-if-changed={}", String::from_utf8_lossy(&out.stdout).trim());
        }
        _ => println!("cargo:rerun-if-changed=build.rs"),
    }
    println!("cargo:rerun-if-env-changed=OSTEON_COMMIT");
    let commit = std::env::var("OSTEON_COMMIT").ok().or_else(|| {
        let out = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    });
    if let Some(commit) = commit {
        println!("cargo:rustc-env=OSTEON_COMMIT={commit}");
    }
}
