//! What has no answer is refused by name; what must not matter does not.

use osteon_core::rng::{Purpose, Stream};
use osteon_models::cox::{Cohort, CoxError, Options, fit};

struct Simulated {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
    time: Vec<f64>,
    event: Vec<bool>,
}

impl Simulated {
    /// Two informative columns, days as times.
    fn new(n: usize) -> Self {
        let mut s = Stream::new(5, Purpose::Synthetic, 0);
        let columns: Vec<Vec<f64>> = (0..2).map(|_| (0..n).map(|_| s.normal()).collect()).collect();
        let hazard = |i: usize| (0.6 * columns[0][i] - 0.4 * columns[1][i]).exp();
        let time = (0..n).map(|i| (-(1.0 - s.uniform()).ln() / hazard(i) * 200.0).ceil()).collect();
        let event = (0..n).map(|_| s.uniform() < 0.7).collect();
        Self { names: vec!["age".into(), "hb".into()], columns, time, event }
    }

    fn with(mut self, name: &str, column: impl Fn(&Self, usize) -> f64) -> Self {
        let values = (0..self.time.len()).map(|i| column(&self, i)).collect();
        self.names.push(name.into());
        self.columns.push(values);
        self
    }

    fn x(&self) -> Vec<f64> {
        (0..self.time.len()).flat_map(|i| self.columns.iter().map(move |c| c[i])).collect()
    }

    fn fit(&self, options: &Options<'_>) -> Result<Vec<f64>, CoxError> {
        let x = self.x();
        let cohort = Cohort {
            x: &x,
            names: &self.names,
            time: &self.time,
            event: &self.event,
            entry: None,
            strata: None,
            weights: None,
        };
        fit(&cohort, options).map(|model| model.coefficients)
    }
}

fn separated(result: Result<Vec<f64>, CoxError>) -> Vec<(String, char)> {
    match result {
        Err(CoxError::Separation { columns }) => columns,
        other => panic!("not a separation: {other:?}"),
    }
}

/// Carriers of a rare mutation who are all censored have a hazard ratio of 0.
#[test]
fn a_mutation_without_events_is_named() {
    let rare = |s: &Simulated, i: usize| f64::from(u8::from(!s.event[i] && i.is_multiple_of(7)));
    let data = Simulated::new(300).with("SF3B1", rare);
    assert_eq!(separated(data.fit(&Options::default())), [("SF3B1".to_owned(), '-')]);
    let ridge = data.fit(&Options { ridge: 1.0, ..Options::default() }).expect("a penalty bounds it");
    assert!(ridge[2] < 0.0 && ridge[2].is_finite());
}

/// Carriers who always have the next event have an infinite hazard ratio.
#[test]
fn a_mutation_of_the_first_to_die_is_named() {
    let mut data = Simulated::new(300);
    for i in 0..4 {
        data.time[i] = 0.1 * (i + 1) as f64;
        data.event[i] = true;
    }
    let data = data.with("TP53", |_, i| f64::from(u8::from(i < 4)));
    assert_eq!(separated(data.fit(&Options::default())), [("TP53".to_owned(), '+')]);
}

/// No column separates alone, their difference does: found by the divergence itself.
#[test]
fn a_separating_combination_is_named() {
    let rare = |s: &Simulated, i: usize| f64::from(u8::from(!s.event[i] && i.is_multiple_of(5)));
    let data = Simulated::new(400).with("JAK2", |_, i| ((i * 37) % 11) as f64);
    let data = data.with("CALR", |s, i| s.columns[2][i] + 8.0 * rare(s, i));
    let columns = separated(data.fit(&Options::default()));
    assert_eq!(columns, [("JAK2".to_owned(), '+'), ("CALR".to_owned(), '-')]);
}

/// Under left truncation the separating column is found by the divergence too.
#[test]
fn separation_with_late_entry_is_named() {
    let rare = |s: &Simulated, i: usize| f64::from(u8::from(!s.event[i] && i.is_multiple_of(7)));
    let data = Simulated::new(300).with("SF3B1", rare);
    let entry: Vec<f64> = data.time.iter().enumerate().map(|(i, t)| t * 0.1 * (i % 5) as f64).collect();
    let x = data.x();
    let cohort = Cohort {
        x: &x,
        names: &data.names,
        time: &data.time,
        event: &data.event,
        entry: Some(&entry),
        strata: None,
        weights: None,
    };
    let result = fit(&cohort, &Options::default()).map(|m| m.coefficients);
    assert_eq!(separated(result), [("SF3B1".to_owned(), '-')]);
}

