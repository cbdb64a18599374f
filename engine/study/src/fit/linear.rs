//! The linear Cox model, central or at one site.

use osteon_core::phases::Phases;
use osteon_federate::TensorSpec;
use osteon_models::cox::{
    self, Cohort, CoxFit, Options, ProportionalHazards, Test, TimeScale, proportional_hazards,
};
use osteon_report::records::{Coefficient, SiteResult};
use serde::Serialize;
use serde_json::json;

use super::local::{Part, baseline, parts, strata};
use super::result::{Fit, Predictor};
use super::{Fitted, Job, Prepared, held_out, network};
use crate::StudyError;
use crate::config::Arm;

/// Fits the model to each part of the study.
///
/// # Errors
/// Of the data; constant, collinear or separating columns by name.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    let parts = phases.time("prepare", || parts(job))?;
    // No epochs to record; the report still finds its file.
    job.dir.map(|d| d.metrics(0)).transpose()?;
    let fits =
        phases.time("train", || parts.iter().map(|p| one(job, &p.train)).collect::<Result<Vec<_>, _>>())?;
    phases.time("evaluate", || result(job, &parts, &fits)).map(|fit| Fitted::Done(Box::new(fit)))
}

/// `cox.json`: a linear model with its tests.
#[derive(Debug, Serialize)]
pub struct CoxRecord {
    /// Coefficients, with both standard errors.
    pub coefficients: Vec<CoxCoefficient>,
    /// Log partial likelihood with all coefficients 0, and of the fit.
    pub log_likelihood: [f64; 2],
    /// Likelihood-ratio test of all coefficients.
    pub likelihood_ratio: Test,
    /// Score test.
    pub score: Test,
    /// Wald test.
    pub wald: Test,
    /// Newton steps.
    pub iterations: usize,
    /// Score test of proportional hazards (`cox.zph` of R survival 3, transform "km").
    pub proportional_hazards: Option<ProportionalHazards>,
}

/// A coefficient of `cox.json`.
#[derive(Debug, Serialize)]
pub struct CoxCoefficient {
    /// Column.
    pub name: String,
    /// Log hazard ratio per unit.
    pub coef: f64,
    /// From the inverse information.
    pub se: f64,
    /// From the sandwich, where asked for.
    pub robust_se: Option<f64>,
}

fn cohort(train: &Prepared) -> Result<Cohort<'_>, StudyError> {
    let outcome = train.rows.survival()?;
    Ok(Cohort {
        x: &train.design.x,
        names: &train.design.names,
        time: &outcome.time,
        event: &outcome.event,
        entry: outcome.entry.as_deref(),
        strata: outcome.strata.as_ref().map(|s| s.codes.as_slice()),
        weights: outcome.weights.as_deref(),
    })
}

fn record(job: &Job, train: &Prepared, fit: &CoxFit) -> Result<CoxRecord, StudyError> {
    let robust = fit.robust_se();
    let coefficient = |k: usize| CoxCoefficient {
        name: fit.names[k].clone(),
        coef: fit.coefficients[k],
        se: fit.se[k],
        robust_se: robust.as_ref().map(|r| r[k]),
    };
    let ties = network::ties(job.study);
    Ok(CoxRecord {
        coefficients: (0..fit.names.len()).map(coefficient).collect(),
        log_likelihood: [fit.log_likelihood_null, fit.log_likelihood],
        likelihood_ratio: fit.likelihood_ratio,
        score: fit.score,
        wald: fit.wald,
        iterations: fit.iterations,
        // A penalised fit has no score test of this kind.
        proportional_hazards: match job.study.model.ridge > 0.0 {
            true => None,
            false => Some(proportional_hazards(&cohort(train)?, fit, ties, TimeScale::KaplanMeier)?),
        },
    })
}

fn one(job: &Job, train: &Prepared) -> Result<CoxFit, StudyError> {
    let model = &job.study.model;
    let options = Options {
        ties: network::ties(job.study),
        ridge: model.ridge,
        robust: model.robust,
        ..Options::default()
    };
    Ok(cox::fit(&cohort(train)?, &options)?)
}

fn result(job: &Job, parts: &[Part], fits: &[CoxFit]) -> Result<Fit, StudyError> {
    let (part, fit) = (&parts[0], &fits[0]);
    let single = parts.len() == 1;
    let risks = |part: &Part, fit: &CoxFit| -> Result<Vec<f64>, StudyError> {
        if part.test.rows.n == 0 { Ok(Vec::new()) } else { Ok(fit.predict(&part.test.design.x)?) }
    };
    let mut per_part = Vec::new();
    for (part, fit) in parts.iter().zip(fits) {
        per_part.push(held_out::concordance_of(&part.test.rows, &risks(part, fit)?));
    }
    let risk = risks(part, fit)?;
    let study = job.study;
    let c_index = (part.test.rows.n > 0).then(|| {
        let shown = single.then_some(risk.as_slice());
        let all = vec![held_out::mean(&per_part)];
        held_out::record(all, &part.test.rows, shown, job.cohorts.scope, &study.evaluation, study.train.seed)
    });
    let site = |(part, c): (&Part, &Option<f64>)| SiteResult {
        name: part.site.clone().unwrap_or_default(),
        n: part.train.rows.n as u64,
        events: part.train.rows.events() as u64,
        c_index: *c,
        dropped: None,
    };
    let sites = (study.train.arm == Arm::Isolated).then(|| parts.iter().zip(&per_part).map(site).collect());
    let se = fit.robust_se().unwrap_or_else(|| fit.se.clone());
    let coefficient = |k: usize| Coefficient {
        name: fit.names[k].clone(),
        coef: fit.coefficients[k],
        se: Some(se[k]).filter(|s| s.is_finite()),
    };
    let coefficients = (0..fit.names.len()).map(coefficient).collect();
    let baseline = match single {
        true => Some(baseline(&part.train.rows, &fit.predict(&part.train.design.x)?, study)?),
        false => None,
    };
    Ok(Fit {
        estimand: "log hazard ratio per unit of each column, by partial likelihood".to_owned(),
        train: [part.train.rows.n as u64, part.train.rows.events() as u64],
        test: [part.test.rows.n as u64, part.test.rows.events() as u64],
        seeds: Vec::new(),
        tensors: TensorSpec::layout([("output.bias", vec![1]), ("output.weight", vec![1, fit.names.len()])]),
        params: fits
            .iter()
            .flat_map(|f| std::iter::once(0.0).chain(f.coefficients.iter().map(|&b| b as f32)))
            .collect(),
        problems: parts.iter().map(|p| json!({ "site": p.site, "fold": p.fold })).collect(),
        c_index,
        linear: Some((coefficients, fit.log_likelihood)),
        cox: match single {
            true => Some(record(job, &part.train, fit)?),
            false => None,
        },
        federation: None,
        sites,
        kaplan_meier: single.then(|| held_out::by_risk(&part.test.rows, &risk)).flatten(),
        columns: None,
        predictor: Predictor {
            schema: osteon_report::records::SCHEMA,
            preprocess: parts.iter().map(|p| p.preprocess.clone()).collect(),
            baseline,
            strata: strata(&part.train.rows),
            coefficients: fits.iter().map(|f| f.coefficients.clone()).collect(),
        },
    })
}
