//! Patterns are written as every engine reads them.

use std::fmt::Write as _;

use super::{Atom, Item, set::Set};

pub(super) fn write_alternatives(alternatives: &[Vec<Item>], out: &mut String) {
    for (index, sequence) in alternatives.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        for item in sequence {
            match &item.atom {
                Atom::Class(set) => write_class(set, out),
                Atom::Group(inner) => {
                    out.push_str("(?:");
                    write_alternatives(inner, out);
                    out.push(')');
                }
            }
            // Writing to a text can't fail.
            let _ = match (item.least, item.most) {
                (1, Some(1)) => Ok(()),
                (least, Some(most)) if least == most => write!(out, "{{{least}}}"),
                (least, Some(most)) => write!(out, "{{{least},{most}}}"),
                (least, None) => write!(out, "{{{least},}}"),
            };
        }
    }
}

pub(super) fn write_class(set: &Set, out: &mut String) {
    if let [(first, last)] = set.as_slice()
        && first == last
    {
        return write_char(*first, out);
    }
    out.push('[');
    for (first, last) in set {
        write_char(*first, out);
        if last > first {
            out.push('-');
            write_char(*last, out);
        }
    }
    out.push(']');
}

pub(super) fn write_char(code: u32, out: &mut String) {
    match char::from_u32(code) {
        Some(c) if c.is_ascii_alphanumeric() => out.push(c),
        // Writing to a text can't fail.
        _ => drop(write!(out, "\\u{code:04x}")),
    }
}
