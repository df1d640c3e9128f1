//! A WhatsApp template's file: what Meta has approved, and what is put into its places.

use serde::Deserialize;

/// The longest body that Meta takes, with what was put into it, in characters.
pub(super) const MOST: usize = 1024;
/// How many places a body may have; Meta takes more, but nobody reads it.
const PLACES: usize = 20;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatsappFile {
    /// Its name at Meta. Without one the message is free text, which arrives only within 24 hours of the recipient's last one.
    pub(super) template: Option<String>,
    /// Its language at Meta.
    pub(super) language: Option<String>,
    /// Its id at Twilio.
    pub(super) content_sid: Option<String>,
    /// What stands in the places, in order: Jinja.
    #[serde(default)]
    pub(super) parameters: Vec<String>,
    /// With `template`: the body as Meta has approved it, with its places `{{1}}`, `{{2}}`, …. Without: Jinja.
    pub(super) text: String,
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A place, counted from 1.
    Place(usize),
}

impl WhatsappFile {
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub(super) fn read(json: &str) -> Result<Self, Vec<String>> {
        let file: Self = serde_json::from_str(json).map_err(|e| vec![format!("it is not as it should be: {e}")])?;
        let problems = if file.template.is_some() { file.template_problems() } else { file.free_text_problems() };
        if problems.is_empty() { Ok(file) } else { Err(problems) }
    }

    fn free_text_problems(&self) -> Vec<String> {
        let only = [
            ("language", self.language.is_some()),
            ("content_sid", self.content_sid.is_some()),
            ("parameters", !self.parameters.is_empty()),
        ];
        let given = only.into_iter().filter(|(_, given)| *given);
        given.map(|(field, _)| format!("`{field}` goes only with `template`, the template's name at Meta")).collect()
    }

    fn template_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut rule = |kept: bool, problem: String| {
            if !kept {
                problems.push(problem);
            }
        };
        let name = self.template.as_deref().unwrap_or_default();
        let of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        rule(
            (1..=512).contains(&name.len()) && name.bytes().all(of_name),
            "`template` is no name that Meta takes: lower-case letters, digits and underscores, 512 at most".into(),
        );
        let language = self.language.as_deref().unwrap_or_default();
        rule(is_language(language), "`language` is no code that Meta takes, such as `en`, `de` or `pt_BR`".into());
        rule(self.content_sid.as_deref().is_none_or(is_content_sid), NO_CONTENT_SID.into());
        let count = self.parameters.len();
        rule(count <= PLACES, format!("it has {count} parameters; {PLACES} are the most"));
        match self.pieces() {
            Err(problem) => rule(false, problem),
            Ok(pieces) => {
                for place in 1..=count {
                    let there = pieces.contains(&Piece::Place(place));
                    rule(there, format!("`text` has no place `{{{{{place}}}}}` for parameter {place}"));
                }
                let beyond = pieces.iter().find(|piece| matches!(piece, Piece::Place(n) if *n == 0 || *n > count));
                if let Some(Piece::Place(n)) = beyond {
                    rule(false, format!("`text` has a place `{{{{{n}}}}}`, but there are {count} parameters"));
                }
                let ends = [pieces.first(), pieces.last()];
                let placed = ends.iter().any(|end| matches!(end, Some(Piece::Place(_))));
                rule(!placed, "`text` begins or ends with a place, which Meta doesn't approve".into());
                rule(!self.text.trim().is_empty(), "`text` is empty".into());
            }
        }
        problems
    }

    /// The body, taken apart.
    pub(super) fn pieces(&self) -> Result<Vec<Piece>, String> {
        let (mut pieces, mut rest) = (Vec::new(), self.text.as_str());
        while let Some((before, after)) = rest.split_once("{{") {
            let place = after.split_once("}}").and_then(|(place, rest)| Some((place.trim().parse().ok()?, rest)));
            let Some((place, after)) = place else {
                return Err("`text` may hold places such as `{{1}}` only; expressions stand in `parameters`".into());
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(Piece::Place(place));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(pieces)
    }
}

/// Why something is no [`is_content_sid`].
pub(super) const NO_CONTENT_SID: &str = "`content_sid` is no id of Twilio's: `HX` and 32 hexadecimal digits";

/// Whether this is an id that Twilio gives to contents.
pub(super) fn is_content_sid(text: &str) -> bool {
    text.strip_prefix("HX").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_language(text: &str) -> bool {
    let (language, region) = text.split_once('_').map_or((text, None), |(language, region)| (language, Some(region)));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && region.is_none_or(|region| (2..=3).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(json: &serde_json::Value) -> String {
        WhatsappFile::read(&json.to_string()).unwrap_err().join("\n")
    }

    #[test]
    fn a_body_is_taken_apart_at_its_places() {
        let file = json!({ "template": "hi", "language": "pt_BR", "parameters": ["a", "b"], "text": "Hi {{1}}, {{ 2 }}{{1}}!" });
        let pieces = WhatsappFile::read(&file.to_string()).unwrap().pieces().unwrap();
        let text = |text: &str| Piece::Text(text.into());
        use Piece::Place;
        assert_eq!(pieces, [text("Hi "), Place(1), text(", "), Place(2), Place(1), text("!")]);
    }

    #[test]
    fn what_meta_or_twilio_would_refuse_is_refused_all_at_once() {
        let all = problems(&json!({
            "template": "App-Assigned", "language": "en-US", "content_sid": "HX12", "parameters": ["a", "b"],
            "text": "{{1}} and {{7}}",
        }));
        for why in [
            "`template` is no name that Meta takes",
            "`language` is no code",
            "`content_sid` is no id",
            "no place `{{2}}` for parameter 2",
            "a place `{{7}}`, but there are 2 parameters",
            "begins or ends with a place",
        ] {
            assert!(all.contains(why), "{why}: {all}");
        }
        let expression = problems(&json!({ "template": "hi", "language": "en", "text": "Hi {{ user.name }}." }));
        assert_eq!(expression, "`text` may hold places such as `{{1}}` only; expressions stand in `parameters`");
        let free = problems(&json!({ "text": "Hi", "language": "en", "parameters": ["a"] }));
        assert!(
            free.contains("`language` goes only with `template`") && free.contains("`parameters` goes only"),
            "{free}"
        );
        assert!(problems(&json!({ "text": "Hi", "colour": 1 })).contains("unknown field `colour`"));
        assert!(problems(&json!([])).contains("it is not as it should be"));
    }
}