#[test]
fn collinear_and_constant_columns_are_named() {
    let collinear = Simulated::new(200)
        .with("unrelated", |_, i| ((i * 13) % 7) as f64)
        .with("sum", |s, i| 2.0 * s.columns[0][i] - s.columns[1][i] + 3.0);
    let expected = CoxError::Collinear { column: "sum".into(), of: vec!["age".into(), "hb".into()] };
    assert_eq!(collinear.fit(&Options::default()), Err(expected));
    assert!(collinear.fit(&Options { ridge: 0.1, ..Options::default() }).is_ok());
    let constant = Simulated::new(200).with("stage", |_, _| 2.0);
    assert_eq!(constant.fit(&Options::default()), Err(CoxError::Constant("stage".into())));
    // Differs only among those who left before the first event.
    let mut early = Simulated::new(200);
    early.time[..5].fill(0.5);
    early.event[..5].fill(false);
    let early = early.with("early", |_, i| f64::from(u8::from(i < 5)));
    assert_eq!(early.fit(&Options::default()), Err(CoxError::Constant("early".into())));
}

#[test]
fn bad_values_are_placed() {
    let mut data = Simulated::new(50);
    data.columns[1][7] = f64::NAN;
    assert!(
        matches!(data.fit(&Options::default()), Err(CoxError::Value { what, row: 7, .. }) if what == "hb")
    );
    let mut data = Simulated::new(50);
    data.event.fill(false);
    assert_eq!(data.fit(&Options::default()), Err(CoxError::NoEvents));
    let negative = Options { ridge: -1.0, ..Options::default() };
    assert!(matches!(Simulated::new(50).fit(&negative), Err(CoxError::Setting { .. })));
}

#[test]
fn order_units_and_origin_do_not_matter() {
    let data = Simulated::new(500);
    let expected = data.fit(&Options::default()).expect("a fit");
    let mut rows: Vec<usize> = (0..500).collect();
    Stream::new(1, Purpose::Synthetic, 0).shuffle(&mut rows);
    let shuffled = Simulated {
        names: data.names.clone(),
        columns: data.columns.iter().map(|c| rows.iter().map(|&r| 1e5 + 1e3 * c[r]).collect()).collect(),
        time: rows.iter().map(|&r| data.time[r] / 365.25).collect(),
        event: rows.iter().map(|&r| data.event[r]).collect(),
    };
    let found = shuffled.fit(&Options::default()).expect("a fit");
    for (f, e) in found.iter().zip(&expected) {
        assert!((f * 1e3 - e).abs() < 1e-10 * e.abs(), "{found:?} {expected:?}");
    }
}

/// A weight of 0 is an absent row; Breslow weights are copies.
#[test]
fn weights_are_copies_and_absence() {
    let data = Simulated::new(120);
    let x = data.x();
    let weights: Vec<f64> = (0..120).map(|i| (i % 3) as f64).collect();
    let options = Options { ties: osteon_models::cox::Ties::Breslow, ..Options::default() };
    let cohort = Cohort {
        x: &x,
        names: &data.names,
        time: &data.time,
        event: &data.event,
        entry: None,
        strata: None,
        weights: Some(&weights),
    };
    let weighted = fit(&cohort, &options).expect("a fit");
    let rows: Vec<usize> = (0..120).flat_map(|i| vec![i; i % 3]).collect();
    let copies = Simulated {
        names: data.names.clone(),
        columns: data.columns.iter().map(|c| rows.iter().map(|&r| c[r]).collect()).collect(),
        time: rows.iter().map(|&r| data.time[r]).collect(),
        event: rows.iter().map(|&r| data.event[r]).collect(),
    };
    for (a, b) in weighted.coefficients.iter().zip(copies.fit(&options).expect("a fit")) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    // Efron: absent deaths do not count among the tied ones.
    let present: Vec<f64> = weights.iter().map(|w| w.min(1.0)).collect();
    let some = fit(&Cohort { weights: Some(&present), ..cohort }, &Options::default()).expect("a fit");
    let kept: Vec<usize> = (0..120).filter(|i| i % 3 > 0).collect();
    let subset = Simulated {
        names: data.names.clone(),
        columns: data.columns.iter().map(|c| kept.iter().map(|&r| c[r]).collect()).collect(),
        time: kept.iter().map(|&r| data.time[r]).collect(),
        event: kept.iter().map(|&r| data.event[r]).collect(),
    };
    assert_eq!(some.coefficients, subset.fit(&Options::default()).expect("a fit"));
    assert_eq!((some.n, some.events), (80, kept.iter().filter(|&&r| data.event[r]).count()));
}
