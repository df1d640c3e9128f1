//! A pattern is read.

use super::{
    Atom, DEEPEST, Item, LONGEST_TEXT,
    set::{Set, complement, intersect_all, single},
    ways::fixed,
};

pub(super) struct Reader {
    pub(super) rest: Vec<char>,
    pub(super) at: usize,
}

impl Reader {
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    pub(super) fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Item>>, String> {
        if depth > DEEPEST {
            return Err(format!("groups are more than {DEEPEST} deep"));
        }
        let mut all = vec![Vec::new()];
        while let Some(next) = self.peek() {
            match next {
                ')' => break,
                '|' => {
                    self.next();
                    all.push(Vec::new());
                }
                _ => {
                    let item = self.item(depth)?;
                    if let Some(last) = all.last_mut() {
                        last.push(item);
                    }
                }
            }
        }
        Ok(all)
    }

    fn item(&mut self, depth: usize) -> Result<Item, String> {
        let atom = self.atom(depth)?;
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.next();
                self.count()?
            }
            _ => return Ok(Item { atom, least: 1, most: Some(1) }),
        };
        self.next();
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err(
                "two repetitions in a row; lazy and possessive ones aren't there, since the whole text has to match"
                    .into(),
            );
        }
        if most != Some(1) && matches!(&atom, Atom::Group(inner) if !fixed(inner)) {
            return Err(
                "a group that is repeated has a choice or a repetition in it; only `?` may follow such a group".into(),
            );
        }
        Ok(Item { atom, least, most })
    }

    /// `n}`, `n,}` or `n,m}`, but for the last `}`.
    fn count(&mut self) -> Result<(usize, Option<usize>), String> {
        let least = self.number().ok_or("`{` isn't followed by a number; write `\\{` for the character")?;
        let most = if self.take(',') { self.number() } else { Some(least) };
        if self.peek() != Some('}') || most.is_some_and(|most| most < least || most == 0) || least > LONGEST_TEXT {
            return Err(format!("repetitions look like {{2}}, {{2,}} or {{2,5}} and are at most {LONGEST_TEXT}"));
        }
        match most {
            Some(most) if most > LONGEST_TEXT => Err(format!("repetitions are at most {LONGEST_TEXT}")),
            most => Ok((least, most)),
        }
    }

    fn number(&mut self) -> Option<usize> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) && self.at < from + 4 {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect::<String>().parse().ok()
    }

    fn atom(&mut self, depth: usize) -> Result<Atom, String> {
        let first = self.next().ok_or("it ends too early")?;
        Ok(match first {
            '(' => {
                if self.take('?') && !self.take(':') {
                    return Err("`(?` begins something that isn't there: no look-around, names or flags".into());
                }
                let inner = self.alternatives(depth + 1)?;
                if !self.take(')') {
                    return Err("a `(` has no `)`".into());
                }
                Atom::Group(inner)
            }
            '[' => Atom::Class(self.class()?),
            '.' => Atom::Class(complement(&[(0x0A, 0x0A), (0x0D, 0x0D)])),
            '\\' => Atom::Class(self.escape()?),
            '^' | '$' => {
                return Err(format!(
                    "`{first}` isn't needed: the whole text has to match; write `\\{first}` for the character"
                ));
            }
            '*' | '+' | '?' | '{' | '}' | ']' => {
                return Err(format!(
                    "`{first}` stands where nothing can be repeated or ended; write `\\{first}` for the character"
                ));
            }
            c => Atom::Class(vec![single(c)?]),
        })
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<Set, String> {
        const DIGIT: [(u32, u32); 1] = [(0x30, 0x39)];
        const WORD: [(u32, u32); 4] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
        const SPACE: [(u32, u32); 3] = [(0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)];
        match self.next() {
            Some('d') => Ok(DIGIT.to_vec()),
            Some('w') => Ok(WORD.to_vec()),
            Some('s') => Ok(SPACE.to_vec()),
            Some('D') => Ok(complement(&DIGIT)),
            Some('W') => Ok(complement(&WORD)),
            Some('S') => Ok(complement(&SPACE)),
            Some('t') => Ok(vec![(9, 9)]),
            Some('n') => Ok(vec![(10, 10)]),
            Some('r') => Ok(vec![(13, 13)]),
            Some(c) if c.is_ascii_punctuation() => Ok(vec![single(c)?]),
            Some(c) if c.is_ascii_digit() => Err(format!("`\\{c}` would refer to a group, which isn't possible")),
            Some(c) => Err(format!(
                "`\\{c}` means nothing here; there are \\d \\w \\s \\D \\W \\S \\t \\n \\r and \\ before signs"
            )),
            None => Err("it ends with a `\\`".into()),
        }
    }

    fn class(&mut self) -> Result<Set, String> {
        let negated = self.take('^');
        let mut set = Vec::new();
        loop {
            let first = match self.next().ok_or("a `[` has no `]`")? {
                ']' => break,
                '\\' => self.escape()?,
                '[' => return Err("`[` within a class has to be written `\\[`".into()),
                '&' if self.peek() == Some('&') => return Err("`&&` isn't possible in a class".into()),
                c => vec![single(c)?],
            };
            let range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                set.extend(first);
                continue;
            }
            self.next();
            let last = match self.next().ok_or("a `[` has no `]`")? {
                '\\' => self.escape()?,
                '[' => return Err("`[` within a class has to be written `\\[`".into()),
                c => vec![single(c)?],
            };
            match (first.as_slice(), last.as_slice()) {
                ([(a, a2)], [(z, z2)]) if a == a2 && z == z2 && a <= z => set.push((*a, *z)),
                _ => return Err("a range in a class goes from one character to a later one".into()),
            }
        }
        let set = if negated { complement(&set) } else { intersect_all(set) };
        if set.is_empty() { Err("a class has no characters".into()) } else { Ok(set) }
    }
}
