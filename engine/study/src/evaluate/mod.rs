//! How well a column of scores orders survival.
//!
//! - `scored`: the table's outcome, scores and predicted survival,
//! - here: the measures of them.

mod scored;

use std::path::PathBuf;

use osteon_metrics::{
    CensoringSurvival, ConcordanceCounts, Interval, bootstrap, brier_score, c_index, concordance,
    dynamic_auc, integrated_brier_score, uno_c,
};
use osteon_report::records::KaplanMeier;
use serde::Serialize;

use crate::StudyError;
use crate::error::Place;
use crate::fit::held_out;
use crate::pool::use_threads;
use scored::Scored;

/// What to evaluate.
#[derive(Debug, Clone)]
pub struct Request {
    /// The table.
    pub data: PathBuf,
    /// HDF5 group that holds the columns.
    pub group: Option<String>,
    /// Column of the follow-up time.
    pub time: String,
    /// Column of the event.
    pub event: String,
    /// Column of the score: higher means earlier.
    pub risk: String,
    /// Column within whose values patients are also compared.
    pub site: Option<String>,
    /// Times of the AUC and the Brier score, ascending, in the unit of `time`.
    pub times: Vec<f64>,
    /// Columns of predicted survival, one per time.
    pub survival: Vec<String>,
    /// Latest event that Uno's concordance counts.
    pub tau: Option<f64>,
    /// Leave out rows without outcome or score, in place of an error.
    pub drop_missing: bool,
    /// Coverage of the intervals.
    pub level: f64,
    /// Resamples of the bootstrap.
    pub resamples: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Threads of this process.
    pub threads: usize,
}

/// Rows that were left out. A row counts once, under the first thing it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// Without time or event.
    pub outcome: usize,
    /// Without score or predicted survival.
    pub score: usize,
}

/// A concordance with its pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Harrell {
    /// `(concordant + tied_risk / 2) / (concordant + discordant + tied_risk)`.
    pub c: f64,
    /// The pairs.
    #[serde(flatten)]
    pub pairs: ConcordanceCounts,
    /// Standard error (infinitesimal jackknife).
    pub se: f64,
    /// One interval per method.
    pub intervals: Vec<Interval>,
}

/// Uno's concordance; the censoring is estimated on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uno {
    /// Its value.
    pub c: f64,
    /// Latest event counted; all without it.
    pub tau: Option<f64>,
    /// Standard error, the censoring taken as known.
    pub se: f64,
    /// The normal interval.
    pub interval: Interval,
}

/// What holds at one time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtTime {
    /// The time.
    pub time: f64,
    /// Cumulative/dynamic AUC.
    pub auc: f64,
    /// Brier score of the predicted survival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brier: Option<f64>,
}

/// The patients of one site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteConcordance {
    /// Name.
    pub name: String,
    /// Patients.
    pub n: usize,
    /// Events.
    pub events: usize,
    /// Concordance; undefined without a comparable pair.
    pub c: Option<f64>,
    /// The pairs.
    #[serde(flatten)]
    pub pairs: ConcordanceCounts,
}

/// Patients compared within their sites only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WithinSites {
    /// Concordance of the summed pairs.
    pub c: Option<f64>,
    /// Sum of the sites' pairs.
    #[serde(flatten)]
    pub pairs: ConcordanceCounts,
    /// The sites in order of name.
    pub sites: Vec<SiteConcordance>,
}

/// The measures of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Patients evaluated.
    pub n: usize,
    /// Events among them.
    pub events: usize,
    /// Rows that were left out.
    pub left_out: LeftOut,
    /// Harrell's concordance.
    pub harrell: Harrell,
    /// Uno's concordance.
    pub uno: Uno,
    /// Measures at the times asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<AtTime>,
    /// Brier score integrated over the times, divided by their range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated_brier: Option<f64>,
    /// Within-site concordance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_site: Option<WithinSites>,
    /// p-value of the log-rank test over thirds of the score; absent with fewer than 3 patients.
    pub log_rank_p: Option<f64>,
    /// Survival in thirds of the score.
    #[serde(skip)]
    pub kaplan_meier: Option<KaplanMeier>,
}

