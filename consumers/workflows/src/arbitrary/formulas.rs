//! Random expressions of a type, over what is known at their place.

use super::{
    Tape,
    submission::{DATES, NUMBERS, TEXTS},
};

/// A type of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Boolean,
    Date,
    Moment,
    Texts,
}

/// What is known at a place: names and their types.
#[derive(Debug, Clone)]
pub(super) struct Known {
    names: Vec<(String, Kind)>,
    /// Steps that can fail.
    pub(super) fallible: Vec<String>,
    /// Whether it is inside of a `parallel` or a `for_each`.
    pub(super) apart: bool,
    /// How many items are around.
    pub(super) items: usize,
}

impl Default for Known {
    fn default() -> Self {
        let names = [
            ("amount", Kind::Number),
            ("fields.count", Kind::Number),
            ("name", Kind::Text),
            ("department", Kind::Text),
            ("ok", Kind::Boolean),
            ("due", Kind::Date),
            ("moment", Kind::Moment),
            ("tags", Kind::Texts),
            ("lines.part", Kind::Texts),
            ("submission.id", Kind::Text),
            ("submission.author", Kind::Text),
            ("submission.revision", Kind::Number),
            ("run.id", Kind::Text),
            ("vars.total", Kind::Number),
            ("vars.note", Kind::Text),
            ("vars.flag", Kind::Boolean),
            ("vars.day", Kind::Date),
            ("vars.names", Kind::Texts),
        ];
        let names = names.map(|(name, kind)| (name.to_owned(), kind)).into();
        Self { names, fallible: Vec::new(), apart: false, items: 0 }
    }
}

impl Known {
    /// A step's result, or an item.
    pub(super) fn add(&mut self, root: &str, names: &[(&str, Kind)]) {
        let name = |(name, kind): &(&str, Kind)| match *name {
            "" => (root.to_owned(), *kind),
            name => (format!("{root}.{name}"), *kind),
        };
        self.names.extend(names.iter().map(name));
    }

    /// All that another place knows.
    pub(super) fn extend(&mut self, other: &Self, from: (usize, usize)) {
        self.names.extend_from_slice(&other.names[from.0..]);
        self.fallible.extend_from_slice(&other.fallible[from.1..]);
    }

    /// How much is known.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.names.len(), self.fallible.len())
    }
}

impl Tape {
    /// An expression of the type. Each level deeper is simpler.
    pub(super) fn formula(&mut self, kind: Kind, known: &Known, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            return self.leaf(kind, known);
        }
        let choice = self.below(8);
        let mut part = |kind: Kind| self.formula(kind, known, depth - 1);
        use Kind::{Boolean, Date, Moment, Number, Text, Texts};
        match (kind, choice) {
            (_, 0) => format!("IF({}, {}, {})", part(Boolean), part(kind), part(kind)),
            (_, 1) => format!("COALESCE({}, {})", part(kind), part(kind)),
            (Number, 2) => format!("({} + {})", part(Number), part(Number)),
            (Number, 3) => format!("({} * {} - {})", part(Number), part(Number), part(Number)),
            (Number, 4) => format!("({} / {})", part(Number), part(Number)),
            (Number, 5) => format!("ROUND({}, 2)", part(Number)),
            (Number, 6) => format!("LEN({})", part(Text)),
            (Number, _) => format!("COUNT({})", part(Texts)),
            (Text, 2) => format!("({} & {})", part(Text), part(Number)),
            (Text, 3) => format!("UPPER({})", part(Text)),
            (Text, 4) => format!("LEFT({}, 3)", part(Text)),
            (Text, 5) => format!("TEXT({})", part(Number)),
            (Text, 6) => format!("JOIN({}, \", \")", part(Texts)),
            (Text, _) => format!("REPLACE({}, \"a\", {})", part(Text), part(Text)),
            (Boolean, 2) => format!("AND({}, {})", part(Boolean), part(Boolean)),
            (Boolean, 3) => format!("NOT({})", part(Boolean)),
            (Boolean, 4) => format!("({} < {})", part(Number), part(Number)),
            (Boolean, 5) => format!("({} = {})", part(Text), part(Text)),
            (Boolean, 6) => format!("OR({}, {} <= {})", part(Boolean), part(Date), part(Date)),
            (Boolean, _) => format!("INCLUDES({}, {})", part(Texts), part(Text)),
            (Date, 2..=4) => format!("DATEADD({}, {}, \"days\")", part(Date), part(Number)),
            (Date, _) => format!("DATEOF({})", part(Moment)),
            (Moment, _) => format!("DATEADD({}, 90, \"minutes\")", part(Moment)),
            (Texts, 2..=4) => format!("[{}, {}]", part(Text), part(Text)),
            (Texts, _) => format!("SPLIT({}, \" \")", part(Text)),
        }
    }

    /// A name, or a value.
    fn leaf(&mut self, kind: Kind, known: &Known) -> String {
        let named: Vec<&String> =
            known.names.iter().filter(|(_, other)| *other == kind).map(|(name, _)| name).collect();
        if self.below(3) < 2 && !named.is_empty() {
            // What came last is most interesting.
            let back = self.below(named.len());
            return format!("{{{}}}", named[named.len() - 1 - back]);
        }
        match kind {
            Kind::Number => (*self.one(&NUMBERS)).to_owned(),
            Kind::Text => format!("\"{}\"", self.one(&TEXTS).replace('"', "\"\"")),
            Kind::Boolean if self.below(3) == 2 && !known.fallible.is_empty() => {
                format!("FAILED({})", self.one(&known.fallible))
            }
            Kind::Boolean => (*self.one(&["TRUE", "FALSE"])).to_owned(),
            Kind::Date => {
                let [year, month, day] = [0..4, 5..7, 8..10].map(|range| DATES[self.below(4)][range].to_owned());
                format!("DATE({year}, {month}, {day})")
            }
            Kind::Moment => "{moment}".to_owned(),
            Kind::Texts => (*self.one(&["{tags}", "[\"a\"]"])).to_owned(),
        }
    }

    /// A text with expressions in it.
    pub(super) fn words(&mut self, known: &Known) -> String {
        let mut words = String::new();
        for _ in 0..=self.below(2) {
            words += *self.one(&TEXTS);
            let kind = *self.one(&[Kind::Text, Kind::Number, Kind::Boolean, Kind::Date]);
            words += &format!(" {{{{ {} }}}}", self.formula(kind, known, 2));
        }
        words
    }
}
