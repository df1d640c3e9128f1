//! One SVG file, with its own styles and nothing from elsewhere.

use std::fmt::Write as _;

use super::{
    Fates,
    figure::{Figure, Lane, Shape},
};
use crate::Plan;

const WIDTH: i32 = 176;
const HEIGHT: i32 = 44;
const GAP: i32 = 30;
const BETWEEN: i32 = 24;
const LABEL: i32 = 22;
const MARGIN: i32 = 24;
/// The most characters of a line that have room in a box.
const LINE: usize = 25;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1c2733;text-anchor:middle}\
.k{font-size:10px;fill:#5b6875}.l{font-size:11px;fill:#39536b}\
.b{fill:#fff;stroke:#5b7083;stroke-width:1.2}.choice .b{fill:#f4f7ff;stroke:#4a67b0}\
.fork .b,.loop .b{fill:#f6f6f6}.wait .b,.set .b{fill:#fafafa;stroke-dasharray:4 2}.person .b{fill:#fff8ef;stroke:#b37b2e}\
.end .b{fill:#eceff2}path{fill:none;stroke:#7b8a99;stroke-width:1.2}.error{stroke:#c0392b;stroke-dasharray:5 3}\
.frame{fill:none;stroke:#9aa7b3;stroke-dasharray:3 3}\
.done .b{fill:#d7f2dd;stroke:#2f8f46}.skipped .b{fill:#eef0f2;stroke:#8a929a}.open .b{fill:#fff3cd;stroke:#b58900}\
.givenup .b{fill:#f0e4f7;stroke:#8250a8}.failed .b{fill:#fbd9d7;stroke:#c0392b}.unseen{opacity:.45}";

/// The plan as an SVG image, its steps coloured by what became of them in a run, if one is given; those that the run didn't come
/// to are pale.
#[must_use]
pub fn svg(plan: &Plan, fates: Option<&Fates>) -> String {
    let figures = Figure::of(&plan.block);
    let (left, right, height) = extent(&figures);
    let mut canvas = Canvas { text: String::new(), fates };
    let x = MARGIN + left;
    canvas.pill(x, MARGIN, "start");
    canvas.line(x, MARGIN + LABEL, x, MARGIN + LABEL + GAP, false);
    let top = MARGIN + LABEL + GAP;
    let goes_on = canvas.block(&figures, x, top);
    let bottom = top + height;
    if goes_on {
        canvas.pill(x, bottom, "end");
    }
    let (width, height) = (2 * MARGIN + left + right, bottom + LABEL + MARGIN);
    let title = escaped(&format!("Workflow {}", plan.name));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\
         <title>{title}</title><style>{STYLE}</style>{}</svg>\n",
        canvas.text
    )
}

/// How far a block reaches to the left and to the right of its line, and how high it is.
fn extent(figures: &[Figure<'_>]) -> (i32, i32, i32) {
    figures.iter().fold((WIDTH / 2, WIDTH / 2, 0), |(left, right, height), figure| {
        let (l, r, h) = extent_of(figure);
        (left.max(l), right.max(r), height + h)
    })
}

fn extent_of(figure: &Figure<'_>) -> (i32, i32, i32) {
    if figure.lanes.is_empty() {
        return (WIDTH / 2, WIDTH / 2, HEIGHT + GAP);
    }
    let lanes: Vec<_> = figure.lanes.iter().map(|lane| extent(&lane.figures)).collect();
    let width: i32 = lanes.iter().map(|(left, right, _)| left + right).sum::<i32>()
        + BETWEEN * (i32::try_from(lanes.len()).unwrap_or(1) - 1)
        + frame(figure) * 2;
    let height = lanes.iter().map(|(_, _, height)| *height).max().unwrap_or(0);
    let half = (width / 2).max(WIDTH / 2);
    (half, half, HEIGHT + GAP + LABEL + height + GAP)
}

/// How much room the frame around a loop takes on each side.
fn frame(figure: &Figure<'_>) -> i32 {
    if figure.shape == Shape::Loop { BETWEEN / 2 } else { 0 }
}

struct Canvas<'a> {
    text: String,
    fates: Option<&'a Fates>,
}

impl Canvas<'_> {
    /// Draws the figures below each other. Gives whether anything goes on behind the last.
    fn block(&mut self, figures: &[Figure<'_>], x: i32, mut y: i32) -> bool {
        for figure in figures {
            let (_, _, height) = extent_of(figure);
            if !self.figure(figure, x, y, height) {
                return false;
            }
            y += height;
        }
        true
    }

    fn figure(&mut self, figure: &Figure<'_>, x: i32, y: i32, height: i32) -> bool {
        self.node(figure, x, y);
        if figure.ends {
            return false;
        }
        if figure.lanes.is_empty() {
            self.line(x, y + HEIGHT, x, y + height, false);
            return true;
        }
        let (left, _, _) = extent_of(figure);
        let lanes: Vec<_> = figure.lanes.iter().map(|lane| extent(&lane.figures)).collect();
        let width: i32 = lanes.iter().map(|(left, right, _)| left + right).sum::<i32>()
            + BETWEEN * (i32::try_from(lanes.len()).unwrap_or(1) - 1);
        let mut from = x - width / 2;
        let (fork, join) = (y + HEIGHT + GAP / 2, y + height - GAP / 2);
        self.line(x, y + HEIGHT, x, fork, false);
        if figure.shape == Shape::Loop {
            let (top, tall) = (y + HEIGHT + GAP / 4, height - HEIGHT - GAP / 2);
            let _ = write!(
                self.text,
                "<rect class=\"frame\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{tall}\" rx=\"8\"/>",
                x - left,
                left * 2
            );
        }
        let mut goes_on = false;
        for (lane, (left, right, _)) in figure.lanes.iter().zip(lanes) {
            let centre = from + left;
            goes_on |= self.lane(lane, (x, fork), centre, join);
            from += left + right + BETWEEN;
        }
        if goes_on {
            self.line(x, join, x, y + height, false);
        }
        goes_on
    }

    fn lane(&mut self, lane: &Lane<'_>, (x, fork): (i32, i32), centre: i32, join: i32) -> bool {
        let top = fork + GAP / 2 + LABEL;
        let _ = write!(self.text, "<path{} d=\"M{x} {fork}H{centre}V{top}\"/>", class(lane.is_error, "error"));
        if !lane.label.is_empty() {
            self.words("l", centre, top - LABEL / 2, &lane.label);
        }
        let goes_on = self.block(&lane.figures, centre, top);
        if goes_on {
            let bottom = top + extent(&lane.figures).2;
            let _ = write!(self.text, "<path{} d=\"M{centre} {bottom}V{join}H{x}\"/>", class(lane.is_error, "error"));
        }
        goes_on
    }

    fn node(&mut self, figure: &Figure<'_>, x: i32, y: i32) {
        let shape = match figure.shape {
            Shape::Action => "action",
            Shape::Choice => "choice",
            Shape::Fork => "fork",
            Shape::Loop => "loop",
            Shape::Wait => "wait",
            Shape::Person => "person",
            Shape::Set => "set",
            Shape::End => "end",
        };
        let fate = self.fates.map(|fates| fates.get(&figure.step.id).map_or(" unseen", super::Fate::word));
        let fate = fate.map(|word| format!(" {}", word.trim())).unwrap_or_default();
        let title = escaped(&format!("{} ({})", figure.title(), figure.step.id));
        let _ = write!(self.text, "<g class=\"{shape}{fate}\"><title>{title}</title>");
        let (left, radius) = (x - WIDTH / 2, if matches!(figure.shape, Shape::End) { HEIGHT / 2 } else { 6 });
        if figure.shape == Shape::Choice {
            let (right, middle, bottom) = (left + WIDTH, y + HEIGHT / 2, y + HEIGHT);
            let (inner, outer) = (left + 14, right - 14);
            let points =
                format!("{inner},{y} {outer},{y} {right},{middle} {outer},{bottom} {inner},{bottom} {left},{middle}");
            let _ = write!(self.text, "<polygon class=\"b\" points=\"{points}\"/>");
        } else {
            let _ = write!(
                self.text,
                "<rect class=\"b\" x=\"{left}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"{radius}\"/>"
            );
        }
        self.words("", x, y + 19, figure.title());
        self.words("k", x, y + 34, figure.kind);
        self.text.push_str("</g>");
    }

    fn pill(&mut self, x: i32, y: i32, word: &str) {
        let _ = write!(
            self.text,
            "<g class=\"end\"><rect class=\"b\" x=\"{}\" y=\"{y}\" width=\"64\" height=\"{LABEL}\" rx=\"{}\"/></g>",
            x - 32,
            LABEL / 2
        );
        self.words("", x, y + 15, word);
    }

    fn line(&mut self, x: i32, y: i32, to_x: i32, to_y: i32, is_error: bool) {
        let _ = write!(self.text, "<path{} d=\"M{x} {y}L{to_x} {to_y}\"/>", class(is_error, "error"));
    }

    fn words(&mut self, kind: &str, x: i32, y: i32, words: &str) {
        let mut shown: String = words.chars().take(LINE).collect();
        if words.chars().nth(LINE).is_some() {
            shown.pop();
            shown.push('…');
        }
        let _ =
            write!(self.text, "<text{} x=\"{x}\" y=\"{y}\">{}</text>", class(!kind.is_empty(), kind), escaped(&shown));
    }
}

fn class(has: bool, name: &str) -> String {
    if has { format!(" class=\"{name}\"") } else { String::new() }
}

/// Text of XML. Control characters have no place there at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
