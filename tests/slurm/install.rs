//! The installation with its modulefile.

use std::path::Path;
use std::process::Command;

use crate::job::skipped;

/// Where Debian puts the shell function `module`.
const INIT: &str = "/usr/share/modules/init/bash";

#[test]
fn the_installed_module_finds_its_binary_after_a_move() {
    let dir = tempfile::tempdir().expect("a folder");
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("slurm/install.sh");
    let (first, moved) = (dir.path().join("first"), dir.path().join("moved"));
    let out = Command::new(install)
        .args([&first, Path::new(env!("CARGO_BIN_EXE_osteon"))])
        .env_remove("MODULES")
        .output()
        .expect("bash");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for file in ["bin/osteon", "share/bash-completion/completions/osteon", "share/doc/osteon/LICENSE-MIT"] {
        assert!(first.join(file).exists(), "{file}");
    }
    let text = first.join("share/modulefiles/osteon").join(env!("CARGO_PKG_VERSION"));
    let text = std::fs::read_to_string(text).expect("a modulefile");
    assert!(!text.contains('@') && !text.contains("first"), "{text}");
    std::fs::rename(&first, &moved).expect("moved");
    if !Path::new(INIT).exists() {
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|r| r == "slurm"));
        assert!(!required, "{INIT} is missing, and OSTEON_REQUIRE asks for slurm");
        return skipped("there are no Environment Modules here");
    }
    let script = ". $0 && module use $1/share/modulefiles && module load osteon && \
                  command -v osteon && osteon --version && module unload osteon && ! command -v osteon";
    let out = Command::new("bash")
        .args(["-c", script, INIT])
        .arg(&moved)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains(&moved.join("bin/osteon").display().to_string()), "{said}");
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}
