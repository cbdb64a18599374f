//! Line and step charts as SVG text, drawn in the colours of the page that holds them.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;

use osteon_core::files::write_atomic;

use crate::ReportError;

/// Colours of the series, in order: told apart with the common colour deficiencies (Okabe and
/// Ito 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"];
const WIDTH: f64 = 640.0;
const PLOT_HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const AXIS: f64 = 44.0;
const ROW: f64 = 17.0;

/// How points are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// By straight lines.
    Straight,
    /// Level to the right up to the next point: a survival curve.
    Step,
}

/// Named points `(x, y)`, `x` increasing. Points that are not finite leave a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
pub struct Chart<'a> {
    /// Text under the horizontal axis, with its unit.
    pub x_label: &'a str,
    /// Text beside the vertical axis, with its unit.
    pub y_label: &'a str,
    /// The series.
    pub series: Vec<Series>,
    /// How points are joined.
    pub join: Join,
    /// Range of the vertical axis; that of the points when absent.
    pub y_range: Option<(f64, f64)>,
    /// Patients of a series at risk at a time: shown in rows under the axis.
    pub at_risk: Option<&'a dyn Fn(usize, f64) -> usize>,
}

/// Round numbers that cover `low..=high` in about `count` steps of 1, 2 or 5 times a power of ten.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    if !(low.is_finite() && high.is_finite()) || high <= low || count == 0 {
        return vec![low];
    }
    let rough = (high - low) / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

impl Chart<'_> {
    /// The chart as one `<svg>` element, or `None` when no point is finite.
    pub fn draw(&self) -> Option<String> {
        let (x_low, x_high) = self.extent(|p| p.0)?;
        let (y_low, y_high) = match self.y_range {
            Some(range) => range,
            None => self.extent(|p| p.1)?,
        };
        let rows = if self.at_risk.is_some() { self.series.len() + 1 } else { 0 };
        let legend = ROW * self.series.len().div_ceil(3) as f64;
        let height = TOP + PLOT_HEIGHT + AXIS + ROW * rows as f64 + legend;
        let to_x = |x: f64| LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
        let to_y = |y: f64| TOP + (y_high - y) / (y_high - y_low) * PLOT_HEIGHT;
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{} by {}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">",
            escape(self.y_label),
            escape(self.x_label)
        );
        self.axes(&mut out, (x_low, x_high), (y_low, y_high), &to_x, &to_y);
        for (i, series) in self.series.iter().enumerate() {
            let path = trace(&series.points, self.join, &to_x, &to_y);
            let colour = COLOURS[i % COLOURS.len()];
            let _ =
                write!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>");
        }
        let below = TOP + PLOT_HEIGHT + AXIS;
        self.risk_rows(&mut out, below, &ticks(x_low, x_high, 6), &to_x);
        self.legend(&mut out, below + ROW * rows as f64);
        out.push_str("</svg>");
        Some(out)
    }

    /// The range of a coordinate, widened where it is a single value.
    fn extent(&self, of: impl Fn(&(f64, f64)) -> f64) -> Option<(f64, f64)> {
        let values =
            self.series.iter().flat_map(|s| &s.points).filter(|p| p.0.is_finite() && p.1.is_finite());
        let (low, high) = values
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        match high - low {
            width if width > 0.0 => Some((low, high)),
            0.0 => Some((low - 0.5, high + 0.5)),
            _ => None,
        }
    }

    fn axes(
        &self,
        out: &mut String,
        x: (f64, f64),
        y: (f64, f64),
        to_x: &dyn Fn(f64) -> f64,
        to_y: &dyn Fn(f64) -> f64,
    ) {
        let (right, bottom) = (WIDTH - RIGHT, TOP + PLOT_HEIGHT);
        for tick in ticks(y.0, y.1, 5) {
            let at = to_y(tick);
            let _ = write!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"currentColor\" stroke-opacity=\".15\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                label(tick)
            );
        }
        for tick in ticks(x.0, x.1, 6) {
            let at = to_x(tick);
            let _ = write!(
                out,
                "<path d=\"M{at:.1} {bottom}v5\" stroke=\"currentColor\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                label(tick)
            );
        }
        let middle = TOP + PLOT_HEIGHT / 2.0;
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"currentColor\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            bottom + 36.0,
            escape(self.x_label),
            escape(self.y_label)
        );
    }

    fn risk_rows(&self, out: &mut String, top: f64, times: &[f64], to_x: &dyn Fn(f64) -> f64) {
        let Some(at_risk) = self.at_risk else { return };
        let _ = write!(out, "<text x=\"4\" y=\"{:.1}\" font-weight=\"bold\">at risk</text>", top + 12.0);
        for i in 0..self.series.len() {
            let y = top + ROW * (i + 1) as f64 + 12.0;
            let colour = COLOURS[i % COLOURS.len()];
            let _ = write!(out, "<path d=\"M8 {:.1}h18\" stroke=\"{colour}\" stroke-width=\"3\"/>", y - 4.0);
            for &time in times {
                let _ = write!(
                    out,
                    "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                    to_x(time),
                    at_risk(i, time)
                );
            }
        }
    }

    fn legend(&self, out: &mut String, top: f64) {
        for (i, series) in self.series.iter().enumerate() {
            let (x, y) = (LEFT + (i % 3) as f64 * 185.0, top + ROW * (i / 3) as f64 + 12.0);
            let colour = COLOURS[i % COLOURS.len()];
            let _ = write!(
                out,
                "<path d=\"M{x} {:.1}h18\" stroke=\"{colour}\" stroke-width=\"3\"/>\
                 <text x=\"{}\" y=\"{y:.1}\">{}</text>",
                y - 4.0,
                x + 24.0,
                escape(&series.name)
            );
        }
    }
}

