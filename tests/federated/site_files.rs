//! One file per site: opened by its own rank, and nothing of its rows goes anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use osteon_core::Failure;
use osteon_federate::comm::threads;
use osteon_federate::message::Recorder;
use osteon_study::Loaded;
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train};
use osteon_study::watch::Silent;

use crate::job::{Ended, Job, log_of, model, mpi, mpirun, train_args};
use crate::studies::{patients, rows_of, study, written};

pub const SITES: [&str; 3] = ["alpha", "beta", "gamma"];
const CANARY: &str = "CANARY-7f3a91";

/// The study of three files in `folder`.
pub fn with_files(folder: &str) -> String {
    let site =
        |name: &str| format!("[[federation.site]]\nname = \"{name}\"\npath = \"{folder}/{name}.csv\"\n");
    study("", "weights = \"patients\"\n") + &SITES.map(site).concat()
}

pub fn site_table(name: &str) -> String {
    rows_of(&patients(400), "site", name)
}

/// Starts three ranks, each in its own folder of `dir` with the file of one site only. The paths of
/// the study run through `/proc/self/cwd`, so that they are the same text on every rank.
fn apart(dir: &Path, study: &Path, run: &Path, tables: [String; 3]) -> Ended {
    let mut command = mpirun();
    for (name, table) in SITES.iter().zip(tables) {
        let own = dir.join(format!("home of {name}"));
        fs::create_dir_all(&own).expect("a folder");
        fs::write(own.join(format!("{name}.csv")), table).expect("a table");
        if *name != SITES[0] {
            command.arg(":");
        }
        command.args(["-n", "1", "-wdir"]).arg(&own).arg(env!("CARGO_BIN_EXE_osteon"));
        command.args(train_args(study, run, &[]));
    }
    Job::spawn(&mut command, &[], &log_of(run)).wait()
}

#[test]
fn a_rank_opens_the_file_of_its_own_site_only() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = written(dir.path(), &with_files("/proc/self/cwd"));
    let run = dir.path().join("run");
    let ended = apart(dir.path(), &study, &run, SITES.map(site_table));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // One process that holds all three files comes to the same model.
    for name in SITES {
        fs::write(dir.path().join(format!("{name}.csv")), site_table(name)).expect("a table");
    }
    let together = dir.path().join("together");
    let mut solo = std::process::Command::new(env!("CARGO_BIN_EXE_osteon"));
    solo.current_dir(dir.path()).args(train_args(&study, &together, &[]));
    let ended = Job::spawn(&mut solo, &[], &log_of(&together)).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(model(&run), model(&together));
    // And a rank that misses its file names it on behalf of all.
    fs::remove_file(dir.path().join("beta.csv")).expect("removed");
    let mut solo = std::process::Command::new(env!("CARGO_BIN_EXE_osteon"));
    let missing = dir.path().join("missing");
    solo.current_dir(dir.path()).args(train_args(&study, &missing, &[]));
    let ended = Job::spawn(&mut solo, &[], &log_of(&missing)).wait();
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
    assert!(ended.stderr.contains("beta.csv"), "{}", ended.stderr);
}

#[test]
fn sites_that_disagree_on_a_column_end_all_ranks_with_one_message() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = written(dir.path(), &with_files("/proc/self/cwd"));
    let beta = site_table("beta").replacen("mut_TP53", "mut_TP35", 1);
    let tables = [site_table("alpha"), beta, site_table("gamma")];
    let ended = apart(dir.path(), &study, &dir.path().join("run"), tables);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|l| l.contains("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    assert!(errors[0].contains("mut_TP53"), "{}", errors[0]);
}

/// How a rank ended: its error and exit code.
type RankEnd = Result<(), (String, u8)>;

/// Trains over ranks that are threads; gives how each ended, and every word that any of them sent.
fn overheard(dir: &Path, text: &str) -> (Vec<RankEnd>, Vec<u8>) {
    let study = Loaded::parse(text, "STUDY.toml", dir, &[]).expect("a study").study;
    let sent: Arc<Mutex<Vec<u8>>> = Arc::default();
    let recorder: Recorder = {
        let sent = sent.clone();
        Arc::new(move |_, words| {
            sent.lock().expect("words").extend(words.iter().flat_map(|w| w.to_le_bytes()));
        })
    };
    let ends = threads::spawn_recorded(SITES.len(), Some(recorder), |comm| {
        let request = Request {
            study: study.clone(),
            output: dir.join("run"),
            threads: 1,
            restart: false,
            stop: Stop::unwatched(None),
        };
        match train(&request, &comm, &Silent) {
            Ok(Outcome::Finished(_)) => Ok(()),
            Ok(_) => Err(("not finished".to_owned(), 0)),
            Err(e) => Err((e.to_string(), e.exit_code() as u8)),
        }
    });
    let sent = sent.lock().expect("words").clone();
    (ends, sent)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// All files below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

#[test]
fn a_string_planted_in_one_site_never_leaves_its_rank() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in SITES {
        let mut table: Vec<String> = site_table(name).lines().map(str::to_owned).collect();
        table[0] += ",note";
        for (i, line) in table.iter_mut().enumerate().skip(1) {
            // In the id, in a column that no one asked for, in every row of one site.
            *line = match name {
                "beta" => format!("{CANARY}-{i},{},{CANARY}", line.split_once(',').expect("cells").1),
                _ => format!("{line},none"),
            };
        }
        fs::write(dir.path().join(format!("{name}.csv")), table.join("\n") + "\n").expect("a table");
    }
    let (ends, sent) = overheard(dir.path(), &with_files("."));
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    // What is meant to be heard is: the names of sites and columns.
    assert!(contains(&sent, "gamma") && contains(&sent, "mut_TP53"));
    assert!(!contains(&sent, "CANARY"));
    let written = files(&dir.path().join("run"));
    assert!(written.iter().any(|f| f.ends_with("model.safetensors")));
    for file in written {
        assert!(!contains(&fs::read(&file).expect("a file"), "CANARY"), "{}", file.display());
    }
}

#[test]
fn all_ranks_end_with_the_same_error() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in SITES {
        let table = site_table(name);
        let table = if name == "beta" { table.replacen(",0,", ",no,", 1) } else { table };
        fs::write(dir.path().join(format!("{name}.csv")), table).expect("a table");
    }
    let (ends, _) = overheard(dir.path(), &with_files("."));
    let (first, code) = ends[0].clone().expect_err("a word among the numbers of one site");
    assert!(first.starts_with("rank 1: ") && !first[8..].contains("rank "), "{first}");
    assert!(ends.iter().all(|e| *e == Err((first.clone(), code))), "{ends:?}");
    assert!(code == 2 || code == 4, "{code}: {first}");
}
