//! The jobs of a study over node counts, or of a batch of images over shards.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use crate::script::{fill, line, quoted};
use crate::{Resources, Script, SlurmError};

const STEP: &str = include_str!("../templates/step.sbatch");
const AFTER: &str = include_str!("../templates/after.sbatch");
const SUBMIT: &str = include_str!("../templates/submit.sh");
/// The study as it was when the scripts were written: a later edit does not reach queued jobs.
const STUDY: &str = "study.toml";
/// Largest number of tasks of an array that Slurm takes by default, less one.
const LARGEST_ARRAY: usize = 1000;

/// A study trained on several numbers of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudySweep {
    /// The resolved study, as TOML.
    pub study: String,
    /// Numbers of nodes.
    pub nodes: Vec<u32>,
    /// One job array for all numbers of nodes; each of its tasks is granted the largest.
    pub array: bool,
    /// A key of the study and the values to train it with; one task of an array each.
    pub each: Option<(String, Vec<String>)>,
}

/// Features of many images, in shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardedCases {
    /// Table of the images and masks, as seen from the folder of the scripts.
    pub cases: PathBuf,
    /// Number of shards.
    pub shards: u32,
    /// The joined table, as seen from the folder of the scripts.
    pub output: PathBuf,
    /// More arguments of `radiomics extract`.
    pub more: Vec<String>,
}

/// One start of `osteon` among those of a job.
struct Cell {
    nodes: u32,
    tasks_per_node: u32,
    arguments: String,
}

/// A job: one cell, or an array of them.
struct Job {
    name: String,
    nodes: u32,
    /// Number of the first task of an array.
    first: usize,
    cells: Vec<Cell>,
}

impl StudySweep {
    /// The scripts of the sweep, `submit.sh` last.
    ///
    /// # Errors
    /// If a value does not belong into a script.
    pub fn render(&self, resources: &Resources) -> Result<Vec<Script>, SlurmError> {
        resources.check()?;
        let mut nodes = self.nodes.clone();
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.first().is_none_or(|&n| n == 0) {
            return Err(SlurmError::value("--nodes", list(&self.nodes), "expected numbers of nodes from 1"));
        }
        let sizes: Vec<Vec<u32>> =
            if self.array { vec![nodes.clone()] } else { nodes.iter().map(|&n| vec![n]).collect() };
        let jobs: Vec<Job> = sizes
            .iter()
            .map(|sizes| Job {
                name: if self.array { "sweep".to_owned() } else { format!("nodes-{}", sizes[0]) },
                nodes: sizes.iter().copied().max().unwrap_or(1),
                first: 0,
                cells: sizes.iter().flat_map(|&n| self.cells(n, resources)).collect(),
            })
            .collect();
        let report = ["report", "--scaling", "runs"].map(str::to_owned);
        let usage = ["slurm", "usage", "runs"].map(str::to_owned);
        let study = Script { name: STUDY.to_owned(), text: self.study.clone() };
        scripts(Some(study), &jobs, resources, ("report.sbatch", "logs runs"), &[report.into(), usage.into()])
    }

    fn cells(&self, nodes: u32, resources: &Resources) -> Vec<Cell> {
        let cell = |name: String, set: Option<String>| {
            let mut words = ["train", STUDY, "-o"].map(str::to_owned).to_vec();
            words.push(format!("runs/{name}"));
            words.extend(set.into_iter().flat_map(|s| ["--set".to_owned(), s]));
            Cell { nodes, tasks_per_node: resources.tasks_per_node, arguments: line(&words) }
        };
        match &self.each {
            None => vec![cell(format!("nodes-{nodes}"), None)],
            Some((key, values)) => values
                .iter()
                .enumerate()
                .map(|(i, value)| cell(format!("nodes-{nodes}-{i}"), Some(format!("{key}={value}"))))
                .collect(),
        }
    }
}

impl ShardedCases {
    /// The scripts: an array over the shards, and the job that joins their tables.
    ///
    /// # Errors
    /// If a value does not belong into a script.
    pub fn render(&self, resources: &Resources) -> Result<Vec<Script>, SlurmError> {
        resources.check()?;
        let shards = self.shards as usize;
        if shards == 0 || shards > LARGEST_ARRAY {
            let reason = format!("expected 1 to {LARGEST_ARRAY}, the tasks of an array");
            return Err(SlurmError::value("--shards", shards, reason));
        }
        let extension = self.output.extension().and_then(|e| e.to_str()).unwrap_or("csv");
        let table = |i: usize| format!("shards/{i}.{extension}");
        let cell = |i: usize| {
            let mut words = ["radiomics", "extract", "--cases"].map(str::to_owned).to_vec();
            words.push(self.cases.display().to_string());
            words.extend(["--shard".to_owned(), format!("{i}/{shards}"), "-o".to_owned(), table(i)]);
            words.extend(self.more.iter().cloned());
            Cell { nodes: 1, tasks_per_node: 1, arguments: line(&words) }
        };
        // One process per shard: MPI has no part in it.
        let resources = Resources { tasks_per_node: 1, mpi: "none".to_owned(), ..resources.clone() };
        let jobs =
            [Job { name: "extract".to_owned(), nodes: 1, first: 1, cells: (1..=shards).map(cell).collect() }];
        let mut merge = ["radiomics", "merge"].map(str::to_owned).to_vec();
        merge.extend((1..=shards).map(table));
        merge.extend(["-o".to_owned(), self.output.display().to_string()]);
        scripts(None, &jobs, &resources, ("merge.sbatch", "logs shards"), &[merge])
    }
}

