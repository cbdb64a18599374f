//! The table at the end of a run: where the time went.

use std::fmt::{self, Display, Formatter};

use osteon_core::phases::Phases;
use osteon_report::{Phase, RankTime};

/// Wall time per phase over the ranks of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Phases, in order of first use.
    pub phases: Vec<Phase>,
    /// Wall time of the run.
    pub wall_s: f64,
    /// Number of ranks.
    pub ranks: usize,
    /// Threads per rank.
    pub threads: usize,
    /// Patients that passed through training: rows times epochs times models, over all ranks.
    pub patients: u64,
    /// Peak resident memory of the largest rank.
    pub peak_memory_bytes: u64,
    /// Where the time of each rank went.
    pub per_rank: Vec<RankTime>,
}

/// More ranks than this are shown as their extremes.
const RANKS_SHOWN: usize = 16;

impl Timing {
    /// The timing of a run in one process.
    pub fn of(phases: &Phases, threads: usize, patients: u64, peak_memory_bytes: u64) -> Self {
        let one = |(name, spent): &(&'static str, std::time::Duration)| Phase {
            name: (*name).to_owned(),
            s: spent.as_secs_f64(),
            imbalance: None,
        };
        Self {
            phases: phases.list().iter().map(one).collect(),
            wall_s: phases.wall().as_secs_f64(),
            ranks: 1,
            threads,
            patients,
            peak_memory_bytes,
            per_rank: Vec::new(),
        }
    }

    /// The timing of a run over ranks: `per_rank[r][p]` is the wall time in seconds that rank `r`
    /// spent in phase `p`, in the order of `phases`.
    pub fn over_ranks(mut self, per_rank: &[Vec<f64>]) -> Self {
        self.ranks = per_rank.len().max(1);
        for (p, phase) in self.phases.iter_mut().enumerate() {
            let times = per_rank.iter().filter_map(|rank| rank.get(p));
            let (sum, max) = times.fold((0.0, 0.0f64), |(sum, max), &s| (sum + s, max.max(s)));
            phase.s = sum / self.ranks as f64;
            phase.imbalance = (phase.s > 0.0).then(|| max / phase.s);
        }
        self
    }

    /// Compute, wait, communicate, bytes and memory of each rank; nothing where there is but one.
    fn rank_lines(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.per_rank.len() < 2 {
            return Ok(());
        }
        let line =
            |f: &mut Formatter<'_>, name: &str, host: &str, of: &dyn Fn(fn(&RankTime) -> f64) -> f64| {
                let mib = 1024.0 * 1024.0;
                writeln!(
                    f,
                    "{name:<5} {host:<14} {:>10.3} {:>8.3} {:>14.3} {:>10.2} {:>10.1}",
                    of(|r| r.compute_s),
                    of(|r| r.wait_s),
                    of(|r| r.communicate_s),
                    of(|r| r.bytes as f64) / mib,
                    of(|r| r.peak_memory_bytes as f64) / mib
                )
            };
        writeln!(
            f,
            "{:<5} {:<14} {:>10} {:>8} {:>14} {:>10} {:>10}",
            "rank", "node", "compute s", "wait s", "communicate s", "sent MiB", "peak MiB"
        )?;
        if self.per_rank.len() <= RANKS_SHOWN {
            for rank in &self.per_rank {
                line(f, &rank.rank.to_string(), &rank.host, &|of| of(rank))?;
            }
            return Ok(());
        }
        let all = |of: fn(&RankTime) -> f64| self.per_rank.iter().map(of);
        line(f, "least", "", &|of| all(of).fold(f64::INFINITY, f64::min))?;
        line(f, "mean", "", &|of| all(of).sum::<f64>() / self.per_rank.len() as f64)?;
        line(f, "most", "", &|of| all(of).fold(0.0, f64::max))
    }

    /// Cores times hours.
    pub fn core_hours(&self) -> f64 {
        self.wall_s * (self.ranks * self.threads) as f64 / 3600.0
    }
}

impl Display for Timing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wall = self.wall_s.max(f64::MIN_POSITIVE);
        let booked: f64 = self.phases.iter().map(|p| p.s).sum();
        let rest = Phase { name: "other".to_owned(), s: (self.wall_s - booked).max(0.0), imbalance: None };
        writeln!(f, "{:<20} {:>10} {:>6} {:>10}", "phase", "s", "%", "max/mean")?;
        for phase in self.phases.iter().chain([&rest]) {
            let imbalance = phase.imbalance.map_or(String::new(), |i| format!("{i:.2}"));
            let share = 100.0 * phase.s / wall;
            let line = format!("{:<20} {:>10.3} {share:>6.1} {imbalance:>10}", phase.name, phase.s);
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "{:<20} {:>10.3} {:>6.1}", "wall", self.wall_s, 100.0)?;
        self.rank_lines(f)?;
        writeln!(
            f,
            "{:.0} patients/s   peak memory {:.1} MiB   {} rank{} x {} thread{}   {:.4} core-hours",
            self.patients as f64 / wall,
            self.peak_memory_bytes as f64 / (1024.0 * 1024.0),
            self.ranks,
            if self.ranks == 1 { "" } else { "s" },
            self.threads,
            if self.threads == 1 { "" } else { "s" },
            self.core_hours()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_and_imbalance_is_max_over_mean() {
        let phase = |name: &str| Phase { name: name.to_owned(), s: 0.0, imbalance: None };
        let rank = |rank: usize, compute_s: f64| RankTime {
            rank,
            host: "node".to_owned(),
            compute_s,
            wait_s: 9.0 - compute_s,
            communicate_s: 1.0,
            bytes: 1 << 20,
            peak_memory_bytes: 3 << 20,
        };
        let timing = Timing {
            phases: vec![phase("train"), phase("aggregate")],
            wall_s: 10.0,
            ranks: 1,
            threads: 2,
            patients: 1000,
            peak_memory_bytes: 3 << 20,
            per_rank: vec![rank(0, 9.0), rank(1, 5.0)],
        }
        .over_ranks(&[vec![6.0, 1.0], vec![2.0, 1.0]]);
        assert_eq!(timing.phases[0].s, 4.0);
        assert_eq!(timing.phases[0].imbalance, Some(1.5));
        assert!((timing.core_hours() - 40.0 / 3600.0).abs() < 1e-12);
        let text = timing.to_string();
        let expected = "\
phase                         s      %   max/mean
train                     4.000   40.0       1.50
aggregate                 1.000   10.0       1.00
other                     5.000   50.0
wall                     10.000  100.0
rank  node            compute s   wait s  communicate s   sent MiB   peak MiB
0     node                9.000    0.000          1.000       1.00        3.0
1     node                5.000    4.000          1.000       1.00        3.0
100 patients/s   peak memory 3.0 MiB   2 ranks x 2 threads   0.0111 core-hours
";
        assert_eq!(text, expected);
        let many = Timing { per_rank: (0..40).map(|r| rank(r, r as f64 / 10.0)).collect(), ..timing };
        let text = many.to_string();
        let most = "most                      3.900    9.000          1.000       1.00        3.0";
        assert!(text.lines().any(|l| l == most) && !text.contains("\n7 "), "{text}");
    }
}
