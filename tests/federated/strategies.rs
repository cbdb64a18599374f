//! Every strategy as a process and as ranks, killed and resumed: one model.

use crate::job::{Job, Start, log_of, model, mpi, rounds_done, train, train_args};
use crate::studies::by_column;

const STRATEGIES: [&str; 9] = [
    "fedavg",
    "fedprox",
    "fedavgm",
    "fedadagrad",
    "fedadam",
    "fedyogi",
    "scaffold",
    "median",
    "trimmed_mean",
];

#[test]
fn every_strategy_learns_the_same_on_any_ranks() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 240);
    let mut models = Vec::new();
    for name in STRATEGIES {
        let set = [format!("federation.strategy={name}"), "federation.trim=0.34".to_owned()];
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let set = if name == "trimmed_mean" { &set[..] } else { &set[..1] };
        let solo = dir.path().join(format!("{name}-solo"));
        let ended = train(Start::Solo, &study, &solo, set, &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains("ignored"), "{name}: {}", ended.stderr);
        if mpi() {
            for ranks in [2, 3] {
                let run = dir.path().join(format!("{name}-{ranks}"));
                let ended = train(Start::Ranks(ranks), &study, &run, set, &[]);
                assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
                assert_eq!(model(&run), model(&solo), "{name} on {ranks} ranks");
            }
        }
        models.push((model(&solo), name));
    }
    models.sort();
    // Of three sites the trimmed mean at 0.34 is the median.
    let twins: Vec<_> = models.windows(2).filter(|w| w[0].0 == w[1].0).map(|w| (w[0].1, w[1].1)).collect();
    assert_eq!(twins, [("median", "trimmed_mean")]);
}

#[test]
fn scaffold_and_adam_go_on_after_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    for name in ["scaffold", "fedadam"] {
        let strategy = format!("federation.strategy={name}");
        let set = ["federation.rounds=120", &strategy, "federation.checkpoint_every=2"];
        let whole = dir.path().join(format!("{name}-whole"));
        assert_eq!(train(Start::Solo, &study, &whole, &set, &[]).code, Some(0));
        let (first, second) =
            if mpi() { (Start::Ranks(3), Start::Ranks(2)) } else { (Start::Solo, Start::Solo) };
        let run = dir.path().join(name);
        let mut job = Job::start(first, &train_args(&study, &run, &set), &[], &log_of(&run));
        job.until("some rounds", || rounds_done(&run) >= 4);
        job.kill();
        let ended = train(second, &study, &run, &set, &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(model(&run), model(&whole), "{name}");
    }
}
