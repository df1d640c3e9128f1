//! The text of a statement. It is constant: what varies is bound to the names in it, `:name`.

use std::{iter::Peekable, str::CharIndices, str::FromStr};

/// The most bytes of a statement.
pub(super) const MAX_SQL: usize = 20_000;
/// The most names in one.
const MAX_NAMES: usize = 100;
/// The name that is the call's own: the same for each attempt.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency_key";
/// How a statement may begin: what reads and writes rows, and nothing that opens files, changes settings or ends transactions.
const VERBS: [&str; 8] = ["select", "with", "values", "insert", "update", "delete", "merge", "replace"];

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    parts: Vec<Part>,
    names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The name's place in the list.
    Name(usize),
}

/// The text is no single statement with names in it. Completes "`sql` …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// It holds more than one.
    #[error("must be a single statement: nothing may follow `;`")]
    Several,
    /// It begins with something else.
    #[error("must begin with select, with, values, insert, update, delete, merge or replace")]
    Verb,
    /// Something in it has no end.
    #[error("has {0} that isn't closed")]
    Open(&'static str),
    /// It has a parameter without a name, or a text between dollars.
    #[error("must be without `$`: parameters are written `:name`, texts between single quotes")]
    Dollar,
    /// A comment inside of a comment, which not every database takes for one.
    #[error("must be without comments inside of comments")]
    Nested,
    /// Too many names.
    #[error("has more than 100 names")]
    Names,
    /// A character that ends a text in some database.
    #[error("must be without the character 0")]
    Zero,
}

impl Sql {
    /// The names in it, each once, in the order in which they come first.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it sees to it by itself that carrying it out twice is the same as once.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.names.iter().any(|name| name == IDEMPOTENCY_KEY)
    }

    /// The text with numbers in place of the names, from 1: `$1` where `mark` is `$`.
    #[must_use]
    pub fn numbered(&self, mark: char) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Name(index) => {
                    text.push(mark);
                    text.push_str(&(index + 1).to_string());
                }
            }
        }
        text
    }
}

impl FromStr for Sql {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self, SqlError> {
        if text.contains('\0') {
            return Err(SqlError::Zero);
        }
        let mut reader =
            Reader { text, at: text.char_indices().peekable(), from: 0, parts: Vec::new(), names: Vec::new() };
        reader.read()?;
        let Reader { parts, names, .. } = reader;
        Ok(Self { parts, names })
    }
}

