//! A Slurm of four nodes on this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::job::skipped;

/// Longest time for a job; none needs a tenth of it on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The cluster; stopped when dropped, or soon after this process is gone.
pub struct OneBox {
    tools: PathBuf,
    state: PathBuf,
    guard: Option<Child>,
}

impl OneBox {
    /// Starts a cluster, or says why there is none.
    pub fn start() -> Option<Self> {
        Self::try_start().map_err(|reason| absent(&reason)).ok()
    }

    fn try_start() -> Result<Self, String> {
        let tools = tools().ok_or("the scripts that start Slurm on one machine are not there")?;
        // Short: the path of a UNIX socket has at most 107 characters.
        let state = PathBuf::from(format!("/tmp/osteon-{}", std::process::id()));
        let mut cluster = Self { tools, state, guard: None };
        let port = free_ports().ok_or("no free ports")?;
        let out = Command::new(cluster.tools.join("start.sh"))
            .arg(&cluster.state)
            .envs([("NODES", "4"), ("CPUS_PER_NODE", "2"), ("BASE_PORT", port.to_string().as_str())])
            .env_remove("ACCOUNTING")
            .output()
            .map_err(|e| format!("start.sh: {e}"))?;
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        match out.status.code() {
            Some(0) => {}
            Some(77) => return Err(said),
            _ => panic!("Slurm does not start: {said}"),
        }
        cluster.guard = Some(cluster.guard());
        Ok(cluster)
    }

    /// Stops the cluster when this process is killed: its daemons are no children of it.
    fn guard(&self) -> Child {
        let wait =
            "while kill -0 \"$1\" 2>/dev/null; do sleep 1; done; [ -d \"$2\" ] && \"$3\" \"$2\" --wipe";
        Command::new("sh")
            .args(["-c", wait, "sh", &std::process::id().to_string()])
            .args([self.state.as_path(), &self.tools.join("stop.sh")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell")
    }

    /// A command that speaks to this cluster, and nothing of a launcher of the caller.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars() {
            if ["SLURM_", "SBATCH_", "OMPI_", "PMI", "OSTEON_"].iter().any(|p| name.starts_with(p)) {
                command.env_remove(name);
            }
        }
        command
            .env("SLURM_CONF", self.state.join("slurm.conf"))
            .env("OSTEON", env!("CARGO_BIN_EXE_osteon"))
            .env("OMPI_MCA_mpi_yield_when_idle", "1");
        command
    }

    /// Runs a command of Slurm to its end.
    pub fn slurm(&self, words: &[&str]) -> String {
        let out = self.command(words[0]).args(&words[1..]).output().expect("a command of Slurm");
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// `osteon slurm` with these words.
    pub fn osteon(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_osteon")).arg("slurm").args(words).output().expect("the binary")
    }

    /// Submits a sweep into `dir`; gives script and job, in order.
    pub fn submit(&self, study: &Path, dir: &Path, more: &[&str]) -> Vec<(String, String)> {
        let (study, dir) = (study.display().to_string(), dir.display().to_string());
        let out = self.osteon(&[&["submit", &study, "-o", &dir], more].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let pair = |line: &str| line.split_once(' ').map(|(s, j)| (s.to_owned(), j.to_owned()));
        said.lines().map(|line| pair(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }

    /// A field of a job, such as `JobState`.
    pub fn field(&self, job: &str, name: &str) -> String {
        let all = self.slurm(&["scontrol", "--oneliner", "show", "job", job]);
        let found = all.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{name} of {all}")).to_owned()
    }

    /// Waits until a condition holds.
    pub fn until(&self, what: &str, dir: &Path, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < LIMIT, "no {what}:\n{}", logs(dir));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a job has left the queue, and gives its state.
    pub fn end(&self, job: &str, dir: &Path) -> String {
        let state = || self.field(job, "JobState");
        let over = ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"];
        self.until(&format!("end of job {job}"), dir, || over.contains(&state().as_str()));
        state()
    }
}

impl Drop for OneBox {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
        let _ = Command::new(self.tools.join("stop.sh")).arg(&self.state).arg("--wipe").output();
    }
}

/// What the jobs of a sweep wrote.
pub fn logs(dir: &Path) -> String {
    let files = fs::read_dir(dir.join("logs")).into_iter().flatten().flatten();
    let text =
        |path: PathBuf| format!("{}:\n{}", path.display(), fs::read_to_string(&path).unwrap_or_default());
    files.map(|f| text(f.path())).collect()
}

fn tools() -> Option<PathBuf> {
    let beside_data =
        std::env::var_os("OSTEON_TEST_DATA").map(|d| Path::new(&d).join("../tools/slurm_onebox"));
    let named = std::env::var_os("OSTEON_SLURM_ONEBOX").map(PathBuf::from);
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/slurm_onebox");
    [named, beside_data, Some(default)].into_iter().flatten().find(|d| d.join("start.sh").exists())
}

/// The first of ten ports in a row that nobody uses.
fn free_ports() -> Option<u16> {
    let first = 20_000 + (std::process::id() % 1000) as u16 * 10;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..50).map(|k| first + 10 * k).find(|&base| (base..base + 5).all(free))
}

fn absent(reason: &str) {
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|r| r == "slurm"));
    assert!(!required, "{reason}, and OSTEON_REQUIRE asks for slurm");
    skipped(reason);
}
