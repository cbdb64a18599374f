//! The memory this process was given.

use std::fs;

/// Where the memory budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes this process may use.
    pub bytes: u64,
    /// What limits it.
    pub source: &'static str,
}

/// Memory granted by Slurm or the cgroup, or what the machine has free, whichever is least. `None`
/// where the system says nothing.
pub fn allotment() -> Option<Memory> {
    let known = [
        (slurm(|name| std::env::var(name).ok()), "Slurm"),
        (cgroup(), "memory limit of the cgroup"),
        (available(), "free memory of the machine"),
    ];
    let known = known.into_iter().filter_map(|(bytes, source)| Some(Memory { bytes: bytes?, source }));
    known.min_by_key(|m| m.bytes)
}

/// Slurm states megabytes, of the node or of each CPU.
fn slurm(env: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| env(name)?.parse::<u64>().ok().filter(|&n| n > 0);
    let node = number("SLURM_MEM_PER_NODE");
    let cpus = || Some(number("SLURM_MEM_PER_CPU")? * number("SLURM_CPUS_ON_NODE").unwrap_or(1));
    // Nodes may differ: "2(x3),1". The first count is as good a guess as any.
    let first = |list: String| list.split(['(', ',']).next()?.parse::<u64>().ok();
    let tasks = env("SLURM_STEP_TASKS_PER_NODE").and_then(first).unwrap_or(1).max(1);
    Some(node.or_else(cpus)? * (1 << 20) / tasks)
}

fn cgroup() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let read = |folder: &str| fs::read_to_string(format!("{folder}/memory.max")).ok()?.trim().parse().ok();
    read(&format!("/sys/fs/cgroup{path}")).or_else(|| read("/sys/fs/cgroup"))
}

fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slurm_grants_by_node_or_by_cpu_and_tasks_share() {
        let of = |vars: &[(&str, &str)]| {
            slurm(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("SLURM_MEM_PER_NODE", "2048")]), Some(2 << 30));
        let cpus = [("SLURM_MEM_PER_CPU", "1024"), ("SLURM_CPUS_ON_NODE", "4")];
        assert_eq!(of(&cpus), Some(4 << 30));
        let shared = [("SLURM_MEM_PER_NODE", "4096"), ("SLURM_STEP_TASKS_PER_NODE", "2(x3)")];
        assert_eq!(of(&shared), Some(2 << 30));
    }
}
