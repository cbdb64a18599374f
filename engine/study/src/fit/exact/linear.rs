//! The linear Cox model on the patients of all sites.

use osteon_core::phases::Phases;
use osteon_federate::metrics::{self, Pairs, SiteMetrics};
use osteon_federate::sites::{Roster, SiteInfo};
use osteon_federate::{CommReduce, FederateError, TensorSpec};
use osteon_models::cox::{self, Cohort, CoxError, Options};
use osteon_models::exact;
use osteon_report::records::{Coefficient, SiteResult};
use serde_json::json;

use super::{estimand, shared};
use crate::StudyError;
use crate::cohorts::Scope;
use crate::fit::linear::{CoxCoefficient, CoxRecord};
use crate::fit::result::{Fit, Predictor};
use crate::fit::{Fitted, Job, Prepared, federated, held_out, network};

/// Fits the model; all ranks call it.
///
/// # Errors
/// Of any rank, on all ranks alike; constant or collinear columns by name, diverging coefficients.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    let (study, comm) = (job.study, job.comm);
    let reduce = CommReduce(comm);
    let prepared = phases.time("prepare", || federated::prepare(job));
    let (preprocess, sites) = comm.agree(prepared.map_err(FederateError::from))?;
    let rows = shared::Rows::new(job, &preprocess)?;
    // No rounds to record; the report still finds its file.
    job.dir.map(|d| d.metrics(0)).transpose()?;
    let outcome = rows.outcome()?;
    let design = &rows.prepared.design;
    let cohort = Cohort {
        x: &design.x,
        names: &design.names,
        time: outcome.time,
        event: outcome.event,
        entry: outcome.entry,
        strata: outcome.strata,
        weights: outcome.weights,
    };
    let local = |e: CoxError| FederateError::local(&e);
    comm.agree(exact::check(&cohort).map_err(local))?;
    let options =
        Options { ties: network::ties(study), ridge: study.model.ridge, robust: false, ..Options::default() };
    let sent = comm.bytes_sent();
    let fitted = phases.time("train", || exact::fit(&cohort, &options, &shared::grouping(study), &reduce));
    let (fitted, times) = comm.agree(fitted.map_err(local))?;
    let bytes = (comm.bytes_sent() - sent) / (fitted.iterations as u64 + 1);

    let risks = |rows: &Prepared| -> Result<Vec<f64>, StudyError> {
        Ok(if rows.rows.n == 0 { Vec::new() } else { cox::predict(&fitted.coefficients, &rows.design.x)? })
    };
    let held = held_out_pairs(job, &sites, &risks)?;
    let test = Prepared::new(job.cohorts.test.clone(), &preprocess)?;
    let scope = job.cohorts.scope;
    let common = scope == Scope::Common && test.rows.n > 0;
    let risk = if common { Some(risks(&test)?) } else { None };
    let c = match &risk {
        Some(risk) => held_out::concordance_of(&test.rows, risk),
        None => federated::ratio(held.metrics.iter().map(|m| m.pairs)),
    };
    let counts = match scope {
        Scope::Common => [test.rows.n as u64, test.rows.events() as u64],
        Scope::WithinSite => {
            [held.metrics.iter().map(|m| m.patients).sum(), held.metrics.iter().map(|m| m.events).sum()]
        }
    };
    let c_index = (counts[0] > 0).then(|| {
        let (asked, seed) = (&study.evaluation, study.train.seed);
        held_out::record(vec![c], &test.rows, risk.as_deref(), scope, asked, seed)
    });
    let of_site = |site: &SiteInfo| SiteResult {
        name: site.name.clone(),
        n: site.patients[0],
        events: site.events[0],
        dropped: None,
        c_index: federated::ratio(held.metrics.iter().filter(|m| m.site == site.index).map(|m| m.pairs)),
    };
    let sites: Vec<SiteResult> = held.roster.sites.iter().map(of_site).collect();
    let names = &fitted.names;
    let coefficient = |k: usize| Coefficient {
        name: names[k].clone(),
        coef: fitted.coefficients[k],
        se: Some(fitted.se[k]).filter(|s| s.is_finite()),
    };
    let full = |k: usize| CoxCoefficient {
        name: names[k].clone(),
        coef: fitted.coefficients[k],
        se: fitted.se[k],
        robust_se: None,
    };
    let bias_and_weights =
        std::iter::once(0.0).chain(fitted.coefficients.iter().map(|&b| b as f32)).collect();
    let mut fit = Fit {
        estimand: estimand(study, &times),
        train: [sites.iter().map(|s| s.n).sum(), sites.iter().map(|s| s.events).sum()],
        test: counts,
        seeds: Vec::new(),
        tensors: TensorSpec::layout([("output.bias", vec![1]), ("output.weight", vec![1, names.len()])]),
        params: bias_and_weights,
        problems: vec![json!({ "site": null, "fold": null })],
        c_index,
        linear: Some(((0..names.len()).map(coefficient).collect(), fitted.log_likelihood)),
        cox: Some(CoxRecord {
            coefficients: (0..names.len()).map(full).collect(),
            log_likelihood: [fitted.log_likelihood_null, fitted.log_likelihood],
            likelihood_ratio: fitted.likelihood_ratio,
            score: fitted.score,
            wald: fitted.wald,
            iterations: fitted.iterations,
            // Its residuals are not summed over the sites.
            proportional_hazards: None,
        }),
        federation: Some((fitted.iterations as u64, bytes, sites)),
        sites: None,
        kaplan_meier: risk.and_then(|risk| held_out::by_risk(&test.rows, &risk)),
        columns: None,
        predictor: Predictor {
            schema: osteon_report::records::SCHEMA,
            preprocess: vec![preprocess],
            baseline: None,
            strata: Vec::new(),
            coefficients: vec![fitted.coefficients.clone()],
        },
    };
    phases.time("evaluate", || shared::publish(job, &mut fit, &risks))?;
    Ok(Fitted::Done(Box::new(fit)))
}

/// The sites, and the comparable pairs among the patients that each holds out itself.
struct HeldOut {
    roster: Roster,
    metrics: Vec<SiteMetrics>,
}

fn held_out_pairs(
    job: &Job,
    sites: &[(Prepared, Prepared)],
    risks: &dyn Fn(&Prepared) -> Result<Vec<f64>, StudyError>,
) -> Result<HeldOut, StudyError> {
    let info = |(site, (train, _)): (&crate::cohorts::Site, &(Prepared, Prepared))| SiteInfo {
        index: site.index,
        name: site.name.clone(),
        patients: vec![train.rows.n as u64],
        events: vec![train.rows.events() as u64],
    };
    let infos: Vec<SiteInfo> = job.cohorts.sites.iter().zip(sites).map(info).collect();
    let roster = Roster::meet(job.comm, &infos, 1)?;
    let metric = |(info, (_, test)): (&SiteInfo, &(Prepared, Prepared))| {
        let counts = held_out::pairs(&test.rows, &risks(test)?);
        Ok(SiteMetrics {
            site: info.index,
            group: 0,
            loss: None,
            patients: test.rows.n as u64,
            events: test.rows.events() as u64,
            pairs: Pairs {
                concordant: counts.concordant,
                discordant: counts.discordant,
                tied: counts.tied_risk,
            },
        })
    };
    let mine: Result<Vec<SiteMetrics>, StudyError> = infos.iter().zip(sites).map(metric).collect();
    let mine = mine.map_err(FederateError::from);
    let metrics = metrics::exchange(job.comm, (roster.sites.len(), 1), mine, 0)?.0;
    Ok(HeldOut { roster, metrics })
}
