//! A preprocessing fitted over sites equals the pooled one: the same bits for any spread of the
//! rows, and a plain computation to 1e-12.

use std::sync::{Barrier, Mutex};

use osteon_core::rng::{Purpose, Stream};
use osteon_core::{ExactSum, Here, Reduce, ReduceError};
use osteon_data::preprocess::{Drop, Encoding, ImputeLevel, ImputeNumber, Scale};
use osteon_data::{
    ColumnSpec, Dataset, FittedPreprocess, Kind, Preprocess, Role, Rules, Schema, Transform, synthetic,
};
use osteon_table::{Cells, Column, Table};

/// Sites in threads of this process.
struct Hub {
    barrier: Barrier,
    sums: Mutex<Vec<ExactSum>>,
    words: Mutex<Vec<u64>>,
}

impl Hub {
    fn new(sites: usize) -> Self {
        Self { barrier: Barrier::new(sites), sums: Mutex::default(), words: Mutex::default() }
    }

    /// All sites put their part into `slot`, then all take the whole.
    fn exchange<T: Clone>(&self, slot: &Mutex<Vec<T>>, own: &mut [T], join: impl Fn(&mut T, &T)) {
        {
            let mut all = slot.lock().expect("no panic elsewhere");
            if all.is_empty() {
                all.extend_from_slice(own);
            } else {
                assert_eq!(all.len(), own.len(), "sites disagree on the call");
                all.iter_mut().zip(own.iter()).for_each(|(a, b)| join(a, b));
            }
        }
        self.barrier.wait();
        own.clone_from_slice(&slot.lock().expect("no panic elsewhere"));
        if self.barrier.wait().is_leader() {
            slot.lock().expect("no panic elsewhere").clear();
        }
        self.barrier.wait();
    }
}

impl Reduce for &Hub {
    fn sum(&self, sums: &mut [ExactSum]) -> Result<(), ReduceError> {
        self.exchange(&self.sums, sums, |a, b| a.merge(b));
        let faults: u64 = sums.iter().map(ExactSum::faults).sum();
        if faults == 0 { Ok(()) } else { Err(ReduceError(format!("{faults} terms are not finite"))) }
    }

    fn count(&self, counts: &mut [u64]) -> Result<(), ReduceError> {
        self.exchange(&self.words, counts, |a, b| *a = a.wrapping_add(*b));
        Ok(())
    }

    fn max(&self, values: &mut [u64]) -> Result<(), ReduceError> {
        self.exchange(&self.words, values, |a, b| *a = (*a).max(*b));
        Ok(())
    }

    fn union(&self, _values: &mut Vec<u64>) -> Result<(), ReduceError> {
        Err(ReduceError("a preprocessing asks for no union".to_owned()))
    }
}

fn cohort(n: usize) -> Dataset {
    let made = synthetic::Cohort { patients: n, ..Default::default() };
    let (table, schema) = synthetic::cohort(&made).expect("a cohort");
    Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort")
}

fn fit_spread(spec: &Preprocess, data: &Dataset, parts: &[Vec<usize>]) -> Vec<FittedPreprocess> {
    let hub = Hub::new(parts.len());
    std::thread::scope(|scope| {
        let site = |rows: &Vec<usize>| {
            // A site knows its own rows only.
            let own = data.subset(rows);
            FittedPreprocess::fit(spec, &own, &(0..own.n).collect::<Vec<_>>(), &&hub).expect("a fit")
        };
        let threads: Vec<_> = parts.iter().map(|rows| scope.spawn(move || site(rows))).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    })
}

#[test]
fn any_spread_of_rows_gives_the_same_bits() {
    let data = cohort(157);
    let specs = [
        Preprocess::default(),
        Preprocess {
            impute_number: ImputeNumber::Mean,
            scale: Scale::Numbers,
            drop: Drop::First,
            indicators: true,
            ..Preprocess::default()
        },
    ];
    for spec in specs {
        let pooled =
            FittedPreprocess::fit(&spec, &data, &(0..data.n).collect::<Vec<_>>(), &Here).expect("a fit");
        for sites in 1..=5usize {
            let mut stream = Stream::new(sites as u64, Purpose::Split, 9);
            let mut parts = vec![Vec::new(); sites];
            for row in 0..data.n {
                // The last of five sites stays empty.
                parts[stream.below(sites.min(4) as u64) as usize].push(row);
            }
            for fitted in fit_spread(&spec, &data, &parts) {
                // Debug text tells every bit of an f64 apart but the sign of NaN.
                assert_eq!(format!("{fitted:?}"), format!("{pooled:?}"), "{sites} sites");
            }
        }
    }
}

