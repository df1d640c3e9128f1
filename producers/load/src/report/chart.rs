//! Curves as SVG, without a script: a title and a description for whoever can't see them, colours that follow the page.

mod axis;

use std::fmt::Write as _;

pub(super) use axis::Axis;

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
    /// What it counts.
    pub(super) x: Axis,
    /// What the curves' values count.
    pub(super) y: Axis,
    /// The curves.
    pub(super) curves: Vec<Curve>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// So many curves look different: the page's style has a colour and a dash pattern for each.
const STYLES: usize = 7;

impl Chart<'_> {
    /// The picture, with its legend; nothing where there are no points.
    pub(super) fn svg(&self, number: usize) -> String {
        let all = || self.curves.iter().flat_map(Curve::known);
        if all().count() == 0 {
            return String::new();
        }
        let most = |most: f64| if most > 0.0 { most } else { 1.0 };
        let x_most = most(all().map(|(x, _)| x).fold(0.0, f64::max));
        let y_most = most(all().map(|(_, y)| y).fold(0.0, f64::max));
        let is_log = self.y == Axis::Times;
        let y_least = if is_log { all().map(|(_, y)| y).filter(|y| *y > 0.0).fold(y_most, f64::min) } else { 0.0 };
        let scale = Scale { x_most, y_least, y_most, is_log };

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
        for (value, text) in self.y.ticks(y_least, y_most) {
            let y = scale.y(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                escape(&text)
            );
        }
        for (value, text) in self.x.ticks(0.0, x_most) {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                scale.x(value),
                HEIGHT - BOTTOM + 16.0,
                escape(&text)
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
                    place % STYLES,
                    points.join(" "),
                    escape(&curve.name)
                );
            }
        }
        svg.push_str("</svg><ul class=\"legend\">");
        for (place, curve) in self.curves.iter().enumerate() {
            let _ = write!(svg, "<li class=\"c{}\">{}</li>", place % STYLES, escape(&curve.name));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seven_curves_look_different_as_many_as_there_are_consumers() {
        let style = include_str!("page.css");
        let between = |from: &str, to: char| {
            let (_, rest) = style.split_once(from).unwrap_or_else(|| panic!("{from}"));
            rest.split(to).next().unwrap_or_default().to_owned()
        };
        let different = |of: &dyn Fn(usize) -> String| (0..STYLES).map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(different(&|place| between(&format!("--c{place}:#"), ';')[..6].to_owned()), 7);
        assert_eq!(different(&|place| between(&format!("polyline.c{place}{{stroke:var(--c{place})"), '}')), 7);
        assert_eq!(different(&|place| between(&format!("li.c{place}::before{{"), '}')), 7);
    }
}
