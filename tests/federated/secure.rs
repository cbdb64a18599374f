//! Masked sums: the same model, and a transcript that shows nothing.

use std::path::Path;
use std::sync::{Arc, Mutex};

use osteon_federate::Kind;
use osteon_federate::comm::threads;
use osteon_federate::message::Recorder;
use osteon_study::Loaded;
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train as train_here};
use osteon_study::watch::Silent;

use crate::job::{Start, model, mpi, train};
use crate::studies::{by_column, simulated};

#[test]
fn masks_change_no_bit_of_the_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    for strategy in ["fedavg", "scaffold"] {
        let strategy = format!("federation.strategy={strategy}");
        let bare = dir.path().join(format!("bare {strategy}"));
        assert_eq!(train(Start::Solo, &study, &bare, &[&strategy], &[]).code, Some(0));
        let starts =
            if mpi() { vec![Start::Solo, Start::Ranks(2), Start::Ranks(3)] } else { vec![Start::Solo] };
        for (k, start) in starts.into_iter().enumerate() {
            let run = dir.path().join(format!("{k} {strategy}"));
            let ended = train(start, &study, &run, &[&strategy, "federation.secure=true"], &[]);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert_eq!(model(&run), model(&bare), "{start:?} {strategy}");
        }
    }
}

#[test]
fn what_masks_cannot_do_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = simulated(dir.path(), 200, "[0.6, 0.4]");

    let secure = "federation.secure=true";
    let ended = train(Start::Solo, &study, &dir.path().join("two"), &[secure], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("needs at least 3 sites"), "{}", ended.stderr);
    let sites = "federation.sites=[0.4, 0.3, 0.3]";
    for (with, said) in [
        ("federation.strategy=median", "looks at the parameters of each site"),
        ("federation.on_site_failure=drop", "would bare what it sent"),
    ] {
        let ended = train(Start::Solo, &study, &dir.path().join("refused"), &[sites, secure, with], &[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    // Three sites of which each round draws two.
    let run = dir.path().join("drawn");
    let ended = train(Start::Solo, &study, &run, &[sites, secure, "federation.fraction=0.6"], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 sites in round 1 hides nothing"), "{}", ended.stderr);
}

/// Trains over three ranks that are threads; every word that any of them put into a parameter sum.
fn transcript(study: &Path, run: &Path, set: &[&str]) -> Vec<u64> {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let study = Loaded::read(study, &set).expect("a study").study;
    let sent: Arc<Mutex<Vec<u64>>> = Arc::default();
    let recorder: Recorder = {
        let sent = sent.clone();
        Arc::new(move |kind, words| {
            if matches!(kind, Kind::ParamSum | Kind::ControlSum) {
                sent.lock().expect("words").extend(words);
            }
        })
    };
    let ends = threads::spawn_recorded(3, Some(recorder), |comm| {
        let output = run.to_owned();
        let stop = Stop::unwatched(None);
        let request = Request { study: study.clone(), output, threads: 1, restart: false, stop };
        matches!(train_here(&request, &comm, &Silent), Ok(Outcome::Finished(_)))
    });
    assert!(ends.into_iter().all(|finished| finished));
    // Small numbers are weights, counts and parameters that are zero.
    let mut words: Vec<u64> = sent.lock().expect("words").clone();
    words.retain(|&w| (w as i64).unsigned_abs() > 1 << 20);
    words.sort_unstable();
    words
}

#[test]
fn a_transcript_of_masked_sums_shows_no_update() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 240);
    let run = |name: &str| dir.path().join(name);
    let bare = transcript(&study, &run("bare"), &["federation.strategy=scaffold"]);
    assert!(bare.len() > 1000, "{}", bare.len());
    // The control: the words of a run without masks are found in those of another one, all of them.
    let again = transcript(&study, &run("again"), &["federation.strategy=scaffold"]);
    assert_eq!(again, bare);
    let set = ["federation.strategy=scaffold", "federation.secure=true"];
    let masked = transcript(&study, &run("masked"), &set);
    let found = masked.iter().filter(|w| bare.binary_search(w).is_ok()).count();
    assert_eq!(found, 0, "of {}", masked.len());
    // The updates of two sites are of like size and the masks are not: the words spread over the whole range.
    let wide = masked.iter().filter(|&&w| (w as i64).unsigned_abs() > 1 << 60).count();
    assert!(wide * 10 > masked.len() * 7, "{wide} of {}", masked.len());
    assert_eq!(model(&run("masked")), model(&run("bare")));
}
