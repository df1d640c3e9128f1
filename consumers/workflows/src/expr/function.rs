//! The functions, as they are told to authors.

/// A function. Some that authors can call aren't here, since the checker says them otherwise: `IN`, `FAILED`, `NOW` and `TODAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is documented where authors read it: `Function::does`")]
pub enum Call {
    And,
    Or,
    Not,
    If,
    IsBlank,
    Coalesce,
    Upper,
    Lower,
    Trim,
    Len,
    Left,
    Right,
    Mid,
    Contains,
    StartsWith,
    EndsWith,
    Replace,
    Split,
    Join,
    Text,
    Value,
    Matches,
    Abs,
    Round,
    Floor,
    Ceiling,
    Mod,
    Min,
    Max,
    Sum,
    Average,
    Count,
    First,
    Last,
    At,
    Includes,
    Date,
    Year,
    Month,
    Day,
    Weekday,
    DateAdd,
    DaysBetween,
    DateOf,
}

/// What authors are told about a function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// What it is called. Case doesn't matter.
    pub name: &'static str,
    /// What it is about: the heading it stands under.
    pub about: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// What it gives.
    pub does: &'static str,
    /// What stands for it in the tree, if that is a [`Call`].
    pub(super) call: Option<Call>,
}

const fn function(
    about: &'static str,
    name: &'static str,
    call: Call,
    usage: &'static str,
    does: &'static str,
) -> Function {
    Function { name, about, usage, does, call: Some(call) }
}

const fn sugar(about: &'static str, name: &'static str, usage: &'static str, does: &'static str) -> Function {
    Function { name, about, usage, does, call: None }
}

const LOGIC: &str = "Conditions";
const TEXT: &str = "Texts";
const NUMBER: &str = "Numbers";
const LIST: &str = "Lists";
const DATE: &str = "Dates and moments";
const RUN: &str = "The run";

