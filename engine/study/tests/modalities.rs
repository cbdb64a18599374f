//! Slide vectors as a modality of a study: every arm, every rank count, and prediction.

use std::fs;
use std::path::{Path, PathBuf};

use osteon_core::Failure;
use osteon_data::synthetic::{self, Cohort};
use osteon_federate::Comm;
use osteon_federate::comm::threads;
use osteon_report::{Summary, json};
use osteon_study::Loaded;
use osteon_study::cohorts::Cohorts;
use osteon_study::inspect::{Columns, inspect};
use osteon_study::predict::{Request as Predict, predict};
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train};
use osteon_study::watch::Silent;
use osteon_table::{Cell, Table};

const STUDY: &str = "[data]\npath = \"cohort.csv\"\nid = \"patient\"\ntime = \"time_days\"\n\
    features = [\"age\", \"hb\"]\n[[data.block]]\nname = \"wsi\"\nfile = \"slides.parquet\"\nfeatures = [\"pca*\"]\n\
    [split]\ntest = 0.2\n[model]\nhidden = [8]\n[train]\nepochs = 5\nseeds = 1\n\
    [federation]\nsite = \"site\"\nrounds = 3\n";

fn cohort() -> Cohort {
    Cohort { patients: 240, ..Cohort::default() }
}

/// A folder with a cohort, its slide vectors and a study.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    let write =
        |name: &str, table: &Table| osteon_table::write(&dir.path().join(name), table).expect("written");
    write("cohort.csv", &synthetic::cohort(&cohort()).expect("a cohort").0);
    write("slides.parquet", &synthetic::slides(&cohort()).expect("slides"));
    fs::write(dir.path().join("STUDY.toml"), STUDY).expect("written");
    dir
}

fn loaded(dir: &Path, set: &[&str]) -> Loaded {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    Loaded::read(&dir.join("STUDY.toml"), &set).expect("a study")
}

fn request(dir: &Path, run: &str, set: &[&str]) -> Request {
    let study = loaded(dir, set).study;
    Request { study, output: dir.join(run), threads: 1, restart: false, stop: Stop::unwatched(None) }
}

fn trained(dir: &Path, run: &str, set: &[&str]) -> Summary {
    match train(&request(dir, run, set), &Comm::solo(), &Silent).expect("trains") {
        Outcome::Finished(summary) => *summary,
        other => panic!("{other:?}"),
    }
}

fn ask(dir: &Path, run: &str, data: &str, blocks: &[(&str, Option<&str>)]) -> Predict {
    Predict {
        run: dir.join(run),
        data: dir.join(data),
        group: None,
        blocks: blocks.iter().map(|(n, f)| ((*n).to_owned(), f.map(|f| dir.join(f)))).collect(),
        keep: Vec::new(),
        per_problem: false,
        survival_at: Vec::new(),
        threads: 1,
    }
}

fn risks(table: &Table) -> Vec<f64> {
    let at = table.find("risk_score").expect("a risk");
    (0..table.rows()).map(|r| if let Cell::Float(x) = table.cell(r, at) { x } else { f64::NAN }).collect()
}

#[test]
fn patients_without_slides_are_masked() {
    let dir = folder();
    let cohorts = Cohorts::read(&loaded(dir.path(), &[]).study, &Comm::solo()).expect("read");
    let all = cohorts.pooled();
    let (block, without) = all.without()[0];
    assert!(block == "wsi" && without > 20 && without < 80, "{without}");
    let wsi: Vec<_> = all.features.iter().filter(|f| f.spec.masked).collect();
    assert_eq!(wsi.len(), 8);
    assert!(wsi.iter().all(|f| f.missing == wsi[0].missing), "a patient has all of it or nothing");
    assert_eq!(all.blocks().last().expect("a block").1.len(), 8);
    assert!(wsi.iter().flat_map(|f| f.values.iter().zip(&f.missing)).all(|(x, m)| x.is_nan() == *m));
}

