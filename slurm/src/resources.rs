//! What a job asks Slurm for.

use crate::SlurmError;

/// What every job of a sweep asks for, but its number of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// Partition; the site's default when absent.
    pub partition: Option<String>,
    /// Account to charge.
    pub account: Option<String>,
    /// Wall time as Slurm writes it: `minutes`, `hours:minutes:seconds`, `days-hours`, ...
    pub time: Option<String>,
    /// Ranks per node.
    pub tasks_per_node: u32,
    /// Cores of a rank; its threads follow.
    pub cpus_per_task: Option<u32>,
    /// GPUs of a node.
    pub gpus_per_node: u32,
    /// How ranks are tied to GPUs, the value of `srun --gpu-bind`; [`Self::gpu_bind`] when absent.
    pub gpu_bind: Option<String>,
    /// How `srun` starts MPI: `pmix` (Open MPI), `pmi2` (MPICH), or what `srun --mpi=list` names.
    pub mpi: String,
    /// Seconds before the end of the wall time at which the run is told to stop.
    pub margin_s: u32,
    /// Times a job may start again, for its wall time or a failed node.
    pub max_restarts: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            time: None,
            tasks_per_node: 1,
            cpus_per_task: None,
            gpus_per_node: 0,
            gpu_bind: None,
            mpi: "pmix".to_owned(),
            // Slurm looks at its clock about once a minute.
            margin_s: 180,
            max_restarts: 10,
        }
    }
}

impl Resources {
    /// Checks what a script could not hold or Slurm would not understand.
    ///
    /// # Errors
    /// [`SlurmError::Value`], naming the flag.
    pub fn check(&self) -> Result<(), SlurmError> {
        let words = [
            ("--partition", self.partition.as_deref()),
            ("--account", self.account.as_deref()),
            ("--mpi", Some(self.mpi.as_str())),
            ("--gpu-bind", self.gpu_bind.as_deref()),
        ];
        for (what, word) in words {
            word.map_or(Ok(()), |w| plain(what, w))?;
        }
        for (what, count) in
            [("--ntasks-per-node", Some(self.tasks_per_node)), ("--cpus-per-task", self.cpus_per_task)]
        {
            if count == Some(0) {
                return Err(SlurmError::value(what, 0, "at least 1 is needed"));
            }
        }
        if let Some(time) = &self.time {
            let reason =
                "expected minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]";
            let seconds = seconds(time).ok_or_else(|| SlurmError::value("--time", time, reason))?;
            if seconds <= u64::from(self.margin_s) {
                let reason =
                    format!("the run is told to stop {} s before its end; see --margin", self.margin_s);
                return Err(SlurmError::value("--time", time, reason));
            }
        }
        Ok(())
    }

    /// How ranks are tied to GPUs: each to one of them, shared where there are more ranks than GPUs.
    pub fn gpu_bind(&self) -> Option<String> {
        (self.gpus_per_node > 0).then(|| {
            let shared = self.tasks_per_node.div_ceil(self.gpus_per_node);
            self.gpu_bind.clone().unwrap_or_else(|| format!("single:{shared}"))
        })
    }
}

/// A word that stands in a script as it is.
fn plain(what: &'static str, word: &str) -> Result<(), SlurmError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.,:@/+=-".contains(c);
    if word.is_empty() || word.starts_with('-') || !word.chars().all(fits) {
        return Err(SlurmError::value(what, word, "expected letters, digits and any of _.,:@/+=-"));
    }
    Ok(())
}

/// The seconds of a time limit of Slurm.
fn seconds(text: &str) -> Option<u64> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, text),
    };
    let parts: Vec<u64> = rest.split(':').map(number).collect::<Option<_>>()?;
    let of =
        |units: &[u64]| parts.iter().zip(units).map(|(n, unit)| n.checked_mul(*unit)).sum::<Option<u64>>();
    match (days, parts.len()) {
        (Some(days), 1..=3) => of(&[3600, 60, 1])?.checked_add(days.checked_mul(86_400)?),
        (None, 1 | 2) => of(&[60, 1]),
        (None, 3) => of(&[3600, 60, 1]),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_slurm() {
        let of = |t: &str| seconds(t);
        assert_eq!(of("10"), Some(600));
        assert_eq!(of("10:30"), Some(630));
        assert_eq!(of("1:00:01"), Some(3601));
        assert_eq!(of("2-1"), Some(2 * 86_400 + 3600));
        assert_eq!(of("1-00:30"), Some(86_400 + 1800));
        for wrong in ["", "1h", "-5", "1:2:3:4", "1-", "infinite", "99999999999999999999"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_script_cannot_hold_is_refused_by_flag() {
        let fits = Resources { time: Some("4:00:00".into()), ..Resources::default() };
        assert!(fits.check().is_ok());
        let text = |t: &str| Some(t.to_owned());
        let cases = [
            (Resources { partition: text("a b"), ..fits.clone() }, "--partition"),
            (Resources { account: text("x\n#SBATCH --uid=0"), ..fits.clone() }, "--account"),
            (Resources { time: text("3"), ..fits.clone() }, "--margin"),
            (Resources { time: text("soon"), ..fits.clone() }, "--time"),
            (Resources { tasks_per_node: 0, ..fits.clone() }, "--ntasks-per-node"),
        ];
        for (asked, flag) in cases {
            let said = asked.check().expect_err(flag).to_string();
            assert!(said.contains(flag), "{said}");
        }
    }

    #[test]
    fn ranks_share_gpus_only_where_they_must() {
        let bind = |gpus, tasks| {
            Resources { gpus_per_node: gpus, tasks_per_node: tasks, ..Resources::default() }.gpu_bind()
        };
        assert_eq!(bind(0, 4), None);
        assert_eq!(bind(4, 4).as_deref(), Some("single:1"));
        assert_eq!(bind(2, 8).as_deref(), Some("single:4"));
    }
}
