//! Curves as SVG, without a script: a title and a description for whoever can't see them, colours that follow the page.

use std::fmt::Write as _;

/// One curve.
pub(super) struct Curve {
    /// What it shows.
    pub(super) name: String,
    /// Its points: x, and y where it is known. Nothing is drawn where it isn't.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

impl Curve {
    /// The points that are known.
    pub(super) fn known(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().filter_map(|(x, y)| Some((*x, (*y)?)))
    }
}

/// A picture of curves over one axis.
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// What a reader sees in it, in words.
    pub(super) description: String,
    /// What stands under the axis.
    pub(super) x_label: &'a str,
    /// How a value of the axis is written.
    pub(super) x_text: fn(f64) -> String,
    /// How a value of a curve is written.
    pub(super) y_text: fn(f64) -> String,
    /// Whether values grow by factors.
    pub(super) is_log: bool,
    /// The curves.
    pub(super) curves: Vec<Curve>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

impl Chart<'_> {
    /// The picture, with its legend; nothing where there are no points.
    pub(super) fn svg(&self, number: usize) -> String {
        let all = || self.curves.iter().flat_map(Curve::known);
        if all().count() == 0 {
            return String::new();
        }
        let x_most = all().map(|(x, _)| x).fold(0.0, f64::max).max(1e-9);
        let y_most = all().map(|(_, y)| y).fold(0.0, f64::max).max(1e-9);
        let y_least = if self.is_log { all().map(|(_, y)| y).filter(|y| *y > 0.0).fold(y_most, f64::min) } else { 0.0 };
        let scale = Scale { x_most, y_least, y_most, is_log: self.is_log };

        let mut svg = String::new();
        // Writing to a String can't fail.
        let _ = write!(
            svg,
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-labelledby=\"t{number} d{number}\"><title id=\"t{number}\">{}</title><desc id=\"d{number}\">{}</desc>",
            escape(self.title),
            escape(self.title),
            escape(&self.description)
        );
        for tick in scale.y_ticks() {
            let y = scale.y(tick);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                escape(&(self.y_text)(tick))
            );
        }
        for part in 0..=5 {
            let value = x_most * f64::from(part) / 5.0;
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                scale.x(value),
                HEIGHT - BOTTOM + 16.0,
                escape(&(self.x_text)(value))
            );
        }
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(self.x_label)
        );
        for (place, curve) in self.curves.iter().enumerate() {
            for part in curve.points.split(|(_, y)| y.is_none()).filter(|part| !part.is_empty()) {
                let known = part.iter().filter_map(|(x, y)| Some(format!("{:.1},{:.1}", scale.x(*x), scale.y((*y)?))));
                let mut points: Vec<String> = known.collect();
                // A point by itself is a line without length, whose round ends can be seen.
                if let [point] = &points[..] {
                    points.push(point.clone());
                }
                let _ = write!(
                    svg,
                    "<polyline class=\"c{}\" points=\"{}\"><title>{}</title></polyline>",
                    place % 6,
                    points.join(" "),
                    escape(&curve.name)
                );
            }
        }
        svg.push_str("</svg><ul class=\"legend\">");
        for (place, curve) in self.curves.iter().enumerate() {
            let _ = write!(svg, "<li class=\"c{}\">{}</li>", place % 6, escape(&curve.name));
        }
        svg.push_str("</ul></figure>");
        svg
    }
}

struct Scale {
    x_most: f64,
    y_least: f64,
    y_most: f64,
    is_log: bool,
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_most
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.is_log {
            let (low, high) = (self.y_least.ln(), self.y_most.ln());
            if high > low { (value.max(self.y_least).ln() - low) / (high - low) } else { 0.5 }
        } else {
            value / self.y_most
        };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    fn y_ticks(&self) -> Vec<f64> {
        if self.is_log && self.y_most > self.y_least {
            let factor = self.y_most / self.y_least;
            return (0..=4).map(|part| self.y_least * factor.powf(f64::from(part) / 4.0)).collect();
        }
        (0..=4).map(|part| self.y_most * f64::from(part) / 4.0).collect()
    }
}

/// A text that can stand in a page.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
