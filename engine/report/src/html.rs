//! `report.html`: a finished run on one page, from the files of its directory alone.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use osteon_core::files::write_atomic;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::records::{ColumnSummary, KaplanMeier, Metric, Summary};
use crate::svg::{Chart, Join, Series, escape};
use crate::{ReportError, json};

const STYLE: &str = include_str!("report.css");

/// Writes `report.html` into a run directory and returns its path.
///
/// Reads `summary.json`, `run.json`, `metrics.jsonl` and, where they are, `kaplan_meier.json` and `columns.json`.
///
/// # Errors
/// If one of the files is missing or wrong, or the report cannot be written.
pub fn write_report(run: &Path) -> Result<PathBuf, ReportError> {
    let page = page(
        &json::read(&run.join("summary.json"))?,
        &json::read(&run.join("run.json"))?,
        &metrics(&run.join("metrics.jsonl"))?,
        optional(&run.join("kaplan_meier.json"))?.as_ref(),
        &optional::<Vec<ColumnSummary>>(&run.join("columns.json"))?.unwrap_or_default(),
    );
    let path = run.join("report.html");
    write_atomic::<io::Error>(&path, |out| out.write_all(page.as_bytes()))
        .map_err(ReportError::io("write", &path))?;
    Ok(path)
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReportError> {
    if path.exists() { json::read(path).map(Some) } else { Ok(None) }
}

/// The records of a run. A linear model has no epochs and leaves none.
fn metrics(path: &Path) -> Result<Vec<Metric>, ReportError> {
    if path.exists() { json::read_lines(path) } else { Ok(Vec::new()) }
}

/// The page. `run` is the content of `run.json`.
pub fn page(
    summary: &Summary,
    run: &Value,
    metrics: &[Metric],
    survival: Option<&KaplanMeier>,
    columns: &[ColumnSummary],
) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Osteon: {0} {1}</title><style>{STYLE}</style></head><body>\n<h1>{0} {1}</h1>\n<p>{2}</p>\n",
        escape(&summary.arm),
        escape(&summary.model),
        escape(&summary.estimand)
    );
    headline(&mut out, summary);
    curves(&mut out, metrics);
    if let Some(survival) = survival {
        kaplan_meier(&mut out, survival);
    }
    sites(&mut out, summary);
    column_summaries(&mut out, columns);
    coefficients(&mut out, summary);
    phases(&mut out, summary);
    provenance(&mut out, summary, run);
    out.push_str("</body></html>\n");
    out
}

fn headline(out: &mut String, s: &Summary) {
    let mut rows = vec![
        ("training patients (events)", format!("{} ({})", s.n_train, s.events_train)),
        ("held-out patients (events)", format!("{} ({})", s.n_test, s.events_test)),
        ("models", format!("{} seeds", s.seeds.len())),
    ];
    if let Some(c) = &s.c_index {
        rows.push(("C-index, mean over seeds", number(c.mean, 4)));
        rows.push(("standard deviation over seeds", number(c.sd, 4)));
        let interval = c.ci95.map_or("undefined".to_owned(), |[lo, hi]| format!("{lo:.4} to {hi:.4}"));
        rows.push(("95 % interval", format!("{interval} ({})", c.ci_method)));
        rows.push(("pairs compared", c.scope.replace('_', " ")));
    }
    if let Some(value) = s.log_likelihood {
        rows.push(("log partial likelihood", format!("{value:.4}")));
    }
    if let Some(rounds) = s.rounds {
        rows.push(("rounds", rounds.to_string()));
    }
    if let Some(bytes) = s.bytes_per_round {
        rows.push(("bytes sent per rank and round", bytes.to_string()));
    }
    if let Some(p) = &s.privacy {
        rows.push((
            "differential privacy",
            format!("epsilon {:.3} at delta {}: {}", p.epsilon, p.delta, p.covers),
        ));
    }
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    table(out, "Result", &[], rows);
}

