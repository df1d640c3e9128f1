//! A flowchart of Mermaid: <https://mermaid.js.org/syntax/flowchart.html>.

use std::fmt::Write as _;

use super::{
    Fates,
    figure::{Figure, Lane, Shape},
};
use crate::Plan;

/// The plan as a flowchart of Mermaid, its steps coloured by what became of them in a run, if one is given.
#[must_use]
pub fn mermaid(plan: &Plan, fates: Option<&Fates>) -> String {
    let mut chart = Chart { text: String::from("flowchart TD\n"), fates, depth: 1 };
    chart.line("start([start])");
    let ends = chart.block(&Figure::of(&plan.block), vec![("start".into(), String::new())]);
    chart.line("finish([end])");
    chart.join(&ends, "finish");
    if fates.is_some() {
        for (word, colours) in [
            ("done", "fill:#d7f2dd,stroke:#2f8f46"),
            ("skipped", "fill:#eef0f2,stroke:#8a929a"),
            ("open", "fill:#fff3cd,stroke:#b58900"),
            ("givenup", "fill:#f0e4f7,stroke:#8250a8"),
            ("failed", "fill:#fbd9d7,stroke:#c0392b"),
        ] {
            chart.line(&format!("classDef {word} {colours}"));
        }
    }
    chart.text
}

/// Where a way comes from, and what stands on it.
type From = (String, String);

struct Chart<'a> {
    text: String,
    fates: Option<&'a Fates>,
    depth: usize,
}

impl Chart<'_> {
    fn line(&mut self, line: &str) {
        // Writing to a text can't fail.
        let _ = writeln!(self.text, "{:1$}{line}", "", self.depth * 2);
    }

    fn join(&mut self, from: &[From], to: &str) {
        for (node, label) in from {
            let label = if label.is_empty() { String::new() } else { format!("|{}|", quoted(label)) };
            self.line(&format!("{node} -->{label} {to}"));
        }
    }

    /// Gives from where it goes on.
    fn block(&mut self, figures: &[Figure<'_>], from: Vec<From>) -> Vec<From> {
        figures.iter().fold(from, |from, figure| self.figure(figure, &from))
    }

    fn figure(&mut self, figure: &Figure<'_>, from: &[From]) -> Vec<From> {
        // `end` and the like are words of Mermaid's.
        let node = format!("s_{}", figure.step.id);
        let (open, close) = match figure.shape {
            Shape::Choice => ("{", "}"),
            Shape::Fork | Shape::Loop => ("[[", "]]"),
            Shape::Wait => ("([", "])"),
            Shape::Person => ("[/", "/]"),
            Shape::End => ("((", "))"),
            Shape::Action | Shape::Set => ("[", "]"),
        };
        let text = quoted(&format!("{}\n{}", figure.title(), figure.kind));
        let class = self.fates.and_then(|fates| fates.get(&figure.step.id)).map(|fate| format!(":::{}", fate.word()));
        self.line(&format!("{node}{open}{text}{close}{}", class.unwrap_or_default()));
        self.join(from, &node);
        if figure.ends {
            return Vec::new();
        }
        if figure.lanes.is_empty() {
            return vec![(node, String::new())];
        }
        figure.lanes.iter().flat_map(|lane| self.lane(figure, lane, &node)).collect()
    }

    fn lane(&mut self, figure: &Figure<'_>, lane: &Lane<'_>, node: &str) -> Vec<From> {
        let from = vec![(node.to_owned(), lane.label.clone())];
        let framed = figure.shape == Shape::Loop && !lane.is_error && !lane.figures.is_empty();
        if !framed {
            return self.block(&lane.figures, from);
        }
        self.line(&format!("subgraph each_{}[{}]", figure.step.id, quoted(&format!("for each {}", lane.label))));
        self.depth += 1;
        let ends = self.block(&lane.figures, from);
        self.depth -= 1;
        self.line("end");
        ends
    }
}

/// A text of Mermaid: between quotation marks, with what means something there as an entity.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("<br/>"),
            '"' | '<' | '>' | '&' | '#' | ';' | '`' | '\\' => {
                let _ = write!(quoted, "#{};", u32::from(c));
            }
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
