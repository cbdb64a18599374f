//! A batch that sums the bytes of files: kept, shared out, stopped, broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use osteon_pipeline::{Batch, Budget, Entry, Finished, Journal, Outcome, PipelineError, Ran, Shard, run};

type Line = Entry<u64, String>;

/// Sums the bytes of each file. A file that holds `!` fails, one that holds `?` panics.
struct Sums {
    files: Vec<PathBuf>,
    parameters: &'static str,
    computed: AtomicUsize,
    memory: u64,
    at_work: AtomicU64,
    most: AtomicU64,
}

impl Sums {
    fn new(files: &[PathBuf]) -> Self {
        Self {
            files: files.to_vec(),
            parameters: "plain",
            computed: AtomicUsize::new(0),
            memory: 1,
            at_work: AtomicU64::new(0),
            most: AtomicU64::new(0),
        }
    }

    fn computed(&self) -> usize {
        self.computed.load(Ordering::SeqCst)
    }
}

impl Batch for Sums {
    type Done = u64;
    type Failed = String;

    fn cases(&self) -> usize {
        self.files.len()
    }

    fn parameters(&self) -> String {
        self.parameters.to_owned()
    }

    fn key(&self, case: usize) -> String {
        self.files[case].display().to_string()
    }

    fn inputs(&self, case: usize) -> Vec<PathBuf> {
        vec![self.files[case].clone()]
    }

    fn memory(&self, _case: usize, _bytes: u64) -> u64 {
        self.memory
    }

    fn compute(&self, case: usize) -> Result<u64, String> {
        self.computed.fetch_add(1, Ordering::SeqCst);
        let now = self.at_work.fetch_add(self.memory, Ordering::SeqCst) + self.memory;
        self.most.fetch_max(now, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(1));
        self.at_work.fetch_sub(self.memory, Ordering::SeqCst);
        let bytes = fs::read(&self.files[case]).map_err(|e| e.to_string())?;
        assert!(!bytes.contains(&b'?'), "a question");
        if bytes.contains(&b'!') { Err("loud".into()) } else { Ok(bytes.iter().map(|&b| u64::from(b)).sum()) }
    }

    fn crashed(&self, _case: usize, message: String) -> String {
        format!("crashed: {message}")
    }
}

fn files(dir: &Path, n: usize) -> Vec<PathBuf> {
    let file = |k: usize| {
        let path = dir.join(format!("{k}.txt"));
        fs::write(&path, vec![b'a' + (k % 7) as u8; 10 + 3 * k]).expect("a file");
        path
    };
    (0..n).map(file).collect()
}

fn how(threads: usize, shard: Shard, progress: &mut dyn FnMut(usize, usize, usize)) -> Ran<'_> {
    let budget = Budget { threads, memory: None };
    Ran { shard, budget, verify_inputs: false, restart: false, stop: &|| false, progress }
}

fn go(batch: &Sums, journal: &Path) -> Result<Finished<u64, String>, PipelineError> {
    run(batch, journal, how(3, Shard::WHOLE, &mut |_, _, _| {}))
}

fn outcomes(entries: &[Line]) -> Vec<(usize, Outcome<u64, String>)> {
    entries.iter().map(|e| (e.case, e.outcome.clone())).collect()
}

#[test]
fn a_journal_cut_anywhere_gives_the_same_results_and_keeps_whole_lines() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let batch = Sums::new(&files(dir.path(), 4));
    let journal = dir.path().join("out.journal");
    let whole = go(&batch, &journal).expect("a run");
    assert_eq!((whole.kept, whole.left, batch.computed()), (0, 0, 4));
    let bytes = fs::read(&journal).expect("the journal");
    let head = bytes.iter().position(|&b| b == b'\n').expect("a first line") + 1;
    for cut in (head..=bytes.len()).step_by(7).chain([bytes.len()]) {
        fs::write(&journal, &bytes[..cut]).expect("a cut journal");
        let lines = bytes[head..cut].iter().filter(|&&b| b == b'\n').count();
        let again = go(&batch, &journal).expect("a run");
        assert_eq!(again.kept, lines, "cut at {cut}");
        assert_eq!(outcomes(&again.entries), outcomes(&whole.entries));
    }
    // A flipped byte in a line is as if the line were not there.
    let mut altered = bytes.clone();
    altered[head + 40] ^= 1;
    fs::write(&journal, &altered).expect("an altered journal");
    assert_eq!(go(&batch, &journal).expect("a run").kept, 3);
}

