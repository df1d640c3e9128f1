//! Random submissions.

use serde_json::{Map, Value, json};

use super::Tape;

/// Texts that break what doesn't quote them.
pub(super) const TEXTS: [&str; 12] = [
    "a",
    "",
    "HR",
    "IT",
    "it's \"quoted\"",
    "{% $x %}",
    "a\\b",
    "two\nlines",
    "Größe ✓ 😀",
    "$states.input",
    "<b>&amp;</b>",
    " spaces ",
];
pub(super) const NUMBERS: [&str; 8] = ["0", "1", "2.5", "100", "0.1", "7", "1000000", "0.000001"];
pub(super) const DATES: [&str; 4] = ["2026-11-26", "2024-02-29", "2026-12-31", "1999-01-01"];
const MOMENTS: [&str; 4] =
    ["2026-11-26T08:00:00.000Z", "2026-11-26T09:30:00+01:00", "2030-06-30T23:59:59.999Z", "2024-02-29T00:00:00Z"];

/// Some of the fields. The others are missing, or `null`.
pub(super) fn fields(tape: &mut Tape) -> Map<String, Value> {
    let mut fields = Map::new();
    let number = |tape: &mut Tape| {
        let number: f64 = tape.one(&NUMBERS).parse().unwrap_or_default();
        if tape.rarely(4) { json!(-number) } else { json!(number) }
    };
    let text = |tape: &mut Tape| json!(*tape.one(&TEXTS));
    for name in ["amount", "count", "name", "department", "ok", "due", "moment", "tags", "lines"] {
        let value = match (tape.below(8), name) {
            (0, _) => continue,
            (1, _) => Value::Null,
            (_, "amount" | "count") => number(tape),
            (_, "ok") => json!(tape.below(2) == 1),
            (_, "due") => json!(*tape.one(&DATES)),
            (_, "moment") => json!(*tape.one(&MOMENTS)),
            (_, "tags") => (0..tape.below(4)).map(|_| text(tape)).collect(),
            (_, "lines") => (0..tape.below(4)).map(|_| json!({ "part": text(tape), "price": number(tape) })).collect(),
            _ => text(tape),
        };
        fields.insert(name.to_owned(), value);
    }
    fields
}
