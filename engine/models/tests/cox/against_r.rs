//! Values computed by R survival 3.5-3; those not in the shared reference file are quoted here with
//! the call that gave them.

use osteon_models::baseline::BaselineHazard;
use osteon_models::cox::risk_sets::Outcome;
use osteon_models::cox::{Cohort, CoxFit, Options, Ties, TimeScale, fit, proportional_hazards};

use crate::r_survival::{self, Reference, Study};

fn assert_close(what: &str, found: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= relative * e.abs(), "{what}: {found:?}, R has {expected:?}");
    }
}

fn names(f: usize) -> Vec<String> {
    (0..f).map(|j| format!("x{j}")).collect()
}

#[test]
fn every_reference_model() {
    let Some(references) = Reference::read_all() else { return };
    assert_eq!(references.len(), 10);
    for r in references {
        let study = Study::read(&r.study).expect("data");
        let cohort = Cohort {
            x: &study.x,
            names: &names(study.features),
            time: &study.time,
            event: &study.event,
            entry: None,
            strata: None,
            weights: None,
        };
        let ties = if r.ties == "efron" { Ties::Efron } else { Ties::Breslow };
        let model = fit(&cohort, &Options { ties, ..Options::default() }).expect("a fit");
        let what = |value: &str| format!("{} {} {value}", r.study, r.ties);
        assert_eq!(model.events as f64, r.values("events")[0]);
        assert_close(&what("loglik0"), &[model.log_likelihood_null], &r.values("loglik0"), 1e-12);
        assert_close(&what("loglik"), &[model.log_likelihood], &r.values("loglik"), 1e-12);
        assert_close(&what("coef"), &model.coefficients, &r.values("coef"), 1e-8);
        assert_close(&what("se"), &model.se, &r.values("se"), 1e-8);
    }
}

struct Veteran {
    time: Vec<f64>,
    event: Vec<bool>,
    cell: Vec<u32>,
    /// 1, 2, 3 in turn, starting with 2 (R: `1 + i %% 3`).
    weights: Vec<f64>,
    karno: Vec<f64>,
    columns: Vec<Vec<f64>>,
}

impl Veteran {
    fn read() -> Option<Self> {
        let table = r_survival::Cohort::read("veteran")?;
        let number = |name: &str| -> Vec<f64> {
            table.numbers(name).into_iter().map(|v| v.expect("complete")).collect()
        };
        Some(Self {
            time: number("time"),
            event: number("status").iter().map(|&s| s == 1.0).collect(),
            cell: table.labels("celltype"),
            weights: (1..=137).map(|i| f64::from(1 + i % 3)).collect(),
            karno: number("karno"),
            columns: ["karno", "age", "diagtime"].map(number).into(),
        })
    }

    fn x(&self, f: usize) -> Vec<f64> {
        (0..self.time.len()).flat_map(|row| self.columns[..f].iter().map(move |c| c[row])).collect()
    }

    fn cohort<'a>(&'a self, x: &'a [f64], names: &'a [String]) -> Cohort<'a> {
        Cohort { x, names, time: &self.time, event: &self.event, entry: None, strata: None, weights: None }
    }
}

