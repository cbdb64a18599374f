//! What a reader of the vectors should have seen first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use osteon_report::svg::{Chart, Join, Series, escape};
use serde::Serialize;

use super::batch::{SlideFault, SlideVectors};
use super::finish::Models;

/// Fewer tiles than this make a poor mean.
const FEW_TILES: u64 = 10;
/// Largest finite value of half precision.
const HALF_LARGEST: f64 = 65_504.0;
/// Deviations from the median, in the robust unit, beyond which a slide lies apart.
const APART: f64 = 5.0;
/// The median absolute deviation of a normal variable with standard deviation 1, inverted.
const MAD: f64 = 1.4826;

/// Findings.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Quality {
    /// Cases with vectors.
    pub slides: usize,
    /// Their tiles.
    pub tiles: u64,
    /// What formed their sums.
    pub devices: BTreeSet<String>,
    /// Cases without vectors (NaN, infinity, files that cannot be read) and why.
    pub failed: Vec<(String, String)>,
    /// Slides without tiles.
    pub empty: Vec<String>,
    /// Slides with fewer than ten tiles.
    pub few_tiles: Vec<String>,
    /// Groups of slides with equal tiles.
    pub duplicates: Vec<Vec<String>>,
    /// Slides with values at the end of half precision.
    pub clipped: Vec<String>,
    /// Slides whose quantiles are those of a sample of their tiles.
    pub sampled: Vec<String>,
    /// Distance of the mean of each slide from that of all, in standard deviations over slides, root mean square over
    /// columns.
    pub distance: BTreeMap<String, f64>,
    /// Slides whose distance lies apart from the rest.
    pub outliers: Vec<String>,
    /// Per site: slides, and the distance of its mean from that of all.
    pub drift: BTreeMap<String, (usize, f64)>,
    /// Part of the variance of the tiles along each component.
    pub explained: Vec<f64>,
    /// Variance along the last component over that along the next.
    pub gap: Option<f64>,
}

/// Looks at all cases.
pub fn quality(cases: &[&SlideVectors], faults: &[SlideFault], models: &Models) -> Quality {
    let names = |of: &dyn Fn(&SlideVectors) -> bool| -> Vec<String> {
        cases.iter().filter(|c| of(c)).map(|c| c.slide.clone()).collect()
    };
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for case in cases.iter().filter(|c| c.tiles > 0) {
        groups.entry(&case.digest).or_default().push(case.slide.clone());
    }
    let full: Vec<&SlideVectors> = cases.iter().copied().filter(|c| c.tiles > 0).collect();
    let (centre, spread) = moments(&full);
    let far = |mean: &[f64]| {
        let terms = mean.iter().zip(centre.iter().zip(&spread)).filter(|(_, (_, s))| **s > 0.0);
        let (sum, n) = terms.fold((0.0, 0), |(sum, n), (x, (c, s))| (sum + ((x - c) / s).powi(2), n + 1));
        (sum / f64::from(n.max(1))).sqrt()
    };
    let distance: BTreeMap<String, f64> = full.iter().map(|c| (c.slide.clone(), far(&c.mean.0))).collect();
    let values: Vec<f64> = distance.values().copied().collect();
    let middle = median(&values);
    let unit = MAD * median(&values.iter().map(|x| (x - middle).abs()).collect::<Vec<_>>());
    let apart = |x: f64| unit > 0.0 && (x - middle) / unit > APART;
    let mut sites: BTreeMap<String, Vec<&SlideVectors>> = BTreeMap::new();
    for case in &full {
        if let Some(site) = &case.site {
            sites.entry(site.clone()).or_default().push(case);
        }
    }
    Quality {
        slides: cases.len(),
        tiles: cases.iter().map(|c| c.tiles).sum(),
        devices: cases.iter().map(|c| c.device.clone()).collect(),
        failed: faults.iter().map(|f| (f.slide.clone(), f.error.clone())).collect(),
        empty: names(&|c| c.tiles == 0),
        few_tiles: names(&|c| (1..FEW_TILES).contains(&c.tiles) && c.level == osteon_slides::Level::Tile),
        duplicates: groups.into_values().filter(|g| g.len() > 1).collect(),
        clipped: names(&|c| c.largest >= HALF_LARGEST),
        sampled: names(&|c| c.sampled),
        outliers: distance.iter().filter(|(_, x)| apart(**x)).map(|(slide, _)| slide.clone()).collect(),
        drift: sites.into_iter().map(|(site, of)| (site, (of.len(), far(&moments(&of).0)))).collect(),
        distance,
        explained: models.pca.as_ref().map(|p| p.explained.clone()).unwrap_or_default(),
        gap: models.pca.as_ref().and_then(|p| p.gap),
    }
}