/// A value of a record and of a site, for one chart.
type Pick = (&'static str, fn(&Metric) -> Option<f64>, fn(&crate::SiteMetric) -> Option<f64>);

fn curves(out: &mut String, metrics: &[Metric]) {
    let x_label = if metrics.iter().any(|m| m.round.is_some()) { "round" } else { "epoch" };
    let picks: [Pick; 2] =
        [("training loss", |m| m.loss, |s| s.loss), ("C-index, held out", |m| m.c_index, |s| s.c_index)];
    for (y_label, whole, of_site) in picks {
        let point = |m: &Metric, y: Option<f64>| (m.step() as f64, y.unwrap_or(f64::NAN));
        let mut series = vec![Series {
            name: "all".to_owned(),
            points: metrics.iter().map(|m| point(m, whole(m))).collect(),
        }];
        let mut names: Vec<&str> = Vec::new();
        for site in metrics.iter().flat_map(|m| &m.sites) {
            if !names.contains(&site.name.as_str()) {
                names.push(&site.name);
            }
        }
        for name in names {
            let of = |m: &Metric| m.sites.iter().find(|s| s.name == name).and_then(of_site);
            let points = metrics.iter().map(|m| point(m, of(m))).collect();
            series.push(Series { name: name.to_owned(), points });
        }
        // A series without a value (sites without held-out rows) is no line in the legend.
        series.retain(|s| s.points.iter().any(|p| p.1.is_finite()));
        let chart = Chart { x_label, y_label, series, join: Join::Straight, y_range: None, at_risk: None };
        figure(out, y_label, chart.draw());
    }
}

fn kaplan_meier(out: &mut String, survival: &KaplanMeier) {
    let series = survival.curves.iter().map(|c| {
        let start = std::iter::once((0.0, 1.0));
        let points = start.chain(c.time.iter().copied().zip(c.survival.iter().copied())).collect();
        Series { name: format!("{} (n = {})", c.name, c.n), points }
    });
    let at_risk = |i: usize, t: f64| survival.curves[i].at_risk(t);
    let x_label = format!("time ({})", survival.time_unit);
    let chart = Chart {
        x_label: &x_label,
        y_label: "survival",
        series: series.collect(),
        join: Join::Step,
        y_range: Some((0.0, 1.0)),
        at_risk: Some(&at_risk),
    };
    let test = survival.log_rank_p.map_or(String::new(), |p| format!("; log-rank p = {p:.2e}"));
    figure(out, &format!("Kaplan-Meier, held-out patients by {}{test}", survival.grouping), chart.draw());
}

fn sites(out: &mut String, summary: &Summary) {
    let Some(sites) = &summary.sites else { return };
    let rows = sites
        .iter()
        .map(|s| vec![s.name.clone(), s.n.to_string(), s.events.to_string(), number(s.c_index, 4)]);
    table(out, "Sites", &["site", "training patients", "events", "C-index, own held-out"], rows);
    if summary.lost_sites() {
        let lost = sites.iter().filter_map(|s| {
            let dropped = s.dropped.as_ref()?;
            Some(vec![s.name.clone(), dropped.round.to_string(), dropped.reason.clone()])
        });
        table(out, "Sites dropped", &["site", "first round without it", "reason"], lost);
    }
}

/// What is withheld (fewer than `min_count`) is an empty cell.
fn column_summaries(out: &mut String, columns: &[ColumnSummary]) {
    if columns.is_empty() {
        return;
    }
    let moment = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:.4}"));
    let count = |n: Option<u64>| n.map_or(String::new(), |n| n.to_string());
    let rows = columns
        .iter()
        .map(|c| vec![c.name.clone(), count(c.n), count(c.missing), moment(c.mean), moment(c.sd)]);
    table(
        out,
        "Columns, training patients",
        &["column", "values", "missing", "mean", "standard deviation"],
        rows,
    );
}

fn coefficients(out: &mut String, summary: &Summary) {
    let Some(coefficients) = &summary.coefficients else { return };
    let rows = coefficients.iter().map(|c| {
        vec![c.name.clone(), format!("{:.6}", c.coef), number(c.se, 6), format!("{:.4}", c.coef.exp())]
    });
    table(out, "Coefficients", &["column", "log hazard ratio", "standard error", "hazard ratio"], rows);
}

fn phases(out: &mut String, summary: &Summary) {
    let total = summary.wall_s.max(f64::MIN_POSITIVE);
    let rows = summary.phases.iter().map(|p| {
        let share = format!("{:.1}", 100.0 * p.s / total);
        vec![p.name.clone(), format!("{:.3}", p.s), share, number(p.imbalance, 2)]
    });
    let whole = vec!["wall".to_owned(), format!("{:.3}", summary.wall_s), "100.0".to_owned(), String::new()];
    table(out, "Time", &["phase", "s", "%", "slowest rank / mean"], rows.chain([whole]));
    if summary.ranks.len() < 2 {
        return;
    }
    let rows = summary.ranks.iter().map(|r| {
        let time = |s: f64| format!("{s:.3}");
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / (1024.0 * 1024.0));
        let spent = [r.compute_s, r.wait_s, r.communicate_s].map(time);
        [vec![r.rank.to_string(), r.host.clone()], spent.into(), vec![mib(r.bytes), mib(r.peak_memory_bytes)]]
            .concat()
    });
    let head = ["rank", "node", "compute s", "wait s", "communicate s", "sent MiB", "peak MiB"];
    table(out, "Ranks", &head, rows);
}

fn provenance(out: &mut String, summary: &Summary, run: &Value) {
    let mut rows = vec![vec!["model_sha256".to_owned(), summary.model_sha256.clone()]];
    for (key, value) in run.as_object().into_iter().flatten().filter(|(key, _)| *key != "config") {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        rows.push(vec![key.clone(), text]);
    }
    table(out, "Provenance", &[], rows);
    if let Some(config) = run.get("config") {
        let text = serde_json::to_string_pretty(config).unwrap_or_default();
        let _ =
            writeln!(out, "<details><summary>Resolved study</summary><pre>{}</pre></details>", escape(&text));
    }
}