#[test]
fn shards_and_threads_do_not_show() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let batch = Sums::new(&files(dir.path(), 11));
    let whole = go(&batch, &dir.path().join("whole")).expect("a run");
    for (count, threads) in [(2, 1), (3, 2), (5, 4)] {
        let mut journals = Vec::new();
        for index in 1..=count {
            let path = dir.path().join(format!("{index}-{count}"));
            let shard = Shard::new(index, count).expect("a shard");
            run(&batch, &path, how(threads, shard, &mut |_, _, _| {})).expect("a run");
            journals.push(path);
        }
        let merged = Journal::<u64, String>::merge(&journals).expect("all cases");
        assert_eq!(outcomes(&merged), outcomes(&whole.entries));

        let lost = Journal::<u64, String>::merge(&journals[1..]).map(|_| ());
        assert!(matches!(lost, Err(PipelineError::Incomplete { total: 11, first: 1, .. })), "{lost:?}");
        journals.push(dir.path().join("whole"));
        let twice = Journal::<u64, String>::merge(&journals).map(|_| ());
        assert!(matches!(twice, Err(PipelineError::Twice { .. })), "{twice:?}");
    }
}

#[test]
fn a_bad_case_ends_nothing_and_is_tried_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut paths = files(dir.path(), 3);
    paths.insert(1, dir.path().join("absent.txt"));
    for (name, content) in [("loud.txt", "ab!"), ("ask.txt", "ab?")] {
        fs::write(dir.path().join(name), content).expect("a file");
        paths.push(dir.path().join(name));
    }
    let batch = Sums::new(&paths);
    let journal = dir.path().join("out.journal");
    let mut seen = Vec::new();
    let first =
        run(&batch, &journal, how(2, Shard::WHOLE, &mut |done, all, bad| seen.push((done, all, bad))));
    let first = first.expect("a run");
    let failed = |e: &Line| matches!(&e.outcome, Outcome::Failed(_)).then_some(e.case);
    assert_eq!(first.entries.iter().filter_map(failed).collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!(first.entries[5].outcome, Outcome::Failed("crashed: a question".into()));
    assert_eq!((seen.len(), seen[0], seen[6]), (7, (0, 6, 0), (6, 6, 3)));

    fs::write(dir.path().join("loud.txt"), "ab").expect("mended");
    let again = go(&batch, &journal).expect("a run");
    assert_eq!((again.kept, batch.computed()), (3, 9));
    assert_eq!(again.entries[4].outcome, Outcome::Done(195));
    let third = go(&batch, &journal).expect("a run");
    assert_eq!((third.kept, third.entries[4].outcome.clone()), (4, Outcome::Done(195)));
}

#[test]
fn only_what_changed_is_computed_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut paths = files(dir.path(), 4);
    let journal = dir.path().join("out.journal");
    go(&Sums::new(&paths), &journal).expect("a run");

    // A new row in front, and a row twice: places move, keys do not.
    let extra = dir.path().join("extra.txt");
    fs::write(&extra, "b").expect("a file");
    paths.insert(0, extra);
    paths.push(paths[2].clone());
    let batch = Sums::new(&paths);
    let moved = go(&batch, &journal).expect("a run");
    assert_eq!((moved.kept, batch.computed()), (4, 2));
    assert_eq!(moved.entries[0].outcome, Outcome::Done(98));
    assert_eq!(moved.entries[5].outcome, moved.entries[2].outcome);

    fs::write(&paths[3], "changed").expect("a file");
    let batch = Sums::new(&paths);
    assert_eq!((go(&batch, &journal).expect("a run").kept, batch.computed()), (5, 1));

    let other = Sums { parameters: "other", ..Sums::new(&paths) };
    assert!(matches!(go(&other, &journal), Err(PipelineError::Changed { .. })));
    let mut quiet = |_, _, _| {};
    let anew = Ran { restart: true, ..how(2, Shard::WHOLE, &mut quiet) };
    assert_eq!(run(&other, &journal, anew).expect("a run").kept, 0);
    fs::write(&journal, "no journal").expect("a file");
    assert!(matches!(go(&other, &journal), Err(PipelineError::Foreign { .. })));
}

#[test]
fn a_batch_that_is_stopped_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let batch = Sums::new(&files(dir.path(), 9));
    let journal = dir.path().join("out.journal");
    let stop = || batch.computed() >= 4;
    let mut quiet = |_, _, _| {};
    let first = run(&batch, &journal, Ran { stop: &stop, ..how(1, Shard::WHOLE, &mut quiet) });
    let first = first.expect("a run");
    assert_eq!((first.entries.len(), first.left), (4, 5));
    let second = go(&batch, &journal).expect("a run");
    assert_eq!((second.kept, second.entries.len(), batch.computed()), (4, 9, 9));
}

#[test]
fn memory_is_kept_and_one_process_writes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let batch = Sums { memory: 10, ..Sums::new(&files(dir.path(), 20)) };
    let journal = dir.path().join("out.journal");
    let mut quiet = |_, _, _| {};
    let budget = Budget { threads: 8, memory: Some(25) };
    run(&batch, &journal, Ran { budget, ..how(8, Shard::WHOLE, &mut quiet) }).expect("a run");
    let most = batch.most.load(Ordering::SeqCst);
    assert!(most <= 20, "{most} bytes at work");

    let held = fs::File::open(&journal).expect("the journal");
    held.try_lock().expect("free");
    assert!(matches!(go(&batch, &journal), Err(PipelineError::Locked { .. })));
}
