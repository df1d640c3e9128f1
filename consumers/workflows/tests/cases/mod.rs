//! Random expressions of the language, and random values for the names in them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use sendoff_workflows::{
    Type,
    expr::{Env, Names, Root, Scope},
};
use serde_json::{Value, json};

/// An expression as an author could write it, and the values for all names that it may have in it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) text: String,
    pub(crate) values: Values,
}

/// The values that names begin with.
#[derive(Debug, Clone)]
pub(crate) struct Values(pub(crate) BTreeMap<Root, Value>);

impl Env for Values {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        self.0.get(root).map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }
}

/// Each root is a variable of its own.
pub(crate) struct Variables;

impl Variables {
    /// The variable's name without its `$`.
    pub(crate) fn name(root: &Root) -> String {
        match root {
            Root::Field(name) => format!("f_{name}"),
            Root::Submission => "submission".into(),
            Root::Run => "run".into(),
            Root::Now => "now".into(),
            Root::Step(id) => format!("s_{id}"),
            Root::Var(name) => format!("v_{name}"),
            Root::Item(name) => format!("i_{name}"),
        }
    }
}

impl Names for Variables {
    fn jsonata(&self, root: &Root) -> String {
        format!("${}", Self::name(root))
    }
}

/// The values by the names of their variables.
pub(crate) fn bindings(values: &Values) -> Value {
    Value::Object(values.0.iter().map(|(root, value)| (Variables::name(root), value.clone())).collect())
}

fn list(item: Type) -> Type {
    Type::List(Box::new(item))
}

fn object<const N: usize>(names: [(&str, Type); N]) -> Type {
    Type::Object(Arc::new(names.map(|(name, ty)| (name.to_owned(), ty)).into()))
}

/// Two fields of each type, lists, a list of objects with objects in them, and one of all other roots.
fn roots() -> Vec<(Root, Type)> {
    let field = |name: &str, ty| (Root::Field(name.into()), ty);
    let part = object([("size", Type::Number), ("label", Type::Text)]);
    let line = object([
        ("price", Type::Number),
        ("name", Type::Text),
        ("ok", Type::Boolean),
        ("day", Type::Date),
        ("part", part),
    ]);
    vec![
        field("n", Type::Number),
        field("k", Type::Number),
        field("t", Type::Text),
        field("u", Type::Text),
        field("p", Type::Boolean),
        field("d", Type::Date),
        field("e", Type::Date),
        field("m", Type::DateTime),
        field("numbers", list(Type::Number)),
        field("texts", list(Type::Text)),
        field("flags", list(Type::Boolean)),
        field("days", list(Type::Date)),
        field("lines", list(line.clone())),
        (
            Root::Submission,
            object([("id", Type::Text), ("author", Type::Text), ("app", Type::Text), ("revision", Type::Number)]),
        ),
        (Root::Run, object([("id", Type::Text), ("started", Type::DateTime)])),
        (Root::Now, Type::DateTime),
        (Root::Step("mail".into()), object([("status", Type::Text), ("rows", list(line.clone()))])),
        (Root::Var("total".into()), Type::Number),
        (Root::Item("line".into()), line),
    ]
}

/// What the expressions are read with.
pub(crate) fn scope() -> Scope {
    let mut fields = BTreeMap::new();
    let mut vars = BTreeMap::new();
    let mut scope = Scope::new().submission().run();
    for (root, ty) in roots() {
        match root {
            Root::Field(name) => drop(fields.insert(name, ty)),
            Root::Var(name) => drop(vars.insert(name, ty)),
            Root::Step(id) => scope.add_step(id, ty),
            Root::Item(name) => scope.add_item(name, ty),
            Root::Submission | Root::Run | Root::Now => {}
        }
    }
    scope.fields(fields).vars(vars)
}

/// Random expressions of all types, most of them small, and their values.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (expressions(4), values()).prop_map(|(text, values)| Case { text, values })
}

