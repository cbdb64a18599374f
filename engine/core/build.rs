//! Records the commit of the checkout, if there is one.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=OSTEON_COMMIT");
    // Asked for, because a linked worktree keeps it elsewhere, and a path that does not exist would
    // rebuild everything every time.
    if let Some(head) = git(&["rev-parse", "--git-path", "HEAD"]) {
        println!("cargo:rerun-if-changed={head}");
    }
    let commit = std::env::var("OSTEON_COMMIT").ok().or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    if let Some(commit) = commit {
        println!("cargo:rustc-env=OSTEON_COMMIT={commit}");
    }
}

fn git(args: &[&str]) -> Option<String> {
    let out = Command::new("git").args(args).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
