//! Places of a definition, such as `steps[2].then[0].email.subject`, and the names that stand in messages.

/// The most characters of a name that a message repeats.
const SHOWN: usize = 60;

/// The place of a field of the object at `place`.
pub(crate) fn field(place: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name.len() <= SHOWN
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match (plain, place.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{place}.{name}"),
        (false, _) => format!("{place}[{:?}]", shown(name)),
    }
}

/// The place of an item of the list at `place`.
pub(crate) fn item(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

/// The place that is `within` what stands at `place`.
pub(crate) fn join(place: &str, within: &str) -> String {
    match (place, within) {
        (place, "") => place.to_owned(),
        ("", within) => within.to_owned(),
        (place, within) if within.starts_with('[') || within.starts_with('.') => format!("{place}{within}"),
        (place, within) => format!("{place}.{within}"),
    }
}

/// A name as messages have it: not too long, without control characters.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", shown(name))
}

fn shown(name: &str) -> String {
    let mut shown: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

/// What to write in place of a name that isn't known.
pub(crate) fn suggest(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("there are {}", known.join(", "))
        }
    }
}

/// The known name that is most like it, if one is.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Comparing takes the product of both lengths.
    if name.len() > SHOWN {
        return None;
    }
    let distance = |known: &&'a str| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), *known);
    let (distance, near) = known.iter().map(distance).min()?;
    (distance <= 1 + near.len() / 4).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_way_from_the_top() {
        assert_eq!(field(&item(&field("", "steps"), 2), "then"), "steps[2].then");
        assert_eq!(field("set", "a b\n"), "set[\"a b…\"]");
        assert_eq!(join("steps[0].http.body", "[1].name"), "steps[0].http.body[1].name");
        assert_eq!(join("steps[0].http.body", "name"), "steps[0].http.body.name");
        assert_eq!(join("steps[0].if", ""), "steps[0].if");
    }

    #[test]
    fn only_a_name_that_is_like_it_is_suggested() {
        assert_eq!(suggest("emial", &["email", "sms"]), "did you mean `email`?");
        assert_eq!(suggest("telegram", &["email", "sms"]), "there are `email`, `sms`");
        assert_eq!(suggest(&"x".repeat(1_000_000), &["email"]), "there are `email`");
    }
}
