//! A document with transcripts in it: what it says happens, and what does.

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Prose, as it stands.
    Text(String),
    /// `<!-- scenario: NAME -->`: from here on in this folder, made anew.
    Scenario(String),
    /// `<!-- then: WHAT -->`: something that happens between the commands.
    Then(String),
    /// A command of a ```` ```console ```` block, and what it prints, with the exit code at the end if it isn't 0.
    Command {
        /// As it stands after `$ `.
        line: String,
        /// What it is said to print.
        told: String,
    },
}

/// The pieces of a document, such that [`write`] gives it back.
pub(super) fn read(document: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut inside = false;
    for line in document.lines() {
        if inside && line == "```" {
            inside = false;
        }
        if inside {
            match (line.strip_prefix("$ "), pieces.last_mut()) {
                (Some(command), _) => {
                    push(&mut pieces, &mut text);
                    pieces.push(Piece::Command { line: command.to_owned(), told: String::new() });
                }
                (None, Some(Piece::Command { line: command, told })) if text.is_empty() => {
                    if told.is_empty() && command.ends_with('\\') {
                        command.push('\n');
                        command.push_str(line);
                    } else {
                        told.push_str(line);
                        told.push('\n');
                    }
                }
                (None, _) => panic!("a ```console block begins with a command: `$ …`, not with `{line}`"),
            }
            continue;
        }
        let comment = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
        let special = comment.and_then(|comment| match comment.split_once(": ") {
            Some(("scenario", name)) => Some(Piece::Scenario(name.to_owned())),
            Some(("then", what)) => Some(Piece::Then(what.to_owned())),
            _ => None,
        });
        if let Some(special) = special {
            push(&mut pieces, &mut text);
            pieces.push(special);
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if line == "```console" {
            inside = true;
            push(&mut pieces, &mut text);
        }
    }
    push(&mut pieces, &mut text);
    pieces
}

fn push(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

/// The document of these pieces.
pub(super) fn write(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Scenario(name) => format!("<!-- scenario: {name} -->\n"),
        Piece::Then(what) => format!("<!-- then: {what} -->\n"),
        Piece::Command { line, told } => format!("$ {line}\n{told}"),
    };
    pieces.iter().map(piece).collect()
}

/// The words of a command line, as a shell splits it: quotes, `\` before a character or at the end of a line.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<String>, None::<char>);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, open) {
            (c, Some(quote)) if c == quote => open = None,
            ('\\', None | Some('"')) => match characters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                open = Some(character);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    assert!(open.is_none(), "a quote isn't closed: {line}");
    words.extend(word);
    words
}

/// Whether what was printed is what was told; `[..]` stands for anything within a line.
pub(super) fn fits(told: &str, printed: &str) -> bool {
    let (told, printed): (Vec<_>, Vec<_>) = (told.lines().collect(), printed.lines().collect());
    told.len() == printed.len() && told.iter().zip(&printed).all(|(told, printed)| line_fits(told, printed))
}

fn line_fits(told: &str, printed: &str) -> bool {
    let mut parts = told.split("[..]");
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut exact = true;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        exact = part.is_empty();
        if exact {
            rest = "";
        }
    }
    rest.is_empty() || (!exact && rest.is_empty())
}

#[test]
fn a_document_is_written_as_it_was_read() {
    let document = "# T\n\n<!-- scenario: a -->\n<!-- other -->\n```console\n$ dlq ls \\\n    --x 'a b'\nout\n? 4\n$ dlq man\n```\n\nend\n";
    let pieces = read(document);
    assert_eq!(write(&pieces), document);
    let commands: Vec<_> = pieces.iter().filter(|piece| matches!(piece, Piece::Command { .. })).collect();
    assert_eq!(commands.len(), 2);
    let Piece::Command { line, told } = commands[0] else { panic!() };
    assert_eq!(words(line), ["dlq", "ls", "--x", "a b"]);
    assert_eq!(told, "out\n? 4\n");
}

#[test]
fn a_placeholder_stands_for_anything_within_its_line_and_for_nothing_else() {
    assert!(fits("a [..] c\n", "a b c\n") && fits("a [..]\n", "a\u{20}\n") && fits("[..]x[..]\n", "1x2\n"));
    assert!(
        !fits("a [..] c\n", "a b d\n") && !fits("a\n", "a\nb\n") && !fits("a\n", "ab\n") && !fits("a[..]b\n", "abc\n")
    );
}