/// numpy by hand: median or mean of the present, then mean and std of the filled.
#[test]
fn moments_equal_a_plain_computation() {
    let data = cohort(400);
    let rows: Vec<usize> = (0..data.n).filter(|r| r % 3 != 0).collect();
    let fitted = FittedPreprocess::fit(&Preprocess::default(), &data, &rows, &Here).expect("a fit");
    assert_eq!(fitted.n, rows.len() as u64);
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} {b}");
    let mut missing = 0;
    for (feature, learnt) in data.features.iter().zip(&fitted.features) {
        let value = |&row: &usize| match feature.spec.transform {
            Transform::None => feature.values[row],
            Transform::Log1p => feature.values[row].ln_1p(),
        };
        let mut present: Vec<f64> = rows.iter().filter(|&&r| !feature.missing[r]).map(value).collect();
        missing += rows.len() - present.len();
        assert_eq!(learnt.missing as usize, rows.len() - present.len());
        let fill = if feature.spec.kind == Kind::Continuous {
            present.sort_by(f64::total_cmp);
            (present[(present.len() - 1) / 2] + present[present.len() / 2]) / 2.0
        } else {
            let count = |code: f64| present.iter().filter(|&&v| v == code).count();
            (0..5).map(f64::from).max_by_key(|&c| (count(c), -c as i64)).expect("codes")
        };
        assert_eq!(learnt.fill, Some(fill), "{}", feature.spec.name);
        for output in &learnt.outputs {
            let encoded: Vec<f64> = rows
                .iter()
                .map(|r| if feature.missing[*r] { fill } else { value(r) })
                .map(|v| match output.encoding {
                    Encoding::Level(code) => f64::from(u8::from(v == f64::from(code))),
                    _ => v,
                })
                .collect();
            let n = encoded.len() as f64;
            let mean = encoded.iter().sum::<f64>() / n;
            let sd = (encoded.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            close(output.centre, mean);
            close(output.scale, sd);
        }
    }
    assert!(missing > 20, "the cohort has missing values");
    let design = fitted.transform(&data.subset(&rows)).expect("a design");
    assert_eq!(
        (design.n, design.p, design.x.len()),
        (rows.len(), fitted.names().len(), rows.len() * design.p)
    );
    for j in 0..design.p {
        let column: Vec<f64> = (0..design.n).map(|i| design.x[i * design.p + j]).collect();
        let mean = column.iter().sum::<f64>() / design.n as f64;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / design.n as f64;
        assert!(
            mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12,
            "{} {mean} {variance}",
            design.names[j]
        );
    }
    let text = serde_json::to_string(&fitted).expect("JSON");
    assert_eq!(serde_json::from_str::<FittedPreprocess>(&text).expect("a fit"), fitted);
}

fn dataset(columns: Vec<Column>, specs: Vec<ColumnSpec>) -> Dataset {
    let table = Table::new("test", columns).expect("a table");
    Dataset::from_table(&table, &Schema { columns: specs }, &Rules::default()).expect("a cohort")
}

fn number(name: &str) -> ColumnSpec {
    ColumnSpec::new(name, Role::Feature, Kind::Continuous)
}

fn fit(data: &Dataset, spec: &Preprocess) -> Result<FittedPreprocess, String> {
    let rows: Vec<usize> = (0..data.n).collect();
    FittedPreprocess::fit(spec, data, &rows, &Here).map_err(|e| e.to_string())
}

#[test]
fn a_constant_column_is_named_and_not_scaled() {
    // 0.1 three times: the rounded sum divided by 3 is not 0.1.
    let data = dataset(
        vec![Column::floats("x", [0.1; 3]), Column::floats("y", [1.0, 2.0, 6.0])],
        vec![number("x"), number("y")],
    );
    let fitted = fit(&data, &Preprocess::default()).expect("a fit");
    assert_eq!(fitted.constant, ["x"]);
    let x = &fitted.features[0].outputs[0];
    assert_eq!((x.centre, x.scale), (0.1, 1.0));
    let design = fitted.transform(&data).expect("a design");
    assert!([0, 2, 4].iter().all(|&k| design.x[k] == 0.0));
}

