//! Studies as jobs: the same model on any number of nodes, stopped and queued again, and never looping.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::job::{Start, model, rounds_done, train};
use crate::onebox::{OneBox, logs};
use crate::studies::by_column;

/// What every sweep asks for; no job takes a minute.
const ASK: [&str; 6] = ["--partition", "main", "--time", "4", "--cpus-per-task", "1"];

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a record")).expect("JSON")
}

#[test]
fn slurm_takes_the_scripts() {
    let Some(cluster) = OneBox::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 200).display().to_string();
    let jobs = dir.path().join("jobs").display().to_string();
    let cases = ["--cases", "cases.csv", "--shards", "4", "--table", "features.csv"];
    let asked: [&[&str]; 4] = [
        &[&study, "--nodes", "1,2,4"],
        &[&study, "--nodes", "1,4", "--array", "--ntasks-per-node", "2"],
        &[&study, "--each", "split.seed=0,1,2"],
        &cases,
    ];
    for words in asked {
        let out = cluster.osteon(&[&["render", "-o", &jobs], words, &ASK].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let submit = |more: &[&str]| {
            let script = Path::new(&jobs).join("submit.sh");
            cluster.command("bash").arg(script).arg("--test-only").args(more).output().expect("bash")
        };
        let out = submit(&[]);
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        // It does look at them: a node of this cluster has two cores.
        assert!(!submit(&["--cpus-per-task=3"]).status.success(), "{words:?}");
    }
    assert!(cluster.slurm(&["squeue", "--noheader"]).is_empty());
}

#[test]
fn an_array_over_node_counts_gives_one_model_and_a_report() {
    let Some(cluster) = OneBox::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let solo = dir.path().join("solo");
    assert_eq!(train(Start::Solo, &study, &solo, &[], &[]).code, Some(0));
    let sweep = dir.path().join("sweep");
    let jobs = cluster.submit(&study, &sweep, &[&["--nodes", "1,2,3,4", "--array"][..], &ASK].concat());
    let names: Vec<&str> = jobs.iter().map(|(script, _)| script.as_str()).collect();
    assert_eq!(names, ["sweep.sbatch", "report.sbatch"]);
    assert_eq!(cluster.end(&jobs[1].1, &sweep), "COMPLETED", "{}", logs(&sweep));
    for nodes in 1..=4 {
        let run = sweep.join(format!("runs/nodes-{nodes}"));
        assert_eq!(model(&run), model(&solo), "{nodes} nodes");
        let status = json(&run.join("status.json"));
        assert_eq!((&status["nodes"], &status["ranks"]), (&Value::from(nodes), &Value::from(nodes)));
        assert_eq!((&status["state"], &status["starts"]), (&Value::from("finished"), &Value::from(1)));
        assert!(status["core_hours"].as_f64().is_some_and(|h| h > 0.0), "{status}");
    }
    // The report waited for all of them.
    let scaling = json(&sweep.join("runs/scaling.json"));
    assert_eq!(scaling["rows"].as_array().map(Vec::len), Some(4), "{scaling}");
    assert_eq!(scaling["one_model"], true);
    assert!(fs::read_to_string(sweep.join("runs/scaling.svg")).expect("a chart").contains("speed-up"));
    let told = logs(&sweep);
    assert!(told.contains("core-hours") && told.contains("status.json"), "{told}");
}