/// Evaluates a column of scores.
///
/// # Errors
/// If the table cannot be read; if a value is wrong, or missing without `drop_missing` (with its
/// place); if a measure that was asked for is undefined.
pub fn evaluate(request: &Request) -> Result<Evaluation, StudyError> {
    check(request)?;
    use_threads(request.threads);
    let scored = Scored::read(request)?;
    let (time, event, risk) = (scored.time(), scored.event(), scored.risk.as_slice());
    let level = request.level;
    let pairs = c_index(time, event, risk)?;
    let c = pairs.c()?;
    let variance = concordance(time, event, risk, None)?;
    let resampled = bootstrap(time, event, risk, request.seed, request.resamples as usize, level)?;
    let harrell = Harrell {
        c,
        pairs,
        se: variance.se(),
        intervals: vec![variance.interval(level)?, resampled.interval],
    };
    let censoring = CensoringSurvival::fit(time, event, None)?;
    let uno = uno_c(time, event, risk, None, &censoring, request.tau)?;
    let uno = Uno { c: uno.c, tau: request.tau, se: uno.se(), interval: uno.interval(level)? };
    let (at, integrated_brier) = at_times(request, &scored, &censoring)?;
    let kaplan_meier = held_out::by_risk(&scored.rows, risk)
        .map(|km| KaplanMeier { grouping: format!("thirds of column \"{}\"", request.risk), ..km });
    Ok(Evaluation {
        n: scored.rows.n,
        events: scored.rows.events(),
        left_out: scored.left_out,
        harrell,
        uno,
        at,
        integrated_brier,
        within_site: within_sites(&scored)?,
        log_rank_p: kaplan_meier.as_ref().and_then(|km| km.log_rank_p),
        kaplan_meier,
    })
}

fn check(request: &Request) -> Result<(), StudyError> {
    let wrong = |flag: &str, message: String| {
        Err(StudyError::Config { place: Place(flag.to_owned()), message, hint: None })
    };
    let times = &request.times;
    if times.iter().any(|t| !(t.is_finite() && *t > 0.0)) || times.windows(2).any(|w| w[0] >= w[1]) {
        return wrong("--times", "times must be positive and increasing".to_owned());
    }
    let (columns, times) = (request.survival.len(), times.len());
    if columns > 0 && columns != times {
        let message = format!("{columns} columns for {times} times; give one per time of --times");
        return wrong("--survival-columns", message);
    }
    Ok(())
}

fn at_times(
    request: &Request,
    scored: &Scored,
    censoring: &CensoringSurvival,
) -> Result<(Vec<AtTime>, Option<f64>), StudyError> {
    let (time, event, times) = (scored.time(), scored.event(), request.times.as_slice());
    let auc = dynamic_auc(time, event, &scored.risk, censoring, times)?;
    let (mut brier, mut integrated) = (vec![None; times.len()], None);
    if !request.survival.is_empty() {
        let scores = brier_score(time, event, &scored.survival, censoring, times)?;
        brier = scores.into_iter().map(Some).collect();
        if times.len() > 1 {
            let area = integrated_brier_score(time, event, &scored.survival, censoring, times)?;
            integrated = Some(area);
        }
    }
    let each = times.iter().zip(auc).zip(brier);
    Ok((each.map(|((&time, auc), brier)| AtTime { time, auc, brier }).collect(), integrated))
}

fn within_sites(scored: &Scored) -> Result<Option<WithinSites>, StudyError> {
    let Some(labels) = &scored.rows.sites else { return Ok(None) };
    let mut all = ConcordanceCounts::default();
    let mut sites = Vec::new();
    for (code, name) in labels.names.iter().enumerate() {
        let members: Vec<usize> =
            (0..scored.rows.n).filter(|&row| labels.codes[row] as usize == code).collect();
        let rows = scored.rows.subset(&members);
        let risk: Vec<f64> = members.iter().map(|&row| scored.risk[row]).collect();
        let outcome = rows.survival()?;
        let pairs = c_index(&outcome.time, &outcome.event, &risk)?;
        all.merge(&pairs);
        sites.push(SiteConcordance {
            name: name.clone(),
            n: rows.n,
            events: rows.events(),
            c: pairs.c().ok(),
            pairs,
        });
    }
    Ok(Some(WithinSites { c: all.c().ok(), pairs: all, sites }))
}