/// The file's lines for strata and weights; sandwich errors: `coxph(..., robust = TRUE)`,
/// `cluster(id)` with id = 1..46 in turn.
#[test]
fn strata_weights_and_sandwich() {
    let Some(v) = Veteran::read() else { return };
    let (x2, x3) = (v.x(2), v.x(3));
    let (n2, n3) = (names(2), names(3));
    let stratified = Cohort { strata: Some(&v.cell), ..v.cohort(&x2, &n2) };
    let model = fit(&stratified, &Options::default()).expect("a fit");
    assert_close("strata", &model.coefficients, &[-0.03681247357513918, -0.00859927130076143], 1e-8);
    let likelihoods = [model.log_likelihood_null, model.log_likelihood];
    assert_close("strata", &likelihoods, &[-338.736207226184, -317.846081542124], 1e-12);
    assert_close("strata", &model.se, &[0.0057232359950567, 0.00948780030361733], 1e-8);
    let tests = [model.score.chi2, model.wald.chi2];
    assert_close("strata tests", &tests, &[44.467257276905, 41.7743846124179], 1e-9);

    let weighted = Cohort { weights: Some(&v.weights), ..v.cohort(&x2, &n2) };
    let robust = Options { robust: true, ..Options::default() };
    let model = fit(&weighted, &robust).expect("a fit");
    assert_close("weights", &model.coefficients, &[-0.03347756392371461, -0.00702828013833948], 1e-8);
    let likelihoods = [model.log_likelihood_null, model.log_likelihood];
    assert_close("weights", &likelihoods, &[-1193.18430223615, -1150.66465787060], 1e-12);
    assert_close("weights", &model.se, &[0.00360144436707343, 0.00636392963196789], 1e-8);
    let se = model.robust_se().expect("asked for");
    assert_close("weights robust", &se, &[0.00550204897928674, 0.0102730558348337], 1e-8);

    let id: Vec<u32> = (0..137).map(|i| i % 46).collect();
    let both = Cohort { strata: Some(&v.cell), ..weighted };
    let clustered = fit(&both, &Options { cluster: Some(&id), ..Options::default() }).expect("a fit");
    let se = clustered.robust_se().expect("implied");
    assert_close("cluster", &se, &[0.00536523679141937, 0.0113549844288227], 1e-8);

    let plain = v.cohort(&x3, &n3);
    let efron = fit(&plain, &robust).expect("a fit").robust_se().expect("asked for");
    let expected = [0.00514255953083225, 0.00951878152476976, 0.00649161978843217];
    assert_close("efron robust", &efron, &expected, 1e-8);
    let breslow = fit(&plain, &Options { ties: Ties::Breslow, ..robust }).expect("a fit");
    let expected = [0.00510088185761476, 0.00945883904928814, 0.00644714015572755];
    assert_close("breslow robust", &breslow.robust_se().expect("asked for"), &expected, 1e-8);
}

#[test]
fn left_truncation() {
    let Some(table) = r_survival::Cohort::read("myeloma") else { return };
    let number =
        |name: &str| -> Vec<f64> { table.numbers(name).into_iter().map(|v| v.expect("complete")).collect() };
    let (entry, time, year) = (number("entry"), number("futime"), number("year"));
    let event: Vec<bool> = number("death").iter().map(|&d| d == 1.0).collect();
    let cohort = Cohort {
        x: &year,
        names: &names(1),
        time: &time,
        event: &event,
        entry: Some(&entry),
        strata: None,
        weights: None,
    };
    let model = fit(&cohort, &Options { robust: true, ..Options::default() }).expect("a fit");
    assert_close("coef", &model.coefficients, &[-0.00802334443534169], 1e-8);
    let likelihoods = [model.log_likelihood_null, model.log_likelihood];
    assert_close("loglik", &likelihoods, &[-19346.4284064401, -19338.5064477797], 1e-12);
    assert_close("se", &model.se, &[0.00201025145900842], 1e-8);
    assert_close("robust", &model.robust_se().expect("asked for"), &[0.00221806642859398], 1e-8);

    for (scale, chi2) in [(TimeScale::Identity, 17.9682643574954), (TimeScale::KaplanMeier, 19.0454894869731)]
    {
        let test = proportional_hazards(&cohort, &model, Ties::Efron, scale).expect("a test");
        assert_close("zph", &[test.columns[0].chi2], &[chi2], 1e-8);
    }
    // survfit(fit, data.frame(year = 80)) at 500 and 2000 days.
    let outcome = Outcome { time: &time, event: &event, entry: Some(&entry), strata: None, weights: None };
    let score = model.predict(&year).expect("shapes");
    let h0 = BaselineHazard::fit(&outcome, &score, Ties::Efron).expect("a baseline");
    let s = h0.survival(0, 80.0 * model.coefficients[0], &[500.0, 2000.0]).expect("one stratum");
    assert_close("survival", &s, &[0.637926876810166, 0.198822558407546], 1e-9);

    let ignored = fit(&Cohort { entry: None, ..cohort }, &Options::default()).expect("a fit");
    assert_close("no entry", &ignored.coefficients, &[-0.0192178567557734], 1e-8);
}