#[test]
fn a_job_told_to_stop_is_queued_again_and_comes_to_the_same_model() {
    let Some(cluster) = OneBox::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let set = "federation.rounds=300";
    let whole = dir.path().join("whole");
    assert_eq!(train(Start::Solo, &study, &whole, &[set], &[]).code, Some(0));
    let sweep = dir.path().join("sweep");
    let more = [&["--nodes", "4", "--set", set][..], &ASK].concat();
    let jobs = cluster.submit(&study, &sweep, &more);
    let (job, report) = (&jobs[0].1, &jobs[1].1);
    let run = sweep.join("runs/nodes-4");
    cluster.until("rounds", &sweep, || rounds_done(&run) >= 3);
    // As Slurm does before the wall time: to the batch shell alone (--signal=B:USR1@...).
    cluster.slurm(&["scancel", "--batch", "--signal=USR1", job]);
    cluster.until("second place in the queue", &sweep, || cluster.field(job, "Restarts") == "1");
    assert_eq!(json(&run.join("status.json"))["state"], "stopped", "{}", logs(&sweep));
    assert!(!run.join("summary.json").exists() && rounds_done(&run) < 300);
    // Slurm holds a job that is queued again for two minutes. Some seconds must stay: the node refuses a
    // start in the second in which it was told to end the job ("credential revoked", times are whole seconds).
    let sooner = ["update", &format!("jobid={job}"), "StartTime=now+3"];
    cluster.until("release", &sweep, || {
        // Refused for a moment while the job still completes.
        cluster.field(job, "JobState") == "PENDING"
            && cluster.command("scontrol").args(sooner).output().is_ok_and(|out| out.status.success())
    });
    assert_eq!(cluster.end(job, &sweep), "COMPLETED", "{}", logs(&sweep));
    assert_eq!(model(&run), model(&whole));
    assert_eq!(rounds_done(&run), 300);
    let status = json(&run.join("status.json"));
    assert_eq!((&status["starts"], &status["slurm_jobs"]), (&Value::from(2), &serde_json::json!([job])));
    // Both starts wrote to one log, and the report waited for the second.
    let told = logs(&sweep);
    assert!(told.contains("start 1 on") && told.contains("start 2 on"), "{told}");
    assert_eq!(cluster.end(report, &sweep), "COMPLETED");
}

#[test]
fn an_error_is_not_tried_again_and_restarts_have_an_end() {
    let Some(cluster) = OneBox::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let wrong = dir.path().join("wrong");
    let set = ["--set", "train.learning_rate=1e30", "--set", "train.optimizer=sgd", "--nodes", "2"];
    let jobs = cluster.submit(&study, &wrong, &[&set[..], &ASK].concat());
    assert_eq!(cluster.end(&jobs[0].1, &wrong), "FAILED");
    assert_eq!(cluster.field(&jobs[0].1, "Restarts"), "0", "{}", logs(&wrong));
    assert!(logs(&wrong).contains("hint: training diverged"), "{}", logs(&wrong));
    // What waits for it does not wait for ever.
    assert_eq!(cluster.end(&jobs[1].1, &wrong), "CANCELLED");

    let spent = dir.path().join("spent");
    let set = [
        "--set",
        "federation.rounds=1000000",
        "--set",
        "federation.checkpoint_every=0",
        "--max-restarts",
        "0",
    ];
    let jobs = cluster.submit(&study, &spent, &[&set[..], &ASK].concat());
    let run = spent.join("runs/nodes-1");
    cluster.until("rounds", &spent, || rounds_done(&run) >= 1);
    cluster.slurm(&["scancel", "--batch", "--signal=USR1", &jobs[0].1]);
    assert_eq!(cluster.end(&jobs[0].1, &spent), "FAILED");
    assert_eq!(cluster.field(&jobs[0].1, "ExitCode"), "75:0", "{}", logs(&spent));
    assert_eq!(cluster.field(&jobs[0].1, "Restarts"), "0");
    assert_eq!(json(&run.join("status.json"))["state"], "stopped");
}

#[test]
fn a_launcher_that_starts_single_ranks_is_refused() {
    let Some(cluster) = OneBox::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 120);
    let run = dir.path().join("run");
    let osteon = env!("CARGO_BIN_EXE_osteon");
    // The launcher and the library do not know each other.
    let out = cluster
        .command("srun")
        .args(["-K1", "-N2", "-n2", "--mpi=none", osteon, "train"])
        .arg(&study)
        .arg("-o")
        .arg(&run)
        .output()
        .expect("srun");
    assert!(!out.status.success());
    assert!(!run.join("summary.json").exists(), "{}", String::from_utf8_lossy(&out.stderr));
    // As MPICH's: four processes, each the only rank of a world of its own.
    let out = cluster
        .command(osteon)
        .arg("train")
        .args([&study, Path::new("-o"), &run])
        .envs([("PMI_SIZE", "4"), ("PMI_RANK", "0")])
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(6), "{said}");
    assert!(said.contains("started 4 processes") && said.contains("joined 1"), "{said}");
    assert!(!run.exists(), "{said}");
}