#[test]
fn every_arm_learns_from_it_and_predicts() {
    let dir = folder();
    for (arm, set) in [
        ("central", &["train.arm=central"][..]),
        ("isolated", &["train.arm=isolated", "train.site=all"]),
        ("federated", &["train.arm=federated"]),
        ("cox", &["train.arm=central", "model.kind=cox"]),
        ("exact", &["train.arm=federated", "model.kind=cox", "federation.exact=true"]),
    ] {
        let summary = trained(dir.path(), arm, set);
        let names: Vec<_> = summary.coefficients.iter().flatten().map(|c| c.name.clone()).collect();
        if set.contains(&"model.kind=cox") {
            assert_eq!(names[2..5], ["wsi_pca0", "wsi_missing", "wsi_pca1"], "{arm}");
        }
        let mut asked = ask(dir.path(), arm, "cohort.csv", &[]);
        asked.per_problem = arm == "isolated";
        let table = predict(&asked).expect("predicts");
        assert_eq!(table.rows(), 240, "{arm}");
        if arm != "isolated" {
            let masked = predict(&ask(dir.path(), arm, "cohort.csv", &[("wsi", None)])).expect("predicts");
            let (with, without) = (risks(&table), risks(&masked));
            let differ = with.iter().zip(&without).filter(|(a, b)| a != b).count();
            // Those without slides have the same risk either way, the others another.
            assert!((160..=220).contains(&differ), "{arm}: {differ}");
        }
    }
}

#[test]
fn the_same_model_for_any_number_of_ranks() {
    let dir = folder();
    let hash = |run: &str| {
        let summary: Summary = json::read(&dir.path().join(run).join("summary.json")).expect("a summary");
        summary.model_sha256
    };
    trained(dir.path(), "solo", &["train.arm=federated"]);
    for ranks in [2, 3, 5] {
        let run = format!("ranks{ranks}");
        let request = request(dir.path(), &run, &["train.arm=federated"]);
        let ends = threads::spawn(ranks, |comm| {
            train(&request, &comm, &Silent).map(|_| ()).map_err(|e| e.to_string())
        });
        ends.into_iter().for_each(|end| end.expect("trains"));
        assert_eq!(hash(&run), hash("solo"), "{ranks} ranks");
    }
}

/// Three sites with files of their own; the last one has no slides.
fn apart(dir: &Path) -> PathBuf {
    let table = fs::read_to_string(dir.join("cohort.csv")).expect("a table");
    let slides = synthetic::slides(&cohort()).expect("slides");
    osteon_table::write(&dir.join("slides.csv"), &slides).expect("written");
    let slides = fs::read_to_string(dir.join("slides.csv")).expect("a table");
    let mut text = STUDY.replace("file = \"slides.parquet\"\n", "").replace("site = \"site\"\n", "");
    text = text.replace("path = \"cohort.csv\"\n", "");
    for name in ["alpha", "beta", "gamma"] {
        let (head, rows) = table.split_once('\n').expect("a header");
        let own: Vec<&str> = rows.lines().filter(|l| l.contains(&format!(",{name},"))).collect();
        fs::write(dir.join(format!("{name}.csv")), format!("{head}\n{}\n", own.join("\n"))).expect("written");
        text += &format!("[[federation.site]]\nname = \"{name}\"\npath = \"{name}.csv\"\n");
        if name != "gamma" {
            let ids: Vec<&str> = own.iter().filter_map(|l| l.split(',').next()).collect();
            let (head, rows) = slides.split_once('\n').expect("a header");
            let of: Vec<&str> =
                rows.lines().filter(|l| ids.contains(&l.split(',').next().unwrap_or(""))).collect();
            fs::write(dir.join(format!("{name}_slides.csv")), format!("{head}\n{}\n", of.join("\n")))
                .expect("written");
            text += &format!("blocks = {{ wsi = \"{name}_slides.csv\" }}\n");
        }
    }
    let study = dir.join("STUDY.toml");
    fs::write(&study, text).expect("written");
    study
}