fn values() -> impl Strategy<Value = Values> {
    let each: Vec<BoxedStrategy<(Root, Value)>> = roots()
        .into_iter()
        .map(|(root, ty)| root_value(&root, &ty).prop_map(move |value| (root.clone(), value)).boxed())
        .collect();
    each.prop_map(|pairs| Values(pairs.into_iter().collect()))
}

/// The host's own times are always there, and written with what it likes behind the second.
fn root_value(root: &Root, ty: &Type) -> BoxedStrategy<Value> {
    let times = || {
        prop::sample::select(vec![
            "2026-11-26T08:09:10.123Z",
            "2024-02-29T23:59:59Z",
            "1999-12-31T00:00:00.5Z",
            "2026-03-01T12:00:00.123456789Z",
        ])
    };
    match root {
        Root::Now => times().prop_map(Value::from).boxed(),
        Root::Run => times().prop_map(|started| json!({"id": "r-1", "started": started})).boxed(),
        _ => value(ty),
    }
}

fn value(ty: &Type) -> BoxedStrategy<Value> {
    let some = match ty {
        Type::Text => text().prop_map(Value::from).boxed(),
        Type::Number => number().prop_map(canonical).boxed(),
        Type::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Type::Date => date().prop_map(Value::from).boxed(),
        Type::DateTime => (date(), 0..24, 0..60, 0..60, 0..1000)
            .prop_map(|(date, h, m, s, ms)| Value::from(format!("{date}T{h:02}:{m:02}:{s:02}.{ms:03}Z")))
            .boxed(),
        Type::List(item) => prop::collection::vec(value(item), 0..4).prop_map(Value::from).boxed(),
        Type::Object(names) => {
            let names: Vec<BoxedStrategy<(String, Value)>> = names
                .iter()
                .map(|(name, ty)| {
                    let name = name.clone();
                    value(ty).prop_map(move |value| (name.clone(), value)).boxed()
                })
                .collect();
            names.prop_map(|pairs| Value::Object(pairs.into_iter().collect())).boxed()
        }
    };
    prop_oneof![1 => Just(Value::Null), 7 => some].boxed()
}

/// As values are normalised: whole numbers as integers.
fn canonical(n: f64) -> Value {
    sendoff_workflows::expr::normalize(&Value::from(n), &Type::Number).expect("a number in range")
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-20i32..40).prop_map(f64::from),
        3 => (-100_000i32..100_000).prop_map(|n| f64::from(n) / 100.0),
        2 => (-10_000_000i64..10_000_000).prop_map(|n| n as f64 / 8_000_000.0),
        1 => prop::sample::select(vec![
            0.0, 1e15, -1e15, 0.1, 0.3, 2.5, -2.5, 0.5, 1.005, 1e-9, 5e-10, 1e-7, 999_999.999_999_9, 123_456_789_012_345.0, 999_999_999_999.9,
            4_503_599_627_370_495.5 / 8.0, 2.675, -0.000_000_4,
        ]),
        1 => -1e15..1e15f64,
    ]
}

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "", "a", "b", "ab", "Ä", "ß", "é", "😀", "中", " ", "  ", "\t", "\n", ",", ";", "HR", "12", "-3.50", "007",
        ".", "0", "%}", "{%", "$1", "\\", "\"", "$x_num", "x@y.de", "A-1", "/", "~", "\u{1}", "\u{2028}",
    ]);
    prop_oneof![
        3 => prop::collection::vec(pieces, 0..5).prop_map(|pieces| pieces.concat()),
        1 => (-1000i32..1000).prop_map(|n| (f64::from(n) / 4.0).to_string()),
    ]
}

fn date() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (2020..2030, 1..13, 1..29),
        2 => prop::sample::select(vec![(2024, 2, 29), (2000, 2, 29), (1900, 2, 28), (2100, 3, 1), (2026, 1, 31), (2026, 12, 31), (1970, 1, 1), (1, 1, 1), (9999, 12, 31)]),
        1 => (1..10_000, 1..13, 1..29),
    ]
    .prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
}