/// `cox.zph(coxph(Surv(time, status) ~ karno + age + diagtime, veteran), transform = ...)`.
#[test]
fn proportional_hazards_test() {
    let Some(v) = Veteran::read() else { return };
    let (x, n) = (v.x(3), names(3));
    let cohort = v.cohort(&x, &n);
    let check = |cohort: &Cohort<'_>, ties, scale, expected: &[f64]| {
        let model = fit(cohort, &Options { ties, ..Options::default() }).expect("a fit");
        let test = proportional_hazards(cohort, &model, ties, scale).expect("a test");
        let mut found: Vec<f64> = test.columns.iter().map(|t| t.chi2).collect();
        found.push(test.global.chi2);
        assert_close("zph", &found, expected, 1e-8);
        test
    };
    let km = [13.0957242757761, 2.13544693966105, 0.00762472972587813, 17.804547301095];
    let test = check(&cohort, Ties::Efron, TimeScale::KaplanMeier, &km);
    assert_close("p", &[test.global.p], &[0.000482618689331358], 1e-8);
    let identity = [5.38079695005781, 0.97068839857416, 0.159064858819116, 7.19253995334686];
    check(&cohort, Ties::Efron, TimeScale::Identity, &identity);
    let rank = [13.7429993162421, 2.07842663919635, 0.0123737368239493, 18.4503151796805];
    check(&cohort, Ties::Efron, TimeScale::Rank, &rank);
    let log = [10.5577180631654, 3.54327929489216, 0.124647369712489, 16.4633782428909];
    check(&cohort, Ties::Efron, TimeScale::Log, &log);
    let breslow = [12.8459640384671, 2.13565611555559, 0.00868889575625805, 17.5135803165623];
    check(&cohort, Ties::Breslow, TimeScale::KaplanMeier, &breslow);
    let (x2, n2) = (v.x(2), names(2));
    let all = Cohort { strata: Some(&v.cell), weights: Some(&v.weights), ..v.cohort(&x2, &n2) };
    let expected = [19.1709636807591, 5.75730392048103, 30.3295952393998];
    check(&all, Ties::Efron, TimeScale::KaplanMeier, &expected);
}

/// `survfit(coxph(Surv(time, status) ~ karno, veteran), data.frame(karno = 60))` at 100, 200 days.
#[test]
fn baseline_survival() {
    let Some(v) = Veteran::read() else { return };
    let n = names(1);
    let survival = |ties| {
        let model: CoxFit =
            fit(&v.cohort(&v.karno, &n), &Options { ties, ..Options::default() }).expect("a fit");
        let score = model.predict(&v.karno).expect("shapes");
        let outcome = Outcome { time: &v.time, event: &v.event, entry: None, strata: None, weights: None };
        let h0 = BaselineHazard::fit(&outcome, &score, ties).expect("a baseline");
        assert_eq!(h0.survival(0, 1e4, &[0.5]), Some(vec![1.0]));
        assert_eq!(h0.survival(7, 0.0, &[1.0]), None);
        // A constant on all scores moves into the baseline.
        let moved: Vec<f64> = score.iter().map(|h| h + 900.0).collect();
        let moved = BaselineHazard::fit(&outcome, &moved, ties).expect("a baseline");
        let of = |h0: &BaselineHazard, plus: f64| {
            h0.survival(0, 60.0 * model.coefficients[0] + plus, &[100.0, 200.0]).expect("one stratum")
        };
        assert_close("shift", &of(&moved, 900.0), &of(&h0, 0.0), 1e-10);
        of(&h0, 0.0)
    };
    assert_close("breslow", &survival(Ties::Breslow), &[0.405941772344513, 0.174584661528841], 1e-9);
    assert_close("efron", &survival(Ties::Efron), &[0.403812025770256, 0.173322159159102], 1e-9);
}

/// `coxph(Surv(time, status) ~ ridge(karno, age, theta = 10, scale = TRUE), veteran)`; R scales by
/// the sample variance, with N - 1.
#[test]
fn ridge() {
    let Some(v) = Veteran::read() else { return };
    let (x, n) = (v.x(2), names(2));
    let cohort = v.cohort(&x, &n);
    let size = |ridge| {
        let model = fit(&cohort, &Options { ridge, ..Options::default() }).expect("a fit");
        (model.coefficients.clone(), model)
    };
    let (found, model) = size(10.0 * 137.0 / 136.0);
    assert_close("ridge", &found, &[-0.030400565832379, -0.00112345044821193], 1e-6);
    assert!(model.log_likelihood < size(0.0).1.log_likelihood);
    let norms = [0.0, 1.0, 10.0, 1e3, 1e6].map(|r| size(r).0[0].abs());
    assert!(norms.windows(2).all(|w| w[1] < w[0]), "{norms:?}");
}
