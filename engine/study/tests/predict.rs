//! A prediction is the training's own forward pass.

use std::fs;
use std::path::Path;

use osteon_data::synthetic::{self, Cohort};
use osteon_federate::Comm;
use osteon_models::cox;
use osteon_models::deepsurv::{Batch, Problem};
use osteon_study::Loaded;
use osteon_study::cohorts::Cohorts;
use osteon_study::fit::result::{PREDICTOR, Predictor};
use osteon_study::fit::{Prepared, network};
use osteon_study::predict::{Request as Predict, predict};
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train};
use osteon_study::watch::Silent;
use osteon_table::{Cell, Table};

const STUDY: &str = "[data]\npath = \"cohort.csv\"\nid = \"patient\"\ntime = \"time_days\"\n\
    features = [\"age\", \"hb\", \"plt\", \"cytogenetics\", \"mut_TP53\"]\n[split]\ntest = 0.0\n\
    [model]\nhidden = [12, 5]\nbatch_norm = true\n[train]\nepochs = 15\nseeds = [3, 11]\nbootstraps = 1\n";

/// A trained run on a made-up cohort.
fn run(dir: &Path, overrides: &[&str]) -> Loaded {
    let (table, _) = synthetic::cohort(&Cohort { patients: 150, ..Cohort::default() }).expect("cohort");
    osteon_table::write(&dir.join("cohort.csv"), &table).expect("write");
    fs::write(dir.join("STUDY.toml"), STUDY).expect("write");
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    let loaded = Loaded::read(&dir.join("STUDY.toml"), &overrides).expect("study");
    let request = Request {
        study: loaded.study.clone(),
        output: dir.join("run"),
        threads: 2,
        restart: false,
        stop: Stop::unwatched(None),
    };
    let outcome = train(&request, &Comm::solo(), &Silent).expect("trains");
    assert!(matches!(outcome, Outcome::Finished(_)));
    loaded
}

fn predicted(dir: &Path) -> Table {
    let request = Predict {
        run: dir.join("run"),
        data: dir.join("cohort.csv"),
        group: None,
        blocks: Vec::new(),
        keep: Vec::new(),
        per_problem: true,
        survival_at: vec![0.0, 400.0],
        threads: 2,
    };
    predict(&request).expect("predicts")
}

fn column(table: &Table, name: &str) -> Vec<f64> {
    let at = table.find(name).unwrap_or_else(|| panic!("no column {name}"));
    let value = |row| match table.cell(row, at) {
        Cell::Float(x) => x,
        other => panic!("{other:?} in {name}"),
    };
    (0..table.rows()).map(value).collect()
}

/// The training patients as training saw them.
fn prepared(dir: &Path, loaded: &Loaded) -> Prepared {
    let predictor: Predictor = osteon_report::json::read(&dir.join("run").join(PREDICTOR)).expect("record");
    let cohorts = Cohorts::read(&loaded.study, &Comm::solo()).expect("cohort");
    Prepared::new(cohorts.pooled(), &predictor.preprocess[0]).expect("design")
}

#[test]
fn the_training_table_gives_the_scores_of_training() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let loaded = run(dir.path(), &[]);
    let study = &loaded.study;
    let train = prepared(dir.path(), &loaded);
    // The same training again, in this process, to the scores of its forward pass.
    let cohort = network::cohort(&train).expect("cohort");
    let replicates = network::Replicate::all(study);
    let problems = replicates.iter().map(|r| Problem {
        cohort: cohort.clone(),
        seed: r.seed,
        weights: r.weights(study, &train.rows, 0).map(|w| cohort.to_risk_order(&w)),
    });
    let spec = network::spec(study, train.design.p);
    let mut batch = Batch::new(spec, network::training(study, 0.0), problems.collect());
    batch.train(&[0, 1, 2, 3], u64::from(study.train.epochs));
    let table = predicted(dir.path());
    let names = ["risk_seed3", "risk_seed3_bootstrap0", "risk_seed11", "risk_seed11_bootstrap0"];
    let mut trained = Vec::new();
    for (problem, name) in names.into_iter().enumerate() {
        let scores = cohort.to_rows(&batch.scores(problem, &cohort));
        let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
        assert_eq!(column(&table, name), scores, "{name}");
        trained.push(scores);
    }
    // The mean is over the seeds, not over the bootstraps.
    let mean: Vec<f64> = trained[0].iter().zip(&trained[2]).map(|(a, b)| a / 2.0 + b / 2.0).collect();
    assert_eq!(column(&table, "risk_score"), mean);
    assert!(column(&table, "survival_0").iter().all(|&s| s == 1.0));
    assert!(column(&table, "survival_400").iter().all(|&s| s > 0.0 && s < 1.0));
}

#[test]
fn a_linear_model_predicts_in_full_precision() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let loaded =
        run(dir.path(), &["model.kind=\"cox\"", "data.features=[\"age\",\"hb\",\"plt\",\"mut_TP53\"]"]);
    let train = prepared(dir.path(), &loaded);
    let outcome = train.rows.survival().expect("outcome");
    let fit = cox::fit(
        &cox::Cohort {
            x: &train.design.x,
            names: &train.design.names,
            time: &outcome.time,
            event: &outcome.event,
            entry: None,
            strata: None,
            weights: None,
        },
        &cox::Options::default(),
    )
    .expect("fits");
    let expected = fit.predict(&train.design.x).expect("predicts");
    assert_eq!(column(&predicted(dir.path()), "risk_score"), expected);
}
