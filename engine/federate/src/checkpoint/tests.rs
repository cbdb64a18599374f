//! A kill, a full disk or a flipped bit leaves a checkpoint to resume from, or says so.

use super::*;
use crate::TensorSpec;
use crate::comm::threads;

fn snapshot(round: u32, rank: usize) -> Snapshot {
    let site = |site| SiteState {
        site,
        tensors: vec![StoredTensor::new("adam.step", vec![1], Values::U64(vec![u64::from(round)]))],
    };
    Snapshot {
        round,
        global: vec![round as f32, -0.5, 1e-30],
        server: vec![StoredTensor::new("momentum", vec![2], Values::F64(vec![0.1, f64::from(round)]))],
        sites: vec![site(rank), site(rank + 10)],
    }
}

fn saved(dir: &Path, ranks: usize, rounds: &[u32]) -> Checkpoints {
    let store = Checkpoints::new(dir, "study");
    threads::spawn(ranks, |comm| {
        for &round in rounds {
            store.save(&comm, &snapshot(round, comm.rank())).expect("saved");
        }
    });
    store
}

fn load(store: &Checkpoints) -> Result<Option<Loaded>, FederateError> {
    store.load(&Comm::solo(), &[1, 11, 99])
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).expect("listing").map(|e| file_name(&e.expect("entry").path())).collect();
    names.sort();
    names
}

#[test]
fn the_newest_comes_back_for_any_rank_count_and_two_are_kept() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = saved(dir.path(), 3, &[1, 2, 5]);
    let loaded = load(&store).expect("whole").expect("there");
    let mut expected = snapshot(5, 1);
    expected.round = 5;
    assert_eq!(loaded.snapshot, expected);
    assert!(loaded.warnings.is_empty());
    assert_eq!(names(dir.path()).len(), 2 * (1 + 3));
    assert!(
        Checkpoints::new(dir.path().join("none"), "study").load(&Comm::solo(), &[]).expect("none").is_none()
    );
}

#[test]
fn a_write_that_fails_on_one_rank_leaves_the_previous_checkpoint() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = saved(dir.path(), 2, &[1]);
    let ends = threads::spawn(2, |comm| {
        // Rank 1's file cannot be made where a directory stands.
        if comm.rank() == 1 {
            fs::create_dir(dir.path().join("round-000002.rank-0001.safetensors")).expect("obstacle");
        }
        store.save(&comm, &snapshot(2, comm.rank())).map_err(|e| e.to_string())
    });
    for end in ends {
        let text = end.expect_err("rank 1 cannot write");
        assert!(text.starts_with("rank 1: ") && text.contains("round-000002.rank-0001"), "{text}");
    }
    assert_eq!(load(&store).expect("whole").expect("there").snapshot.round, 1);
}

#[test]
fn a_kill_before_the_manifest_leaves_the_previous_checkpoint() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = saved(dir.path(), 2, &[1]);
    store.write_part(0, &snapshot(2, 0)).expect("phase one of rank 0");
    fs::write(dir.path().join("round-000002.rank-0001.safetensors.77.part"), b"half").expect("cut short");
    assert_eq!(load(&store).expect("whole").expect("there").snapshot.round, 1);
    saved(dir.path(), 2, &[2, 3]);
    assert!(names(dir.path()).iter().all(|n| !n.ends_with(".part") && !n.contains("000001")));
}

#[test]
fn a_changed_byte_is_found_and_the_older_one_used() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = saved(dir.path(), 2, &[1, 2]);
    let part = dir.path().join("round-000002.rank-0000.safetensors");
    let mut bytes = fs::read(&part).expect("part");
    *bytes.last_mut().expect("content") ^= 1;
    fs::write(&part, bytes).expect("changed");
    let loaded = load(&store).expect("the older one").expect("there");
    assert_eq!(loaded.snapshot.round, 1);
    assert!(loaded.warnings[0].contains("round 2") && loaded.warnings[0].contains("SHA-256"));

    let manifest = dir.path().join("round-000001.json");
    let text = fs::read_to_string(&manifest).expect("manifest").replace("\"round\": 1", "\"round\": 7");
    fs::write(&manifest, text).expect("changed");
    let error = load(&store).expect_err("none is whole").to_string();
    assert!(error.contains("round 1") && error.contains("round 2"), "{error}");
}

#[test]
fn another_run_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    saved(dir.path(), 1, &[1]);
    let error = load(&Checkpoints::new(dir.path(), "other")).expect_err("another run").to_string();
    assert!(error.contains("another configuration"), "{error}");
}

#[test]
fn a_model_file_comes_back_and_a_changed_one_does_not() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("model.safetensors");
    let tensors = TensorSpec::layout([("w", vec![2, 2]), ("b", vec![1])]);
    let params: Vec<f32> = (0..15).map(|i| i as f32 * 0.1).collect();
    let problems: Vec<_> = (0..3).map(|seed| serde_json::json!({ "seed": seed })).collect();
    let hash = write_model(&path, &tensors, &params, &problems).expect("written");
    let model = read_model(&path).expect("read");
    assert_eq!(crate::hash::model_sha256(&model.tensors, &model.params, 3), hash);
    assert_eq!(model.problems, problems);
    // Names sort as b, w: the layout is another, the numbers are the same.
    assert_eq!(model.params[..5], [params[4], params[0], params[1], params[2], params[3]]);
    let mut bytes = fs::read(&path).expect("model");
    *bytes.last_mut().expect("content") ^= 1;
    fs::write(&path, bytes).expect("changed");
    assert!(read_model(&path).is_err());
}
