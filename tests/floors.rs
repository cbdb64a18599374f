//! The rules of the house that a compiler does not check (docs/decisions/0004-floors.md).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Floor of each package; a new room is a line here and in the decision.
const FLOORS: [(&str, u32); 15] = [
    ("osteon-core", 0),
    ("osteon-table", 1),
    ("osteon-kernels", 1),
    ("osteon-data", 2),
    ("osteon-radiomics", 2),
    ("osteon-slides", 2),
    ("osteon-models", 3),
    ("osteon-metrics", 3),
    ("osteon-federate", 4),
    ("osteon-report", 4),
    ("osteon-pipeline", 4),
    ("osteon-study", 5),
    ("osteon-imaging", 5),
    ("osteon-slurm", 5),
    ("osteon", 6),
];

/// Outside things, and the one package that may know each.
const OWNERS: [(&str, &str); 16] = [
    ("mpi", "osteon-federate"),
    ("hdf5-metno", "osteon-table"),
    ("hdf5-metno-sys", "osteon-table"),
    ("parquet", "osteon-table"),
    ("csv", "osteon-table"),
    ("libdeflater", "osteon-table"),
    ("wgpu", "osteon-kernels"),
    ("cudarc", "osteon-kernels"),
    ("png", "osteon-report"),
    ("clap", "osteon"),
    ("clap_complete", "osteon"),
    ("indicatif", "osteon"),
    ("signal-hook", "osteon-study"),
    ("dicom-core", "osteon-radiomics"),
    ("dicom-dictionary-std", "osteon-radiomics"),
    ("dicom-object", "osteon-radiomics"),
];

/// Lines of the longest source file.
const LONGEST: usize = 600;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Package -> (dependency, kind: null, dev or build).
fn edges() -> BTreeMap<String, Vec<(String, Option<String>)>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(top())
        .output()
        .expect("cargo metadata starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let json: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON");
    let text = |v: &Value| v.as_str().map(ToOwned::to_owned);
    let packages = json["packages"].as_array().expect("packages").iter();
    packages
        .map(|p| {
            let deps = p["dependencies"].as_array().expect("dependencies").iter();
            let deps = deps.map(|d| (text(&d["name"]).expect("a name"), text(&d["kind"]))).collect();
            (text(&p["name"]).expect("a name"), deps)
        })
        .collect()
}

fn floor(package: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == package).map(|(_, floor)| *floor)
}

#[test]
fn dependencies_go_down() {
    let mut faults = Vec::new();
    for (package, deps) in edges() {
        let own = floor(&package).unwrap_or_else(|| panic!("{package} has no floor in tests/floors.rs"));
        for (dep, _) in deps {
            if let Some(other) = floor(&dep).filter(|&other| other >= own) {
                faults.push(format!("{package} (floor {own}) may not depend on {dep} (floor {other})"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn outside_things_have_one_owner() {
    let mut faults = Vec::new();
    for (package, deps) in edges() {
        // A test may write a file with the library that reads it.
        for (dep, _) in deps.iter().filter(|(_, kind)| kind.as_deref() != Some("dev")) {
            if let Some((_, owner)) = OWNERS.iter().find(|(name, owner)| name == dep && *owner != package) {
                faults.push(format!("{package} may not depend on {dep}: it belongs to {owner}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_named_for_what_they_do() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for room in ["engine", "kernels", "radiomics", "slurm", "benchmarks", "tests"] {
        for path in sources(&top().join(room)) {
            seen += 1;
            let lines = fs::read_to_string(&path).expect("a readable source").lines().count();
            if lines > LONGEST {
                faults.push(format!("{} has {lines} lines: split it by what it does", path.display()));
            }
            let vague = ["util", "utils", "helper", "helpers", "common", "misc"];
            let names = path.strip_prefix(top()).expect("below the top").with_extension("");
            if names.iter().any(|n| vague.iter().any(|v| n.to_str() == Some(v))) {
                faults.push(format!("{} has a name that says nothing", path.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} sources found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Sources below a folder; build outputs and environments are none.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(folder) else { return Vec::new() };
    let paths = list.map(|e| e.expect("a readable folder").path());
    paths
        .flat_map(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            match path.extension().and_then(|e| e.to_str()) {
                _ if path.is_dir() && name != "target" && !name.starts_with('.') => sources(&path),
                Some("rs" | "wgsl" | "cu" | "cuh" | "py" | "sh") if path.is_file() => vec![path],
                _ => Vec::new(),
            }
        })
        .collect()
}