/// The scripts of jobs, of the job `after` them that runs `commands`, and of their submission, for which
/// `folders` must be there.
fn scripts(
    study: Option<Script>,
    jobs: &[Job],
    resources: &Resources,
    (after, folders): (&str, &str),
    commands: &[Vec<String>],
) -> Result<Vec<Script>, SlurmError> {
    let mut all = jobs.iter().map(|job| job.script(resources)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
    let submit = fill(SUBMIT, &[("folders", folders), ("scripts", &names.join(" ")), ("after", after)]);
    all.extend(study);
    let name = after.trim_end_matches(".sbatch");
    let mut directives = directives(name, 1, 1, resources, false);
    directives.push("--time=30".to_owned());
    let commands: Vec<String> =
        commands.iter().map(|words| format!("\"${{OSTEON:-osteon}}\" {}", line(words))).collect();
    let text = fill(AFTER, &[("directives", &sbatch(&directives)), ("commands", &commands.join("\n"))]);
    all.push(Script { name: after.to_owned(), text });
    all.push(Script { name: "submit.sh".to_owned(), text: submit });
    Ok(all)
}

impl Job {
    fn script(&self, resources: &Resources) -> Result<Script, SlurmError> {
        let array = self.first > 0 || self.cells.len() > 1;
        if self.cells.len() > LARGEST_ARRAY {
            let reason = format!("more than the {LARGEST_ARRAY} tasks of an array");
            return Err(SlurmError::value("--each", self.cells.len(), reason));
        }
        let mut lines = directives(&self.name, self.nodes, resources.tasks_per_node, resources, array);
        lines.extend(resources.time.iter().map(|t| format!("--time={t}")));
        lines.extend(resources.cpus_per_task.map(|n| format!("--cpus-per-task={n}")));
        if resources.gpus_per_node > 0 {
            lines.push(format!("--gpus-per-node={}", resources.gpus_per_node));
        }
        lines.push("--requeue".to_owned());
        lines.push(format!("--signal=B:USR1@{}", resources.margin_s));
        if array {
            lines.push(format!("--array={}-{}", self.first, self.first + self.cells.len() - 1));
        }
        let mut cells = String::new();
        for (i, cell) in self.cells.iter().enumerate() {
            let ranks = cell.nodes * cell.tasks_per_node;
            let task = i + self.first;
            let _ =
                writeln!(cells, "{task}) nodes={} ranks={ranks}; set -- {} ;;", cell.nodes, cell.arguments);
        }
        let mut srun = "--nodes=\"$nodes\" --ntasks=\"$ranks\"".to_owned();
        if let Some(bind) = resources.gpu_bind() {
            let _ = write!(srun, " --gpu-bind={bind}");
        }
        let text = fill(
            STEP,
            &[
                ("directives", &sbatch(&lines)),
                ("max_restarts", &resources.max_restarts.to_string()),
                ("cells", cells.trim_end()),
                ("mpi", &resources.mpi),
                ("srun", &srun),
            ],
        );
        Ok(Script { name: format!("{}.sbatch", self.name), text })
    }
}

fn directives(name: &str, nodes: u32, tasks: u32, resources: &Resources, array: bool) -> Vec<String> {
    let mut lines = vec![format!("--job-name=osteon-{name}")];
    lines.extend(resources.partition.iter().map(|p| format!("--partition={p}")));
    lines.extend(resources.account.iter().map(|a| format!("--account={a}")));
    lines.push(format!("--nodes={nodes}"));
    lines.push(format!("--ntasks-per-node={tasks}"));
    lines.push(format!("--output=logs/{name}-{}.log", if array { "%A_%a" } else { "%j" }));
    lines.push("--open-mode=append".to_owned());
    lines
}

fn sbatch(lines: &[String]) -> String {
    lines.iter().map(|l| format!("#SBATCH {l}")).collect::<Vec<_>>().join("\n")
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// A path as seen from a folder, both absolute, so that scripts move with the data: up and down again where
/// they share a folder, absolute where they share only the root.
pub fn seen_from(folder: &Path, path: &Path) -> PathBuf {
    let (a, b): (Vec<Component>, Vec<Component>) =
        (folder.components().collect(), path.components().collect());
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    if shared <= 1 {
        return path.to_owned();
    }
    std::iter::repeat_n(Component::ParentDir, a.len() - shared).chain(b[shared..].iter().copied()).collect()
}

/// `KEY=V1,V2,...` as a key and its values. A list in brackets is one value.
///
/// # Errors
/// If there is no key or no value.
pub fn each(text: &str) -> Result<(String, Vec<String>), SlurmError> {
    let wrong = || SlurmError::value("--each", text, "expected KEY=VALUE,VALUE,...");
    let (key, values) = text.split_once('=').ok_or_else(wrong)?;
    let (mut depth, mut all, mut value) = (0i32, Vec::new(), String::new());
    for c in values.chars() {
        depth += i32::from(c == '[') - i32::from(c == ']');
        match c {
            ',' if depth == 0 => all.push(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    all.push(value);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    if key.is_empty() || !key.chars().all(plain) || all.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok((key.to_owned(), all))
}

/// The script as one text for a reader: each file under its name.
pub fn shown(scripts: &[Script]) -> String {
    let mut out = String::new();
    for script in scripts {
        let _ = writeln!(out, "# ---- {}\n{}", quoted(&script.name), script.text);
    }
    out
}

#[cfg(test)]
mod tests;