#[test]
fn a_column_empty_at_one_site_only_is_learnt_from_the_others() {
    let gaps = Cells::Float(vec![None, None, Some(1.0), Some(4.0)]);
    let column = Column { name: "x".into(), cells: gaps };
    let data = dataset(vec![column], vec![number("x")]);
    for fitted in fit_spread(&Preprocess::default(), &data, &[vec![0, 1], vec![2, 3]]) {
        assert_eq!((fitted.features[0].fill, fitted.features[0].missing), (Some(2.5), 2));
    }
    let nobody = data.subset(&[0, 1]);
    let error = fit(&nobody, &Preprocess::default()).expect_err("no value");
    assert!(error.contains("column \"x\": no value in any of 2 training rows"), "{error}");
    let strict = Preprocess { impute_number: ImputeNumber::None, ..Default::default() };
    let error = fit(&data, &strict).expect_err("missing");
    assert!(error.contains("2 of 4 values are missing"), "{error}");
    let constant =
        Preprocess { impute_number: ImputeNumber::Constant(-7.0), scale: Scale::None, ..Default::default() };
    let design = fit(&data, &constant).expect("a fit").transform(&data).expect("a design");
    assert_eq!(design.x, [-7.0, -7.0, 1.0, 4.0]);
}

#[test]
fn of_equally_frequent_codes_the_first_fills() {
    let column = Column { name: "b".into(), cells: Cells::Int(vec![Some(1), Some(0), None]) };
    let data = dataset(vec![column], vec![ColumnSpec::new("b", Role::Feature, Kind::Binary)]);
    assert_eq!(fit(&data, &Preprocess::default()).expect("a fit").features[0].fill, Some(0.0));
}

#[test]
fn a_fault_at_one_site_ends_all_sites() {
    let mut spec = number("x");
    spec.transform = Transform::Log1p;
    let data = dataset(vec![Column::floats("x", [1.0, -1.5, 2.0])], vec![spec]);
    let hub = Hub::new(2);
    let errors: Vec<String> = std::thread::scope(|scope| {
        let site = |rows: &'static [usize]| {
            let own = data.subset(rows);
            let all: Vec<usize> = (0..own.n).collect();
            FittedPreprocess::fit(&Preprocess::default(), &own, &all, &&hub).expect_err("a fault").to_string()
        };
        let threads = [scope.spawn(move || site(&[0, 1])), scope.spawn(move || site(&[2]))];
        threads.map(|t| t.join().expect("no panic")).to_vec()
    });
    assert!(errors[0].contains("test:2:1: log1p of -1.5 is undefined"), "{errors:?}");
    assert!(errors[1].contains("at another site"), "{errors:?}");
}

#[test]
fn encodings_have_their_names_and_values() {
    let levels = || vec!["low".to_owned(), "mid".to_owned(), "high".to_owned()];
    let texts = |name: &str| {
        let cells = [Some("mid"), None, Some("mid"), Some("low")].into_iter().collect();
        Column { name: name.into(), cells: Cells::Text(cells) }
    };
    let data = dataset(
        vec![texts("c"), texts("o")],
        vec![
            ColumnSpec::new("c", Role::Feature, Kind::Categorical { levels: levels() }),
            ColumnSpec::new("o", Role::Feature, Kind::Ordinal { levels: levels() }),
        ],
    );
    let spec = Preprocess { scale: Scale::None, drop: Drop::First, indicators: true, ..Default::default() };
    let fitted = fit(&data, &spec).expect("a fit");
    assert_eq!(fitted.names(), ["c=mid", "c=high", "c_missing", "o", "o_missing"]);
    assert_eq!(fitted.constant, ["c=high"]);
    let design = fitted.transform(&data).expect("a design");
    assert_eq!(design.x[..10], [1.0, 0.0, 0.0, 1.0, 0.0, /* filled by the mode */ 1.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(design.x[15..], [0.0, 0.0, 0.0, 0.0, 0.0]);
    let strict = Preprocess { impute_level: ImputeLevel::None, ..spec };
    assert!(fit(&data, &strict).expect_err("missing").contains("column \"c\": 1 of 4"));
    // Another meaning of the codes must not pass.
    let mut other = data.clone();
    other.features[0].spec.kind = Kind::Categorical { levels: levels().into_iter().rev().collect() };
    assert!(fitted.transform(&other).is_err());
}