/// Expressions of one type, of any height up to some.
type Texts = BoxedStrategy<String>;

/// Expressions by their type.
#[derive(Clone)]
struct Level {
    number: Texts,
    text: Texts,
    boolean: Texts,
    date: Texts,
    moment: Texts,
    numbers: Texts,
    texts: Texts,
    flags: Texts,
    dates: Texts,
}

fn expressions(height: usize) -> Texts {
    let mut level = leaves();
    for _ in 0..height {
        level = above(&level);
    }
    let Level { number, text, boolean, date, moment, numbers, texts, flags, dates } = level;
    let objects = one_of(&[
        "{lines}",
        "{line}",
        "FIRST({lines})",
        "LAST({steps.mail.rows})",
        "AT({lines}, {k})",
        "{line.part}",
        "FIRST({lines.part})",
        "{steps.mail}",
    ]);
    prop_oneof![6 => number, 6 => text, 6 => boolean, 4 => date, 3 => moment, 1 => numbers, 2 => texts, 1 => flags, 1 => dates, 1 => objects].boxed()
}

fn one_of(texts: &[&'static str]) -> Texts {
    prop::sample::select(texts.to_vec()).prop_map(str::to_owned).boxed()
}

/// A text as a literal of the language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn leaves() -> Level {
    let literal = number().prop_filter("not with an exponent", |n| n.to_string().len() < 16).prop_map(|n| {
        let n = (n * 1e6).round() / 1e6;
        n.to_string()
    });
    Level {
        number: prop_oneof![
            2 => literal,
            3 => one_of(&["{n}", "{k}", "{n}", "{fields.k}", "{vars.total}", "{line.price}", "{submission.revision}", "{line.part.size}", "IF(FALSE, 1, BLANK)"]),
        ]
        .boxed(),
        text: prop_oneof![
            1 => text().prop_map(|text| quoted(&text)),
            2 => one_of(&["{t}", "{u}", "{t}", "{line.name}", "{submission.author}", "{run.id}", "{steps.mail.status}", "{line.part.label}", "BLANK"]),
        ]
        .boxed(),
        boolean: one_of(&["{p}", "{line.ok}", "TRUE", "FALSE", "IF(TRUE, BLANK, TRUE)", "FAILED(mail)"]),
        date: prop_oneof![1 => date().prop_map(|date| format!("COALESCE({{d}}, \"{date}\")")), 3 => one_of(&["{d}", "{e}", "{line.day}", "TODAY()"])].boxed(),
        moment: one_of(&["{m}", "{run.started}", "NOW()"]),
        numbers: one_of(&["{numbers}", "{lines.price}", "{steps.mail.rows.price}", "{lines.part.size}", "[1, 2.5, BLANK]", "[BLANK, {n}]"]),
        texts: one_of(&["{texts}", "{lines.name}", "[\"a\", \"b\"]", "[{t}]", "{lines.part.label}"]),
        flags: one_of(&["{flags}", "{lines.ok}", "[{p}, TRUE]"]),
        dates: one_of(&["{days}", "{lines.day}", "[{d}]", "[{d}, {e}]"]),
    }
}

/// A form with places for others: `"LEFT(?, ?)"`.
fn form<const N: usize>(form: &'static str, parts: [&Texts; N]) -> Texts {
    let parts: Vec<Texts> = parts.iter().map(|part| (*part).clone()).collect();
    parts
        .prop_map(move |parts| {
            let mut parts = parts.into_iter();
            form.split('?').enumerate().fold(String::new(), |text, (index, piece)| {
                if index == 0 { piece.to_owned() } else { text + &parts.next().unwrap_or_default() + piece }
            })
        })
        .boxed()
}

fn union(of: Vec<(u32, Texts)>) -> Texts {
    prop::strategy::Union::new_weighted(of).boxed()
}

