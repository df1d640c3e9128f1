//! The patterns of `MATCHES`: what all engines for regular expressions understand in the same way, and none takes long for.
//!
//! Each class is written out as a set of characters of Unicode's first plane, since engines differ in what `.`, `\d` and `\w` are, and in
//! how they see characters beyond that plane: nothing matches those. A pattern is refused if an engine that tries one way after the
//! other could need long for a text of [`LONGEST_TEXT`] characters.

mod reader;
mod set;
mod ways;
mod write;

use reader::Reader;
use set::Set;
use ways::{places, ways};
use write::write_alternatives;

/// How many characters a text may have. A longer one doesn't match.
pub(super) const LONGEST_TEXT: usize = 256;
/// How many bytes a pattern may have.
const LONGEST: usize = 200;
/// How deep groups may be in groups.
const DEEPEST: usize = 8;
/// The binary logarithm of how many ways an engine may have to try.
const MOST_WAYS: f64 = 16.0;
/// How many characters the repetitions of a pattern may ask for in all.
const MOST_PLACES: usize = 2_000;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Vec<Item>>);

#[derive(Debug, Clone, PartialEq)]
struct Item {
    atom: Atom,
    least: usize,
    /// `None`: any number.
    most: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
enum Atom {
    Class(Set),
    Group(Vec<Vec<Item>>),
}

impl Pattern {
    /// Reads a pattern, or says why it can't be used.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} bytes"));
        }
        let text = text.strip_prefix('^').unwrap_or(text);
        let text = match text.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => rest,
            _ => text,
        };
        let mut reader = Reader { rest: text.chars().collect(), at: 0 };
        let alternatives = reader.alternatives(0)?;
        if reader.peek().is_some() {
            return Err("a `)` has no `(`".into());
        }
        if ways(&alternatives, true) > MOST_WAYS {
            return Err(
                "there are too many ways to match a text with it: let what follows a repetition begin with something \
                        that can't be repeated, or say how often"
                    .into(),
            );
        }
        if places(&alternatives) > MOST_PLACES {
            return Err(format!("it asks for more than {MOST_PLACES} characters"));
        }
        Ok(Self(alternatives))
    }

    /// As every engine reads it, without anything around.
    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        write_alternatives(&self.0, &mut out);
        out
    }
}