/// The `d` of a path through points.
fn trace(points: &[(f64, f64)], join: Join, to_x: &dyn Fn(f64) -> f64, to_y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for &(x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            pen_down = false;
            continue;
        }
        let (x, y) = (to_x(x), to_y(y));
        let _ = match (pen_down, join) {
            (false, _) => write!(path, "M{x:.1} {y:.1}"),
            (true, Join::Straight) => write!(path, "L{x:.1} {y:.1}"),
            (true, Join::Step) => write!(path, "H{x:.1}V{y:.1}"),
        };
        pen_down = true;
    }
    path
}

/// A tick as short text.
fn label(x: f64) -> String {
    let x = if x == 0.0 { 0.0 } else { x };
    if x != 0.0 && (x.abs() >= 1e6 || x.abs() < 1e-4) {
        return format!("{x:.0e}");
    }
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a drawn chart into a file of its own, in one step; nothing where nothing was drawn.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, chart: Option<String>) -> Result<(), ReportError> {
    let Some(svg) = chart else { return Ok(()) };
    write_atomic::<std::io::Error>(path, |out| out.write_all(svg.as_bytes()))
        .map_err(ReportError::io("write", path))
}

/// Text that is safe inside an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 97.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks(1.0, 1.0, 5), [1.0]);
        let fine: Vec<String> = ticks(0.6, 0.75, 5).into_iter().map(label).collect();
        assert_eq!(fine, ["0.6", "0.65", "0.7", "0.75"]);
    }

    #[test]
    fn a_step_is_level_before_it_falls() {
        let path = trace(&[(0.0, 1.0), (2.0, 0.5)], Join::Step, &|x| x, &|y| y);
        assert_eq!(path, "M0.0 1.0H2.0V0.5");
        let path = trace(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.5)], Join::Straight, &|x| x, &|y| y);
        assert_eq!(path, "M0.0 1.0M2.0 0.5");
    }

    #[test]
    fn a_chart_without_points_is_none_and_names_are_escaped() {
        let mut chart = Chart {
            x_label: "round",
            y_label: "loss",
            series: vec![Series { name: "a<b".to_owned(), points: vec![(f64::NAN, 1.0)] }],
            join: Join::Straight,
            y_range: None,
            at_risk: None,
        };
        assert_eq!(chart.draw(), None);
        chart.series[0].points = vec![(1.0, 2.0)];
        let svg = chart.draw().expect("one point is a chart");
        assert!(svg.contains("a&lt;b") && svg.ends_with("</svg>"), "{svg}");
    }
}