/// The level's expressions, and those with one of its own above them.
fn above(level: &Level) -> Level {
    let Level { number: n, text: t, boolean: b, date: d, moment: m, numbers: ns, texts: ts, flags: bs, dates: ds } =
        level;
    let digits = (n.clone(), 0..7).prop_map(|(n, digits)| format!("round({n}, {digits})")).boxed();
    let small = one_of(&["0", "1", "2", "-1", "3", "1.9", "{k}"]);
    let units = |of: &Texts, units: &'static [&'static str]| {
        (of.clone(), prop_oneof![small.clone(), n.clone()], prop::sample::select(units))
            .prop_map(|(of, n, unit)| format!("DATEADD({of}, {n}, \"{unit}\")"))
            .boxed()
    };
    let numbers = vec![
        (12, n.clone()),
        (2, form("(? + ?)", [n, n])),
        (2, form("(? - ?)", [n, n])),
        (2, form("(? * ?)", [n, n])),
        (2, form("(? / ?)", [n, n])),
        (1, form("-(?)", [n])),
        (1, form("IF(?, ?, ?)", [b, n, n])),
        (1, form("COALESCE(?, ?)", [n, n])),
        (1, form("COALESCE(BLANK, ?)", [n])),
        (1, form("(BLANK * ?)", [n])),
        (1, form("LEN(?)", [t])),
        (2, form("VALUE(?)", [t])),
        (1, form("VALUE(TEXT(?))", [n])),
        (1, form("ABS(?)", [n])),
        (2, digits),
        (1, form("FLOOR(?)", [n])),
        (1, form("Ceiling(?)", [n])),
        (2, form("MOD(?, ?)", [n, n])),
        (1, form("MIN(?, ?)", [n, n])),
        (1, form("MIN(?)", [ns])),
        (1, form("MAX(?)", [ns])),
        (1, form("SUM(?, ?, ?)", [n, n, n])),
        (1, form("SUM(?)", [ns])),
        (1, form("AVERAGE(?)", [ns])),
        (1, form("AVERAGE(?, ?)", [n, n])),
        (1, form("COUNT(?)", [ts])),
        (1, form("FIRST(?)", [ns])),
        (1, form("LAST(?)", [ns])),
        (1, form("AT(?, ?)", [ns, n])),
        (1, form("YEAR(?)", [d])),
        (1, form("MONTH(?)", [m])),
        (1, form("DAY(?)", [d])),
        (2, form("WEEKDAY(?)", [d])),
        (2, form("DAYSBETWEEN(?, ?)", [d, d])),
        (1, form("DAYSBETWEEN(?, ?)", [m, d])),
    ];
    let cut = prop_oneof![small.clone(), n.clone()].boxed();
    let texts = vec![
        (12, t.clone()),
        (3, form("(? & ?)", [t, t])),
        (2, form("(? & \" \" & ?)", [n, t])),
        (1, form("(? & ?)", [b, d])),
        (1, form("IF(?, ?, ?)", [b, t, t])),
        (1, form("IF(?, ?)", [b, t])),
        (1, form("COALESCE(?, ?, ?)", [t, t, t])),
        (1, form("UPPER(?)", [t])),
        (1, form("LOWER(?)", [t])),
        (1, form("TRIM(?)", [t])),
        (2, form("LEFT(?, ?)", [t, &cut])),
        (2, form("RIGHT(?, ?)", [t, &cut])),
        (2, form("MID(?, ?, ?)", [t, &cut, &cut])),
        (2, form("REPLACE(?, ?, ?)", [t, t, t])),
        (1, form("REPLACE(?, \"a\", ?)", [t, t])),
        (2, form("JOIN(?, ?)", [ts, t])),
        (1, form("JOIN(?, \", \")", [ns])),
        (1, form("JOIN(?, \"\")", [bs])),
        (1, form("JOIN(?, \"/\")", [ds])),
        (2, form("TEXT(?)", [n])),
        (1, form("TEXT(?)", [b])),
        (1, form("TEXT(?)", [m])),
        (1, form("FIRST(?)", [ts])),
        (1, form("AT(?, ?)", [ts, &small])),
    ];
    let comparison = |of: &Texts| {
        (of.clone(), prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">=", "!="]), of.clone())
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
            .boxed()
    };
    let equality = |of: &Texts| {
        (of.clone(), prop::sample::select(vec!["=", "<>"]), of.clone())
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
            .boxed()
    };
    let patterns = prop::sample::select(vec![
        "[a-z]+",
        "a*b?",
        ".*",
        "(HR|IT)-?\\d*",
        "[^@]+@[^@]+\\.[a-z]{2,3}",
        "\\s*\\S+",
        "-?\\d+(\\.\\d+)?",
        "(ab)+",
        "[\\w./~-]{1,5}",
        "Ä|ß|中",
        "a{2}.?",
        "\\d{3}|",
    ]);
    let matches = (t.clone(), patterns).prop_map(|(t, pattern)| format!("MATCHES({t}, {})", quoted(pattern))).boxed();
    let booleans = vec![
        (10, b.clone()),
        (4, comparison(n)),
        (3, comparison(d)),
        (2, comparison(m)),
        (3, equality(t)),
        (1, equality(b)),
        (2, form("AND(?, ?)", [b, b])),
        (1, form("OR(?, ?, ?)", [b, b, b])),
        (2, form("NOT(?)", [b])),
        (1, form("IF(?, ?, ?)", [b, b, b])),
        (1, form("COALESCE(?, ?)", [b, b])),
        (1, form("ISBLANK(?)", [n])),
        (1, form("(BLANK = ?)", [n])),
        (1, form("(? <> BLANK)", [d])),
        (1, form("ISBLANK(?)", [t])),
        (1, form("ISBLANK(?)", [ts])),
        (2, form("CONTAINS(?, ?)", [t, t])),
        (2, form("STARTSWITH(?, ?)", [t, t])),
        (2, form("ENDSWITH(?, ?)", [t, t])),
        (3, matches),
        (1, form("INCLUDES(?, ?)", [ns, n])),
        (1, form("INCLUDES(?, ?)", [ts, t])),
        (1, form("INCLUDES(?, ?)", [bs, b])),
        (1, form("INCLUDES(?, ?)", [ds, d])),
        (1, form("IN(?, ?, ?)", [n, n, n])),
        (1, form("IN(?, \"HR\", ?)", [t, t])),
        (1, form("FIRST(?)", [bs])),
    ];
    let dates = vec![
        (8, d.clone()),
        (2, form("DATE(?, ?, ?)", [n, n, n])),
        (2, form("DATE(2000 + ?, ?, ?)", [n, n, n])),
        (4, units(d, &["days", "weeks", "months", "years"])),
        (2, form("DATEOF(?)", [m])),
        (1, form("IF(?, ?, ?)", [b, d, d])),
        (1, form("AT(?, ?)", [ds, &small])),
    ];
    let moments = vec![
        (6, m.clone()),
        (4, units(m, &["days", "weeks", "months", "years", "hours", "minutes"])),
        (1, form("IF(?, ?, ?)", [b, m, m])),
        (1, form("COALESCE(?, ?)", [m, m])),
    ];
    Level {
        number: union(numbers),
        text: union(texts),
        boolean: union(booleans),
        date: union(dates),
        moment: union(moments),
        numbers: union(vec![
            (4, ns.clone()),
            (1, form("[?, ?]", [n, n])),
            (1, form("[?]", [n])),
            (1, form("IF(?, ?, ?)", [b, ns, ns])),
        ]),
        texts: union(vec![
            (4, ts.clone()),
            (1, form("[?, ?]", [t, t])),
            (2, form("SPLIT(?, ?)", [t, t])),
            (1, form("SPLIT(?, \",\")", [t])),
            (1, form("COALESCE(?, [])", [ts])),
        ]),
        flags: union(vec![(3, bs.clone()), (1, form("[?, ?]", [b, b]))]),
        dates: union(vec![(3, ds.clone()), (1, form("[?, ?]", [d, d]))]),
    }
}
