//! `osteon` as a process or as the ranks of an MPI job, always with a limit on its time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time of a job; none of them needs a tenth of it on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// How a command line is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// One process without a launcher.
    Solo,
    /// So many ranks under `mpirun`.
    Ranks(usize),
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stderr: String,
}

/// A job that runs; killed with all its ranks when dropped.
pub struct Job {
    child: Child,
    stderr: PathBuf,
    started: Instant,
}

/// Whether jobs of several ranks can be started here; says why not.
pub fn mpi() -> bool {
    let found = Command::new("mpirun").arg("--version").output().is_ok_and(|o| o.status.success());
    let reason = match (cfg!(feature = "mpi"), found) {
        (true, true) => return true,
        (false, _) => "this build has no MPI",
        (_, false) => "there is no mpirun on the PATH",
    };
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|r| r == "mpi"));
    assert!(!required, "{reason}, and OSTEON_REQUIRE asks for it");
    skipped(reason);
    false
}

/// Says why a test proves nothing here.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
}

impl Job {
    /// Starts `osteon` with these arguments. `log` takes its stderr.
    pub fn start(start: Start, args: &[String], env: &[(&str, &str)], log: &Path) -> Self {
        let osteon = env!("CARGO_BIN_EXE_osteon");
        match start {
            Start::Solo => Self::spawn(Command::new(osteon).args(args), env, log),
            Start::Ranks(n) => {
                Self::spawn(mpirun().args(["-n", &n.to_string(), osteon]).args(args), env, log)
            }
        }
    }

    /// Starts a command; nothing of the caller's launcher or settings reaches it.
    pub fn spawn(command: &mut Command, env: &[(&str, &str)], log: &Path) -> Self {
        for (name, _) in std::env::vars() {
            if ["SLURM_", "OMPI_", "PMI", "OSTEON_", "MV2_"].iter().any(|p| name.starts_with(p)) {
                command.env_remove(name);
            }
        }
        command
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            // More ranks than cores: a waiting rank gives way.
            .env("OMPI_MCA_mpi_yield_when_idle", "1")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).expect("a log file"));
        let child = command.spawn().expect("the job starts");
        Self { child, stderr: log.to_owned(), started: Instant::now() }
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        loop {
            let stderr = || fs::read_to_string(&self.stderr).expect("the log");
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Ended { code: status.code(), stderr: stderr() };
            }
            assert!(self.started.elapsed() < LIMIT, "the job hangs; it said: {}", stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a condition holds while the job runs.
    pub fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        while !holds() {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none(),
                "ended before {what}: {}",
                fs::read_to_string(&self.stderr).expect("log")
            );
            assert!(self.started.elapsed() < LIMIT, "no {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Process ids of the ranks, or of the process itself.
    pub fn ranks(&self) -> Vec<u32> {
        let below = descendants(self.child.id());
        let rank = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|e| e == Path::new(env!("CARGO_BIN_EXE_osteon")))
        };
        std::iter::once(self.child.id()).chain(below).filter(rank).collect()
    }

    /// Process id of one rank (Open MPI tells each in its environment).
    pub fn rank(&self, rank: usize) -> u32 {
        let told = format!("OMPI_COMM_WORLD_RANK={rank}");
        let is = |pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|b| *b == 0).any(|v| v == told.as_bytes())
        };
        self.ranks().into_iter().find(is).expect("the rank runs")
    }

    /// `kill -9` to the launcher and all ranks at once.
    pub fn kill(mut self) {
        self.kill_all();
    }

    /// `kill -9` to one rank; waits for the end of the job, which is the launcher's business.
    pub fn kill_one(self, rank: u32) -> Ended {
        let all = self.ranks();
        signal("KILL", &[rank]);
        let ended = self.wait();
        wait_for_release(&all);
        ended
    }

    fn kill_all(&mut self) {
        // Held still first, or it starts a rank between the list and the kill.
        signal("STOP", &[self.child.id()]);
        let mut all = vec![self.child.id()];
        all.extend(descendants(self.child.id()));
        signal("KILL", &all);
        let _ = self.child.wait();
        wait_for_release(&all);
    }
}

/// The lock of the run directory goes with its holder.
fn wait_for_release(pids: &[u32]) {
    while pids.iter().any(|pid| running(*pid)) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.kill_all();
        }
    }
}

/// The launcher with what makes it start anywhere.
pub fn mpirun() -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--bind-to", "none"]);
    command
}

/// Sends a signal; a process that is gone already is no fault.
pub fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    let _ = Command::new("kill").args(["-s", name]).args(pids).stderr(Stdio::null()).status();
}

fn descendants(pid: u32) -> Vec<u32> {
    // Each thread has children of its own.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    let lists: String = lists.map(|l| l + " ").collect();
    let children: Vec<u32> = lists.split_whitespace().filter_map(|c| c.parse().ok()).collect();
    children.iter().flat_map(|&c| std::iter::once(c).chain(descendants(c))).collect()
}

/// Whether a process still holds its files: neither gone nor a zombie.
fn running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// `osteon train` of a study into `run`, to its end.
pub fn train(start: Start, study: &Path, run: &Path, set: &[&str], env: &[(&str, &str)]) -> Ended {
    Job::start(start, &train_args(study, run, set), env, &log_of(run)).wait()
}

/// The arguments of [`train`]; a word that begins with `-` is a flag, the rest are `key=value`.
pub fn train_args(study: &Path, run: &Path, set: &[&str]) -> Vec<String> {
    let mut args = vec!["train".to_owned(), text(study), "-o".to_owned(), text(run)];
    if !set.contains(&"--threads") {
        args.extend(["--threads".to_owned(), "1".to_owned()]);
    }
    let mut flag = false;
    for word in set {
        if !flag && !word.starts_with('-') {
            args.push("--set".to_owned());
        }
        flag = word.starts_with('-');
        args.push((*word).to_owned());
    }
    args
}

pub fn log_of(run: &Path) -> PathBuf {
    run.with_extension("stderr")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `summary.json` of a finished run.
pub fn summary(run: &Path) -> Value {
    let log = || fs::read_to_string(log_of(run)).unwrap_or_default();
    let text = fs::read_to_string(run.join("summary.json")).unwrap_or_else(|e| panic!("{e}: {}", log()));
    serde_json::from_str(&text).expect("JSON")
}

/// The hash of the model of a finished run.
pub fn model(run: &Path) -> String {
    summary(run)["model_sha256"].as_str().expect("a hash").to_owned()
}

/// Lines in `metrics.jsonl`: rounds done.
pub fn rounds_done(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |t| t.lines().count())
}
