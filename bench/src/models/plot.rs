//! The growth plot: prove time, peak memory and proof size over the number of parameters, each on
//! two logarithmic axes, as one SVG without scripts or fonts of its own.

use std::fmt::Write;

use super::measure::Figures;
use super::report::{Measurements, bytes, milliseconds};

const PANEL_WIDTH: f64 = 340.0;
const PANEL_HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 34.0;
const PLOT_WIDTH: f64 = PANEL_WIDTH - LEFT - 16.0;
const PLOT_HEIGHT: f64 = PANEL_HEIGHT - TOP - 46.0;
/// Families by the start of a model's name, with a label and a colour; the rest is "other".
const FAMILIES: [(&str, &str, &str); 3] = [
    ("sweep_dense", "dense", "#1f5fb4"),
    ("sweep_cnn", "convolutional", "#c2511a"),
    ("", "named models", "#4a4a4a"),
];

/// One panel: its title, the value of a model, and how values are written.
type Panel = (&'static str, fn(&Figures) -> f64, fn(f64) -> String);

/// The whole picture.
pub(crate) fn svg(report: &Measurements) -> String {
    let panels: [Panel; 3] = [
        ("prove, wall time", |m| m.prove.median_ms, milliseconds),
        ("prove, peak memory", |m| m.prove.peak_bytes as f64, |v| bytes(v as u64)),
        ("proof size", |m| m.proof_bytes as f64, |v| bytes(v as u64)),
    ];
    let (width, height) = (PANEL_WIDTH * 3.0, PANEL_HEIGHT + 26.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Cost over model size</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        draw_panel(&mut out, index as f64 * PANEL_WIDTH, panel, &report.models);
    }
    for (index, (_, label, colour)) in FAMILIES.iter().enumerate() {
        let x = LEFT + 140.0 * index as f64;
        let y = PANEL_HEIGHT + 8.0;
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            out,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\">{label}</text>",
            x + 9.0,
            y + 4.0
        );
    }
    out + "</svg>\n"
}

fn draw_panel(out: &mut String, left: f64, (title, value, label): &Panel, models: &[Figures]) {
    let x_axis = Axis::of(models.iter().map(|m| m.parameters as f64));
    let y_axis = Axis::of(models.iter().map(value));
    let x = |v: f64| left + LEFT + x_axis.fraction(v) * PLOT_WIDTH;
    let y = |v: f64| TOP + (1.0 - y_axis.fraction(v)) * PLOT_HEIGHT;
    let (right, bottom) = (left + LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{title}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">parameters</text>",
        left + LEFT,
        left + LEFT + PLOT_WIDTH / 2.0,
        bottom + 34.0
    );
    for tick in x_axis.ticks() {
        let _ = writeln!(
            out,
            "<path d=\"M{0:.1} {TOP}V{bottom}\" stroke=\"#e2e2e2\"/><text x=\"{0:.1}\" y=\"{1}\" text-anchor=\"middle\">{2}</text>",
            x(tick),
            bottom + 16.0,
            short(tick)
        );
    }
    for tick in y_axis.ticks() {
        let _ = writeln!(
            out,
            "<path d=\"M{0} {1:.1}H{right}\" stroke=\"#e2e2e2\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            left + LEFT,
            y(tick),
            left + LEFT - 6.0,
            y(tick) + 4.0,
            label(tick)
        );
    }
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{TOP}\" width=\"{PLOT_WIDTH}\" height=\"{PLOT_HEIGHT}\" fill=\"none\" stroke=\"#888\"/>",
        left + LEFT
    );
    for (family, (_, _, colour)) in FAMILIES.iter().enumerate() {
        let mut points: Vec<&Figures> = models.iter().filter(|m| family_of(m) == family).collect();
        points.sort_by_key(|m| m.parameters);
        let place = |m: &Figures| (x(m.parameters as f64), y(value(m)));
        // Models of different shapes lie on no curve: only the sweeps are joined.
        if family + 1 < FAMILIES.len() && points.len() > 1 {
            let line: Vec<String> =
                points.iter().map(|m| place(m)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                line.join(" ")
            );
        }
        for m in points {
            let (cx, cy) = place(m);
            let _ = writeln!(
                out,
                "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}: {}</title></circle>",
                escape(&m.name),
                label(value(m))
            );
        }
    }
}

fn family_of(figures: &Figures) -> usize {
    FAMILIES.iter().position(|(start, _, _)| figures.name.starts_with(start)).unwrap_or(FAMILIES.len() - 1)
}

/// A logarithmic axis over whole decades, or halves of them where one decade is enough.
struct Axis {
    log_min: f64,
    log_max: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let logs: Vec<f64> = values.filter(|v| *v > 0.0).map(f64::log10).collect();
        let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if logs.is_empty() {
            return Self { log_min: 0.0, log_max: 1.0 };
        }
        // A value a little beyond a decade's line still counts as on it.
        let log_min = (least + 0.01).floor();
        Self { log_min, log_max: (greatest - 0.01).ceil().max(log_min + 1.0) }
    }

    fn fraction(&self, value: f64) -> f64 {
        (value.max(1e-9).log10() - self.log_min) / (self.log_max - self.log_min)
    }

    /// Decades; with 2 and 5 between them where there are few.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.log_max - self.log_min).round() as i32;
        let steps: &[f64] = if decades <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        for decade in 0..=decades {
            for step in steps {
                let tick = 10f64.powf(self.log_min + f64::from(decade)) * step;
                if self.fraction(tick) <= 1.0 + 1e-9 {
                    ticks.push(tick);
                }
            }
        }
        ticks
    }
}

/// 10000 as 10k, 1000000 as 1M.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", (v / 1e6).round()),
        v if v >= 1e3 => format!("{}k", (v / 1e3).round()),
        v => format!("{}", v.round()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