#[test]
fn a_site_without_slides_learns_with_the_others() {
    let dir = folder();
    apart(dir.path());
    let summary = trained(dir.path(), "solo", &["train.arm=federated"]);
    let request = request(dir.path(), "three", &["train.arm=federated"]);
    let ends =
        threads::spawn(3, |comm| train(&request, &comm, &Silent).map(|_| ()).map_err(|e| e.to_string()));
    ends.into_iter().for_each(|end| end.expect("trains"));
    let three: Summary = json::read(&dir.path().join("three/summary.json")).expect("a summary");
    assert_eq!(three.model_sha256, summary.model_sha256);
    // No table of slides is known for new patients; none may have any.
    let error = predict(&ask(dir.path(), "solo", "gamma.csv", &[])).expect_err("which slides?");
    assert!(error.to_string().contains("each site had its own table of \"wsi\""), "{error}");
    assert!(error.hint().expect("a hint").contains("--block NAME=FILE"));
    predict(&ask(dir.path(), "solo", "gamma.csv", &[("wsi", None)])).expect("predicts");
    predict(&ask(dir.path(), "solo", "beta.csv", &[("wsi", Some("beta_slides.csv"))])).expect("predicts");
    // A withdrawn table of slides is a withdrawn site.
    let study = loaded(dir.path(), &[]).study;
    let cohorts = Cohorts::read(&study, &Comm::solo()).expect("read");
    fs::remove_file(dir.path().join("alpha_slides.csv")).expect("removed");
    let error = cohorts.sites[0].source.as_ref().expect("a file").check().expect_err("removed");
    assert!(error.to_string().contains("alpha_slides.csv was removed"), "{error}");
}

#[test]
fn sites_of_another_dimension_are_refused() {
    let dir = folder();
    apart(dir.path());
    let path = dir.path().join("beta_slides.csv");
    let text = fs::read_to_string(&path).expect("a table");
    let narrow: Vec<&str> = text.lines().map(|l| l.rsplit_once(',').expect("cells").0).collect();
    fs::write(&path, narrow.join("\n") + "\n").expect("written");
    let error = Cohorts::read(&loaded(dir.path(), &[]).study, &Comm::solo()).expect_err("7 and 8 values");
    assert!(error.to_string().contains("only the first has the column \"wsi_pca7\""), "{error}");
}

#[test]
fn prediction_refuses_what_is_not_the_modality_of_the_run() {
    let dir = folder();
    trained(dir.path(), "run", &["train.arm=central"]);
    let refused = |blocks: &[(&str, Option<&str>)]| {
        let found = predict(&ask(dir.path(), "run", "cohort.csv", blocks)).map(|t| t.rows());
        found.expect_err("a fault").to_string()
    };
    fs::write(dir.path().join("wide.csv"), "patient,pca0,pca1\nP00001,1,2\n").expect("written");
    let error = refused(&[("wsi", Some("wide.csv"))]);
    assert!(error.contains("has 2 values, the run learnt from 8"), "{error}");
    let error = refused(&[("pet", Some("wide.csv"))]);
    assert!(error.contains("no block \"pet\" with a table of its own"), "{error}");
    let slides = synthetic::slides(&cohort()).expect("slides");
    let renamed = slides.columns().iter().cloned().map(|mut c| {
        c.name = c.name.replace("pca7", "pca9");
        c
    });
    let renamed = Table::new("renamed", renamed.collect()).expect("a table");
    osteon_table::write(&dir.path().join("renamed.csv"), &renamed).expect("written");
    let error = refused(&[("wsi", Some("renamed.csv"))]);
    assert!(error.contains("has no column for \"wsi_pca7\""), "{error}");
}

#[test]
fn the_check_of_data_finds_faults_of_the_slides() {
    let dir = folder();
    let study = loaded(dir.path(), &["data.block=[{name=\"wsi\", file=\"bad.csv\"}]"]);
    fs::write(dir.path().join("bad.csv"), "patient,pca0\nP00001,1\nP00001,2\nX,3\n").expect("written");
    // A path of --set is relative to the working directory.
    let mut study = study.study;
    study.data.block[0].file = Some(dir.path().join("bad.csv"));
    let faults = inspect(&[dir.path().join("cohort.csv")], Columns::Study(&study)).expect("faults");
    let lines: Vec<_> = faults.iter().map(|f| f.at.line).collect();
    assert_eq!(lines, [Some(3), Some(4)], "{faults:?}");
    fs::write(dir.path().join("bad.csv"), "patient,pca0\nP00001,1\nP00002,high\nP00003,3\n")
        .expect("written");
    let faults = inspect(&[dir.path().join("cohort.csv")], Columns::Study(&study)).expect("faults");
    let texts: Vec<String> = faults.iter().filter(|f| f.is_error()).map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].ends_with("bad.csv:3:2: column \"wsi_pca0\": \"high\" is not a number"), "{texts:?}");
}