/// A table whose first column names the row.
fn table(out: &mut String, title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let _ = write!(out, "<h2>{}</h2>\n<table>", escape(title));
    if !head.is_empty() {
        out.push_str("<tr>");
        for cell in head {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escape(cell));
        }
        out.push_str("</tr>");
    }
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let tag = if i == 0 { "th" } else { "td" };
            let _ = write!(out, "<{tag}>{}</{tag}>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn figure(out: &mut String, caption: &str, svg: Option<String>) {
    if let Some(svg) = svg {
        let _ = writeln!(out, "<figure>{svg}<figcaption>{}</figcaption></figure>", escape(caption));
    }
}

fn number(x: Option<f64>, digits: usize) -> String {
    x.map_or("undefined".to_owned(), |x| format!("{x:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{CIndex, Curve, SiteMetric, SiteResult};

    fn finished() -> (Summary, Vec<Metric>, KaplanMeier) {
        let summary = Summary {
            arm: "federated".to_owned(),
            model: "deepsurv".to_owned(),
            estimand: "site-stratified <log> hazard".to_owned(),
            seeds: vec![1, 2],
            c_index: Some(CIndex { mean: Some(0.7123), ci95: None, ..CIndex::default() }),
            sites: Some(vec![SiteResult {
                name: "a&b".to_owned(),
                n: 10,
                events: 3,
                c_index: None,
                dropped: None,
            }]),
            ..Summary::default()
        };
        let site = |loss| SiteMetric { name: "a&b".to_owned(), loss: Some(loss), ..SiteMetric::default() };
        let metrics = (1..=3u32)
            .map(|r| Metric {
                round: Some(r.into()),
                loss: Some(1.0 / f64::from(r)),
                sites: vec![site(f64::from(r))],
                ..Metric::default()
            })
            .collect();
        let curve = Curve {
            name: "low".to_owned(),
            time: vec![2.0],
            survival: vec![0.5],
            n: 2,
            follow_up: vec![2.0, 3.0],
        };
        let survival =
            KaplanMeier { time_unit: "months".to_owned(), curves: vec![curve], ..KaplanMeier::default() };
        (summary, metrics, survival)
    }

    #[test]
    fn a_page_is_complete_and_alone() {
        let (summary, metrics, survival) = finished();
        let run = serde_json::json!({"version": "1", "config": {"train": {}}});
        let html = page(&summary, &run, &metrics, Some(&survival), &[]);
        // Two figures: the loss and the survival; no C-index was recorded per round.
        assert_eq!(html.matches("<figure>").count(), 2);
        for part in ["0.7123", "a&amp;b", "&lt;log&gt;", "at risk", "time (months)", "undefined (", "version"]
        {
            assert!(html.contains(part), "{part} is missing");
        }
        let links =
            html.matches("http").count() - html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(links, 0, "the page must not need a network");
    }

    #[test]
    fn a_report_needs_the_files_of_a_run() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let error = write_report(dir.path()).expect_err("an empty directory");
        assert!(error.to_string().contains("summary.json"), "{error}");
        let (summary, metrics, survival) = finished();
        json::write(&dir.path().join("summary.json"), &summary).expect("summary");
        json::write(&dir.path().join("run.json"), &serde_json::json!({})).expect("run");
        json::write(&dir.path().join("kaplan_meier.json"), &survival).expect("curves");
        let mut lines =
            json::Lines::resume::<Metric>(&dir.path().join("metrics.jsonl"), |_| true).expect("lines");
        metrics.iter().try_for_each(|m| lines.append(m)).expect("append");
        let path = write_report(dir.path()).expect("a report");
        let html = std::fs::read_to_string(path).expect("page");
        assert!(html.contains("Kaplan-Meier") && !html.contains("Columns, training patients"));
        let column = ColumnSummary {
            name: "age".to_owned(),
            n: Some(812),
            missing: None,
            mean: Some(61.25),
            sd: Some(9.5),
        };
        json::write(&dir.path().join("columns.json"), &[column]).expect("columns");
        let html = std::fs::read_to_string(write_report(dir.path()).expect("a report")).expect("page");
        let row = "<td>812</td><td></td><td>61.2500</td><td>9.5000</td>";
        assert!(html.contains("Columns, training patients") && html.contains(row), "{html}");
    }

    #[test]
    fn patients_leave_the_risk_set_after_their_time() {
        let curve = Curve { follow_up: vec![1.0, 2.0, 2.0, 3.0], ..Curve::default() };
        assert_eq!([0.0, 2.0, 2.5, 4.0].map(|t| curve.at_risk(t)), [4, 3, 1, 0]);
    }
}
