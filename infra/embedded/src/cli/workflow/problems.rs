//! Problems of a definition, as people read them.

use std::fmt::Write as _;

use sendoff_embedded::program::print;
use sendoff_workflows::{Definition, Problem, Problems, Span};
use serde_json::Value;

/// The most characters of a line of a text that are shown around what is wrong with it.
const WIDTH: usize = 100;

/// All problems, each with its place, and a caret under what it is about.
pub(super) fn page(file: &str, Problems(problems): &Problems, definition: Option<&Definition>) -> String {
    let definition = definition.and_then(|definition| serde_json::to_value(definition).ok());
    let mut page = String::new();
    for problem in problems {
        one(&mut page, "problem", file, problem, definition.as_ref());
    }
    page
}

/// What is no problem of the definition itself.
pub(super) fn warnings(file: &str, Problems(problems): &Problems) -> String {
    let mut page = String::new();
    problems.iter().for_each(|problem| one(&mut page, "warning", file, problem, None));
    page
}

fn one(page: &mut String, kind: &str, file: &str, problem: &Problem, definition: Option<&Value>) {
    let Problem { place, line, span, message, help } = problem;
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    let place = if place.is_empty() { String::new() } else { format!("{}: ", print::one_line(place)) };
    // Writing to a text can't fail.
    let _ = writeln!(page, "{file}{line}: {kind}: {place}{}", print::one_line(message));
    let text = definition.and_then(|definition| at(definition, &problem.place)).and_then(Value::as_str);
    if let Some((shown, carets)) = text.zip(*span).and_then(|(text, span)| underlined(text, span)) {
        let _ = writeln!(page, "  | {shown}\n  | {carets}");
    }
    if let Some(help) = help {
        let _ = writeln!(page, "  = {}", print::one_line(help));
    }
}

/// The line of the text that the span begins in, and carets under the span. Nothing where the span isn't one of the text.
fn underlined(text: &str, Span { start, end }: Span) -> Option<(String, String)> {
    let (before, rest) = text.split_at_checked(start)?;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let line = rest.find('\n').map_or(text.len(), |at| start + at);
    let marked = text.get(start..end.min(line))?;
    let left: Vec<char> = text[begin..start].chars().collect();
    let skipped = left.len().saturating_sub(WIDTH / 2);
    let mark = if skipped > 0 { "…" } else { "" };
    let left: String = left.into_iter().skip(skipped).collect();
    let right: String = text[start..line].chars().take(WIDTH).collect();
    let shown = print::one_line(&format!("{mark}{left}{right}")).trim_end().to_owned();
    let indent = mark.chars().count() + left.chars().count();
    let carets = "^".repeat(marked.chars().count().clamp(1, WIDTH));
    Some((shown, format!("{:indent$}{carets}", "")))
}

/// What stands at a place such as `steps[2].then[0].email.subject`.
fn at<'a>(value: &'a Value, place: &str) -> Option<&'a Value> {
    let (mut value, mut rest) = (value, place);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, behind) = quoted.split_once("\"]")?;
            (value, rest) = (value.get(name)?, behind);
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, behind) = index.split_once(']')?;
            (value, rest) = (value.get(index.parse::<usize>().ok()?)?, behind);
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let (name, behind) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            (value, rest) = (value.get(name)?, behind);
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn carets_stand_under_what_is_wrong() {
        let marked = |text, start, end| underlined(text, Span { start, end });
        assert_eq!(marked("{amuont} > 0", 0, 8), Some(("{amuont} > 0".into(), "^^^^^^^^".into())));
        assert_eq!(marked("a\né {b}\nc", 5, 8), Some(("é {b}".into(), "  ^^^".into())));
        assert_eq!(marked("a", 1, 1), Some(("a".into(), " ^".into())), "at the end");
        assert_eq!(marked("é", 1, 2), None, "in the middle of a character");
        assert_eq!(marked("a", 2, 9), None, "behind the end");
        let long = format!("{}{{x}}", "a".repeat(500));
        let (shown, carets) = marked(&long, 500, 503).unwrap();
        assert_eq!(shown, format!("…{}{{x}}", "a".repeat(50)));
        assert_eq!(carets, format!("{}^^^", " ".repeat(51)));
    }

    #[test]
    fn a_place_leads_to_what_stands_there() {
        let value = json!({ "steps": [{ "http": { "a b": ["x"] } }] });
        assert_eq!(at(&value, "steps[0].http[\"a b\"][0]"), Some(&json!("x")));
        for nowhere in ["steps[1]", "steps[x", "steps[0].then", "steps[0].http[\"a"] {
            assert_eq!(at(&value, nowhere), None, "{nowhere}");
        }
    }
}