struct Reader<'a> {
    text: &'a str,
    at: Peekable<CharIndices<'a>>,
    /// Where the text begins that is no part yet.
    from: usize,
    parts: Vec<Part>,
    names: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), SqlError> {
        let (mut verb, mut ended) = (false, false);
        while let Some((at, c)) = self.at.next() {
            let comment = matches!((c, self.peek()), ('-', Some('-')) | ('/', Some('*')));
            if ended && !comment && !c.is_whitespace() {
                return Err(SqlError::Several);
            }
            if !verb && !comment && !c.is_whitespace() && c != '(' {
                let word: String = self.text[at..].chars().take_while(char::is_ascii_alphabetic).collect();
                if !VERBS.contains(&word.to_ascii_lowercase().as_str()) {
                    return Err(SqlError::Verb);
                }
                verb = true;
            }
            match c {
                '\'' => self.quoted('\'', false, "a text")?,
                '"' => self.quoted('"', false, "a quoted name")?,
                '`' => self.quoted('`', false, "a quoted name")?,
                '-' if comment => self.skip_while(|c| c != '\n'),
                '/' if comment => self.comment()?,
                '$' => return Err(SqlError::Dollar),
                ';' => {
                    self.part(at);
                    self.from = at + 1;
                    ended = true;
                }
                ':' => self.colon(at)?,
                c if is_word(c) => self.word(at)?,
                _ => {}
            }
        }
        if !verb {
            return Err(SqlError::Verb);
        }
        if !ended {
            self.part(self.text.len());
        }
        Ok(())
    }

    fn peek(&mut self) -> Option<char> {
        self.at.peek().map(|(_, c)| *c)
    }

    fn skip_while(&mut self, rule: impl Fn(char) -> bool) {
        while self.at.next_if(|(_, c)| rule(*c)).is_some() {}
    }

    /// A text or a name up to its end; the mark twice is one of its characters.
    fn quoted(&mut self, mark: char, escapes: bool, what: &'static str) -> Result<(), SqlError> {
        while let Some((_, c)) = self.at.next() {
            match c {
                '\\' if escapes => drop(self.at.next()),
                c if c == mark && self.at.next_if(|(_, next)| *next == mark).is_none() => return Ok(()),
                _ => {}
            }
        }
        Err(SqlError::Open(what))
    }

    fn comment(&mut self) -> Result<(), SqlError> {
        self.at.next();
        while let Some((_, c)) = self.at.next() {
            match (c, self.peek()) {
                ('*', Some('/')) => {
                    self.at.next();
                    return Ok(());
                }
                ('/', Some('*')) => return Err(SqlError::Nested),
                _ => {}
            }
        }
        Err(SqlError::Open("a comment"))
    }

    /// A word; in `E'…'` of PostgreSQL a backslash escapes.
    fn word(&mut self, at: usize) -> Result<(), SqlError> {
        self.skip_while(is_word);
        let end = self.at.peek().map_or(self.text.len(), |(at, _)| *at);
        if self.text[at..end].eq_ignore_ascii_case("e") && self.at.next_if(|(_, c)| *c == '\'').is_some() {
            self.quoted('\'', true, "a text")?;
        }
        Ok(())
    }

    /// A name, a cast (`::text`), an assignment (`:=`) or a part of a list (`[1:2]`).
    fn colon(&mut self, at: usize) -> Result<(), SqlError> {
        if self.at.next_if(|(_, c)| *c == ':').is_some() {
            return Ok(());
        }
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            return Ok(());
        }
        self.skip_while(is_word);
        let end = self.at.peek().map_or(self.text.len(), |(at, _)| *at);
        let name = &self.text[at + 1..end];
        let index = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        if self.names.len() > MAX_NAMES {
            return Err(SqlError::Names);
        }
        self.part(at);
        self.parts.push(Part::Name(index));
        self.from = end;
        Ok(())
    }

    /// What was read since the last part.
    fn part(&mut self, end: usize) {
        if self.from < end {
            self.parts.push(Part::Text(self.text[self.from..end].to_owned()));
        }
        self.from = end;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<String>) {
        let sql: Sql = text.parse().unwrap();
        (sql.numbered('$'), sql.names().to_vec())
    }

    #[test]
    fn names_become_numbers_and_the_same_name_the_same_number() {
        let (text, names) = read("select a from t where b = :b and (c = :c or d = :b)");
        assert_eq!(text, "select a from t where b = $1 and (c = $2 or d = $1)");
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn what_only_looks_like_a_name_stays_as_it_is() {
        for same in [
            "select ':a', \":b\", `:c` from t",
            "select x::text, y[1:2] from t -- :d",
            "select 1 /* :e ; */ from t",
            r"select E'it\'s :f' from t",
            "select 'it''s :g'",
        ] {
            assert_eq!(read(same), (same.to_owned(), Vec::new()), "{same}");
        }
        assert_eq!(read("select :x::text, some_e'x', a'b' where y=:ü").1, ["x"]);
        assert_eq!(read("select :ab1_::int").0, "select $1::int");
    }

    #[test]
    fn there_is_one_statement_of_a_kind_that_is_known() {
        assert_eq!(read(" -- why\n ( select 1 ) ; -- done\n").0, " -- why\n ( select 1 ) ");
        assert_eq!(read("With x as (select 1) Select * from x;").0, "With x as (select 1) Select * from x");
        for several in ["select 1; select 2", "delete from t;drop table t", "select 1;;", "select 1 -- \n; x"] {
            assert_eq!(several.parse::<Sql>(), Err(SqlError::Several), "{several}");
        }
        for verb in [
            "",
            "  ",
            "-- x",
            "attach 'x' as y",
            "pragma user_version",
            "drop table t",
            "begin",
            "do 'x'",
            "copy t to 'x'",
            "set role x",
            "selects 1",
            ";",
            "1",
            "'select'",
            "vacuum",
        ] {
            assert!(matches!(verb.parse::<Sql>(), Err(SqlError::Verb)), "{verb}");
        }
    }

    #[test]
    fn what_databases_read_differently_is_refused() {
        assert_eq!("select $1".parse::<Sql>(), Err(SqlError::Dollar));
        assert_eq!("select $$;$$".parse::<Sql>(), Err(SqlError::Dollar));
        assert_eq!("select 1 /* /* */ ; drop table t */".parse::<Sql>(), Err(SqlError::Nested));
        assert_eq!("select 'x".parse::<Sql>(), Err(SqlError::Open("a text")));
        assert_eq!("select 1 /* x".parse::<Sql>(), Err(SqlError::Open("a comment")));
        assert_eq!("select '\0'".parse::<Sql>(), Err(SqlError::Zero));
        let many: String = (0..101).map(|n| format!(" :n{n}")).collect();
        assert_eq!(format!("select {many}").parse::<Sql>(), Err(SqlError::Names));
    }
}