/// All functions, by heading.
pub const FUNCTIONS: &[Function] = &[
    function(LOGIC, "AND", Call::And, "AND(condition, …)", "Whether all of them are true. Blank is false."),
    function(LOGIC, "OR", Call::Or, "OR(condition, …)", "Whether one of them is true. Blank is false."),
    function(LOGIC, "NOT", Call::Not, "NOT(condition)", "Whether it is false or blank."),
    function(
        LOGIC,
        "IF",
        Call::If,
        "IF(condition, value, otherwise)",
        "The value if the condition is true; the other if it is false or blank, or blank where none is given.",
    ),
    function(
        LOGIC,
        "ISBLANK",
        Call::IsBlank,
        "ISBLANK(value)",
        "Whether there is no value. An empty text and an empty list are values.",
    ),
    function(LOGIC, "COALESCE", Call::Coalesce, "COALESCE(value, …)", "The first of them that isn't blank."),
    sugar(
        LOGIC,
        "IN",
        "IN(value, a, b, …)",
        "Whether the value equals one of the others. For a list there is INCLUDES.",
    ),
    function(TEXT, "UPPER", Call::Upper, "UPPER(text)", "The text in capitals."),
    function(TEXT, "LOWER", Call::Lower, "LOWER(text)", "The text in small letters."),
    function(
        TEXT,
        "TRIM",
        Call::Trim,
        "TRIM(text)",
        "The text without spaces, tabs and line breaks around it, and with one space for each row of them in it.",
    ),
    function(TEXT, "LEN", Call::Len, "LEN(text)", "How many characters it has (Unicode code points)."),
    function(
        TEXT,
        "LEFT",
        Call::Left,
        "LEFT(text, n)",
        "Its first n characters. A negative n is 0; of a broken n the whole part counts.",
    ),
    function(TEXT, "RIGHT", Call::Right, "RIGHT(text, n)", "Its last n characters."),
    function(
        TEXT,
        "MID",
        Call::Mid,
        "MID(text, start, n)",
        "n of its characters, from the one at `start`; the first is 1, and what is below 1 counts as 1.",
    ),
    function(
        TEXT,
        "CONTAINS",
        Call::Contains,
        "CONTAINS(text, part)",
        "Whether the part stands somewhere in the text. Case matters.",
    ),
    function(TEXT, "STARTSWITH", Call::StartsWith, "STARTSWITH(text, part)", "Whether the text begins with the part."),
    function(TEXT, "ENDSWITH", Call::EndsWith, "ENDSWITH(text, part)", "Whether the text ends with the part."),
    function(
        TEXT,
        "REPLACE",
        Call::Replace,
        "REPLACE(text, part, with)",
        "The text with each occurrence of the part replaced, from left to right. An empty part changes nothing.",
    ),
    function(
        TEXT,
        "SPLIT",
        Call::Split,
        "SPLIT(text, separator)",
        "A list of what stands between the separators. An empty separator doesn't split.",
    ),
    function(
        TEXT,
        "JOIN",
        Call::Join,
        "JOIN(list, separator)",
        "One text of all items, with the separator between them. Blank items are empty texts.",
    ),
    function(TEXT, "TEXT", Call::Text, "TEXT(value)", "The value as text, the way it is put into texts. Never blank."),
    function(
        TEXT,
        "VALUE",
        Call::Value,
        "VALUE(text)",
        "The number that the text says, with spaces around it or without: `-12.5`. Blank if it says none, or one with more than 15 digits before or 9 behind the point.",
    ),
    function(
        TEXT,
        "MATCHES",
        Call::Matches,
        "MATCHES(text, \"pattern\")",
        "Whether the whole text is of the pattern, see below. A text of more than 256 characters isn't.",
    ),
    function(NUMBER, "ABS", Call::Abs, "ABS(number)", "The number without its sign."),
    function(
        NUMBER,
        "ROUND",
        Call::Round,
        "ROUND(number, digits)",
        "The number with so many digits behind the point: 0 to 6, and 0 where none is given. Halves go away from zero.",
    ),
    function(NUMBER, "FLOOR", Call::Floor, "FLOOR(number)", "The largest whole number that isn't above it."),
    function(NUMBER, "CEILING", Call::Ceiling, "CEILING(number)", "The smallest whole number that isn't below it."),
    function(
        NUMBER,
        "MOD",
        Call::Mod,
        "MOD(a, b)",
        "What is left of a after taking b away as often as it goes: a - b × FLOOR(a ÷ b). Blank if b is 0.",
    ),
    function(
        NUMBER,
        "MIN",
        Call::Min,
        "MIN(list) or MIN(a, b, …)",
        "The smallest. Blank items are left out; blank if there are no others.",
    ),
    function(
        NUMBER,
        "MAX",
        Call::Max,
        "MAX(list) or MAX(a, b, …)",
        "The largest. Blank items are left out; blank if there are no others.",
    ),
    function(
        NUMBER,
        "SUM",
        Call::Sum,
        "SUM(list) or SUM(a, b, …)",
        "All together. Blank items are left out; 0 if there are no others.",
    ),
    function(
        NUMBER,
        "AVERAGE",
        Call::Average,
        "AVERAGE(list) or AVERAGE(a, b, …)",
        "The sum divided by how many there are. Blank items are left out; blank if there are no others.",
    ),
    function(LIST, "COUNT", Call::Count, "COUNT(list)", "How many items it has, blank ones too."),
    function(LIST, "FIRST", Call::First, "FIRST(list)", "Its first item. Blank if it is empty."),
    function(LIST, "LAST", Call::Last, "LAST(list)", "Its last item. Blank if it is empty."),
    function(LIST, "AT", Call::At, "AT(list, n)", "Its n-th item; the first is 1. Blank if there is none."),
    function(LIST, "INCLUDES", Call::Includes, "INCLUDES(list, value)", "Whether one of its items equals the value."),
    function(
        DATE,
        "DATE",
        Call::Date,
        "DATE(year, month, day)",
        "The date. Blank if there is no such day in the years 1 to 9999.",
    ),
    function(
        DATE,
        "YEAR",
        Call::Year,
        "YEAR(date)",
        "Its year. Of a moment, as in all that follows, the date in UTC counts.",
    ),
    function(DATE, "MONTH", Call::Month, "MONTH(date)", "Its month, 1 to 12."),
    function(DATE, "DAY", Call::Day, "DAY(date)", "Its day of the month, 1 to 31."),
    function(DATE, "WEEKDAY", Call::Weekday, "WEEKDAY(date)", "Its day of the week: 1 is Monday, 7 is Sunday."),
    function(
        DATE,
        "DATEADD",
        Call::DateAdd,
        "DATEADD(date, n, \"days\")",
        "The date or moment so much later, or earlier if n is below 0: `days`, `weeks`, `months`, `years`, and for moments `hours`, `minutes`. Of a broken n FLOOR(n) counts. Where a month is too short its last day is taken. Blank outside of the years 1 to 9999.",
    ),
    function(
        DATE,
        "DAYSBETWEEN",
        Call::DaysBetween,
        "DAYSBETWEEN(from, to)",
        "How many days it is from one date to the other; below 0 if the other is earlier.",
    ),
    function(DATE, "DATEOF", Call::DateOf, "DATEOF(moment)", "The date of a moment, in UTC."),
    sugar(RUN, "NOW", "NOW()", "The moment at which the run came to the step."),
    sugar(RUN, "TODAY", "TODAY()", "The date of that moment, in UTC."),
    sugar(
        RUN,
        "FAILED",
        "FAILED(step)",
        "Whether the step of this id failed and the run went on: its status is `failed`. False before it was taken.",
    ),
];

impl Function {
    /// The function of a name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
    }
}
