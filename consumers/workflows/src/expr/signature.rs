//! What functions take and give.

use super::Call;

/// What is taken at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Number,
    Boolean,
    /// A date or a datetime.
    Day,
    DateTime,
    /// Anything that isn't a list or an object.
    Scalar,
    Anything,
    /// Any type, but the same at each such place.
    Same,
    /// A list, but not of lists.
    List,
    /// A list of what isn't a list or an object.
    Scalars,
    /// A list of numbers, or numbers instead of it.
    Numbers,
    /// What the list before consists of.
    Item,
    /// A pattern, written there.
    Pattern,
    /// How many digits, written there.
    Digits,
    /// What is counted in, written there.
    Unit,
}

/// What is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    Text,
    Number,
    Boolean,
    Date,
    /// A list of texts.
    Texts,
    /// What all the [`Takes::Same`] are.
    Same,
    /// What the list consists of.
    Item,
    /// What the first argument is.
    First,
}

/// What a function takes and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) takes: &'static [Takes],
    /// How many of them may be left out.
    pub(super) optional: usize,
    /// Whether there may be more of the last.
    pub(super) more: bool,
    pub(super) gives: Gives,
}

pub(super) const fn signature(call: Call) -> Signature {
    use Takes::{
        Anything, Boolean, DateTime, Day, Digits, Item, List, Number, Numbers, Pattern, Same, Scalar, Scalars, Text,
        Unit,
    };
    let (takes, gives): (&'static [Takes], Gives) = match call {
        Call::And | Call::Or | Call::Not => (&[Boolean], Gives::Boolean),
        Call::If => (&[Boolean, Same, Same], Gives::Same),
        Call::IsBlank => (&[Anything], Gives::Boolean),
        Call::Coalesce => (&[Same], Gives::Same),
        Call::Upper | Call::Lower | Call::Trim => (&[Text], Gives::Text),
        Call::Len | Call::Value => (&[Text], Gives::Number),
        Call::Left | Call::Right => (&[Text, Number], Gives::Text),
        Call::Mid => (&[Text, Number, Number], Gives::Text),
        Call::Contains | Call::StartsWith | Call::EndsWith => (&[Text, Text], Gives::Boolean),
        Call::Replace => (&[Text, Text, Text], Gives::Text),
        Call::Split => (&[Text, Text], Gives::Texts),
        Call::Join => (&[Scalars, Text], Gives::Text),
        Call::Text => (&[Scalar], Gives::Text),
        Call::Matches => (&[Text, Pattern], Gives::Boolean),
        Call::Abs | Call::Floor | Call::Ceiling => (&[Number], Gives::Number),
        Call::Round => (&[Number, Digits], Gives::Number),
        Call::Mod => (&[Number, Number], Gives::Number),
        Call::Min | Call::Max | Call::Sum | Call::Average => (&[Numbers], Gives::Number),
        Call::Count => (&[List], Gives::Number),
        Call::First | Call::Last => (&[List], Gives::Item),
        Call::At => (&[List, Number], Gives::Item),
        Call::Includes => (&[Scalars, Item], Gives::Boolean),
        Call::Date => (&[Number, Number, Number], Gives::Date),
        Call::Year | Call::Month | Call::Day | Call::Weekday => (&[Day], Gives::Number),
        Call::DateAdd => (&[Day, Number, Unit], Gives::First),
        Call::DaysBetween => (&[Day, Day], Gives::Number),
        Call::DateOf => (&[DateTime], Gives::Date),
    };
    let optional = match call {
        Call::If | Call::Round => 1,
        _ => 0,
    };
    Signature { takes, optional, more: matches!(call, Call::And | Call::Or | Call::Coalesce), gives }
}