/// Mean and standard deviation over slides of the means of the slides.
fn moments(cases: &[&SlideVectors]) -> (Vec<f64>, Vec<f64>) {
    let width = cases.first().map_or(0, |c| c.width);
    let n = cases.len().max(1) as f64;
    let mut mean = vec![0.0; width];
    for case in cases {
        mean.iter_mut().zip(&case.mean.0).for_each(|(m, x)| *m += x / n);
    }
    let mut spread = vec![0.0; width];
    for case in cases {
        let terms = spread.iter_mut().zip(case.mean.0.iter().zip(&mean));
        terms.for_each(|(s, (x, m))| *s += (x - m).powi(2) / n);
    }
    spread.iter_mut().for_each(|s| *s = s.sqrt());
    (mean, spread)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

impl Quality {
    /// One page with pictures, without a network.
    pub fn page(&self) -> String {
        let mut out =
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Osteon: slides</title>\
             <style>body{font-family:sans-serif;max-width:50em;margin:2em auto}td{padding:.1em 1em .1em 0}\
             svg{max-width:40em}</style></head><body>\n<h1>Slides</h1>\n"
                .to_owned();
        let _ = writeln!(out, "<p>{} slides or patients, {} tiles.</p>", self.slides, self.tiles);
        let failed: Vec<String> = self.failed.iter().map(|(slide, why)| format!("{slide}: {why}")).collect();
        let groups: Vec<String> = self.duplicates.iter().map(|g| g.join(" = ")).collect();
        for (title, list) in [
            ("Failed", &failed),
            ("Without tiles", &self.empty),
            ("Fewer than ten tiles", &self.few_tiles),
            ("Equal tiles", &groups),
            ("Values at the end of half precision", &self.clipped),
            ("Quantiles of a sample", &self.sampled),
            ("Far from the rest", &self.outliers),
        ] {
            let _ = writeln!(out, "<h2>{title}: {}</h2>", list.len());
            if !list.is_empty() {
                let items: String = list.iter().map(|t| format!("<li>{}</li>", escape(t))).collect();
                let _ = writeln!(out, "<ul>{items}</ul>");
            }
        }
        if !self.drift.is_empty() {
            out.push_str(
                "<h2>Drift by site</h2>\n<table><tr><td>site</td><td>slides</td><td>distance in sd</td></tr>",
            );
            for (site, (slides, far)) in &self.drift {
                let _ = write!(out, "<tr><td>{}</td><td>{slides}</td><td>{far:.3}</td></tr>", escape(site));
            }
            out.push_str("</table>\n");
        }
        let mut distances: Vec<f64> = self.distance.values().copied().collect();
        distances.sort_by(f64::total_cmp);
        picture(&mut out, "slides, the nearest first", "distance from the mean, sd", &distances);
        let mut sum = 0.0;
        let explained: Vec<f64> = self
            .explained
            .iter()
            .map(|x| {
                sum += x;
                sum
            })
            .collect();
        picture(&mut out, "component", "explained variance, cumulative", &explained);
        if let Some(gap) = self.gap {
            let _ =
                writeln!(out, "<p>Variance along the last component over that along the next: {gap:.4}.</p>");
        }
        out.push_str("</body></html>\n");
        out
    }
}

fn picture(out: &mut String, x_label: &str, y_label: &str, y: &[f64]) {
    let points = y.iter().enumerate().map(|(k, &y)| ((k + 1) as f64, y)).collect();
    let series = vec![Series { name: y_label.to_owned(), points }];
    let chart = Chart { x_label, y_label, series, join: Join::Straight, y_range: None, at_risk: None };
    if let Some(svg) = chart.draw() {
        out.push_str(&svg);
        out.push('\n');
    }
}
