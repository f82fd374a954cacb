//! Lines over two axes, as SVG.

use std::{fmt::Write as _, path::Path};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 480.0;
/// Free space left, right, above and below the field of the lines.
const MARGINS: [f64; 4] = [90.0, 230.0, 50.0, 60.0];
/// Colours that the colour-blind tell apart (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

/// An axis: what it says, and whether it is logarithmic.
#[derive(Clone, Copy)]
pub struct Axis<'a> {
    pub says: &'a str,
    pub logarithmic: bool,
}

/// From where to where an axis goes, and its marks.
struct Scale {
    from: f64,
    to: f64,
    marks: Vec<f64>,
    logarithmic: bool,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>, logarithmic: bool) -> Self {
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        for value in values {
            (least, most) = (least.min(value), most.max(value));
        }
        if logarithmic {
            let (from, to) = (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
            let marks = (from as i32..=to as i32).map(|power| 10f64.powi(power)).collect();
            return Self { from: 10f64.powf(from), to: 10f64.powf(to), marks, logarithmic };
        }
        // From 0 on, by a step of 1, 2 or 5 times a power of ten.
        let rough = most / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough).unwrap_or(power);
        let steps = (most / step).ceil() as u32;
        let marks = (0..=steps).map(|n| f64::from(n) * step).collect();
        Self { from: 0.0, to: f64::from(steps) * step, marks, logarithmic }
    }
    /// Where a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let place = |v: f64| if self.logarithmic { v.log10() } else { v };
        (place(value) - place(self.from)) / (place(self.to) - place(self.from))
    }
}

fn figure(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", v / 1e6),
        v if v >= 1e3 => format!("{} k", v / 1e3),
        v => format!("{}", (v * 1e6).round() / 1e6),
    }
}

/// Draws each series, by name, through its points.
pub fn lines(path: &Path, title: &str, x: Axis<'_>, y: Axis<'_>, series: &[(String, Vec<(f64, f64)>)]) {
    let points = || series.iter().flat_map(|(_, points)| points);
    let across = Scale::over(points().map(|p| p.0), x.logarithmic);
    let up = Scale::over(points().map(|p| p.1), y.logarithmic);
    let [left, right, above, below] = MARGINS;
    let (width, height) = (WIDTH - left - right, HEIGHT - above - below);
    let at_x = |v: f64| left + across.share(v) * width;
    let at_y = |v: f64| above + height - up.share(v) * height;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"28\" font-size=\"16\">{title}</text>\n"
    );
    for mark in &across.marks {
        let (x, bottom) = (at_x(*mark), above + height);
        let said = figure(*mark);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {above}V{bottom:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{said}</text>", bottom + 18.0);
    }
    for mark in &up.marks {
        let (y, end) = (at_y(*mark), left + width);
        let said = figure(*mark);
        let _ = writeln!(svg, "<path d=\"M{left} {y:.1}H{end:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{said}</text>", left - 8.0, y + 4.0);
    }
    let (middle, bottom) = (left + width / 2.0, HEIGHT - 14.0);
    let _ = writeln!(svg, "<text x=\"{middle:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{}</text>", x.says);
    let middle = above + height / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 20 {middle:.1})\">{}</text>",
        y.says
    );
    for (n, (name, points)) in series.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let dashes = if n < COLOURS.len() { "" } else { " stroke-dasharray=\"6 4\"" };
        let drawn: Vec<_> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            drawn.join(" ")
        );
        for point in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                at_x(point.0),
                at_y(point.1)
            );
        }
        let y = above + 18.0 * n as f64;
        let x = left + width + 14.0;
        let _ = writeln!(svg, "<path d=\"M{x} {y:.1}h18\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\">{name}</text>", x + 24.0, y + 4.0);
    }
    svg.push_str("</svg>\n");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, svg).unwrap();
}
