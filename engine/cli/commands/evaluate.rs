//! `osteon evaluate`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_study::evaluate::{Evaluation, Request, evaluate};
use osteon_study::watch::Watch;

use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Evaluate {
    /// Table with a time, an event and a score per patient
    data: PathBuf,
    /// Column of the follow-up time
    #[arg(long, value_name = "COLUMN", default_value = "time")]
    time: String,
    /// Column of the event: 1 observed, 0 censored
    #[arg(long, value_name = "COLUMN", default_value = "event")]
    event: String,
    /// Column of the risk score: higher means earlier
    #[arg(long, value_name = "COLUMN", default_value = "risk_score")]
    risk: String,
    /// Also compare patients within the values of this column only
    #[arg(long, value_name = "COLUMN", alias = "strata")]
    site: Option<String>,
    /// Also the AUC at these times, in the unit of the time column
    #[arg(long, value_name = "T,...", value_delimiter = ',')]
    times: Vec<f64>,
    /// Columns of predicted survival at --times, for the Brier score
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', requires = "times")]
    survival_columns: Vec<String>,
    /// Latest event that Uno's concordance counts [default: the last one]
    #[arg(long, value_name = "T")]
    tau: Option<f64>,
    /// Write Kaplan-Meier curves of the thirds of the score to this file (JSON)
    #[arg(long, value_name = "FILE")]
    km: Option<PathBuf>,
    /// Leave out rows without outcome or score, and count them
    #[arg(long)]
    drop_missing: bool,
    /// HDF5 group that holds the columns
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Coverage of the intervals
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    level: f64,
    /// Resamples of the bootstrap interval
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Evaluate {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let found = evaluate(&Request {
            data: self.data.clone(),
            group: self.group.clone(),
            time: self.time.clone(),
            event: self.event.clone(),
            risk: self.risk.clone(),
            site: self.site.clone(),
            times: self.times.clone(),
            survival: self.survival_columns.clone(),
            tau: self.tau,
            drop_missing: self.drop_missing,
            level: self.level,
            resamples: self.resamples,
            seed: self.seed,
            threads: self.compute.threads(),
        })?;
        let left_out = found.left_out;
        if left_out.outcome + left_out.score > 0 {
            talk.warn(&format!(
                "left out {} rows without outcome and {} without score",
                left_out.outcome, left_out.score
            ));
        }
        if let Some(path) = &self.km {
            let Some(curves) = &found.kaplan_meier else {
                let message = "thirds of the score need at least 3 patients".to_owned();
                return Err(CommandError::Plain(message, ExitCode::Data, None));
            };
            osteon_report::json::write(path, curves)?;
        }
        talk.result(&found, &text(&found))?;
        Ok(ExitCode::Ok)
    }
}

fn text(found: &Evaluation) -> String {
    let mut out = String::new();
    let (harrell, uno) = (&found.harrell, &found.uno);
    let _ = writeln!(out, "patients   {}, events {}", found.n, found.events);
    let _ = writeln!(out, "Harrell C  {:.4} (se {:.4})", harrell.c, harrell.se);
    for i in &harrell.intervals {
        let percent = i.level * 100.0;
        let _ = writeln!(out, "           {:.4} to {:.4} ({percent} %, {})", i.lower, i.upper, i.method);
    }
    let p = &harrell.pairs;
    let _ = writeln!(
        out,
        "pairs      {} concordant, {} discordant, {} tied in risk, {} tied in time",
        p.concordant, p.discordant, p.tied_risk, p.tied_time
    );
    let tau = uno.tau.map_or(String::new(), |t| format!(", tau {t}"));
    let _ = writeln!(
        out,
        "Uno C      {:.4} ({:.4} to {:.4}{tau}; censoring from these rows)",
        uno.c, uno.interval.lower, uno.interval.upper
    );
    for at in &found.at {
        let brier = at.brier.map_or(String::new(), |b| format!(", Brier {b:.4}"));
        let _ = writeln!(out, "at {:<8}AUC {:.4}{brier}", at.time, at.auc);
    }
    if let Some(brier) = found.integrated_brier {
        let _ = writeln!(out, "Brier      {brier:.4} integrated over these times");
    }
    let shown = |c: Option<f64>| c.map_or("undefined".to_owned(), |c| format!("{c:.4}"));
    if let Some(within) = &found.within_site {
        for site in &within.sites {
            let _ = writeln!(
                out,
                "site       {}: C {} ({} patients, {} events)",
                site.name,
                shown(site.c),
                site.n,
                site.events
            );
        }
        let _ = writeln!(
            out,
            "within     C {} over {} pairs within sites",
            shown(within.c),
            within.pairs.comparable()
        );
    }
    if let Some(p) = found.log_rank_p {
        let _ = writeln!(out, "log-rank   p {p:.2e} over thirds of the score");
    }
    out
}
