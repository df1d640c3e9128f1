//! Whether an app's own mail template can ever give a mail: looked at when it is put, not when somebody waits for the mail.

use std::collections::BTreeSet;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use sendoff_producers::model::{MailFlaw, MailPart, MailTemplate};
use serde_json::json;

use super::{TemplateError, engine, with_brand};

/// What an app's own template may ask for. Which fields a submission has only the submission knows.
const KNOWN: [&str; 6] = ["app", "author", "brand", "submission", "unsubscribe_url", "user"];

/// Everything that is wrong with an app's own mail template whatever the submission is: its syntax, variables that no mail has, and
/// filters, tests and functions that don't exist.
#[must_use]
pub fn flaws(template: &MailTemplate) -> Vec<MailFlaw> {
    let parts = [(MailPart::Subject, &template.subject), (MailPart::Text, &template.text)];
    let found = |(part, source): (MailPart, &String)| {
        let details = match engine::on_a_deep_stack("template", || details(source)) {
            Ok(details) => details,
            // Nothing is known of the template then.
            Err(error) => {
                tracing::warn!(%error, "a template is taken without a look at it");
                Vec::new()
            }
        };
        details.into_iter().map(move |detail| MailFlaw { part, detail })
    };
    parts.into_iter().flat_map(found).collect()
}

fn details(source: &str) -> Vec<String> {
    let mut environment = engine::environment();
    // Fields that the sample hasn't are no mistake.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    let told = |error: minijinja::Error| vec![TemplateError::new("", &error).what()];
    let template = match environment.template_from_str(source) {
        Ok(template) => template,
        Err(error) => return told(error),
    };
    let mut details: Vec<String> = unknown(&environment, template.undeclared_variables(false)).collect();
    let sample = json!({
        "app": { "id": "app", "name": "App" },
        "author": { "id": "author", "name": "Author" },
        "submission": { "id": "submission", "revision": 1, "fields": {} },
        "user": { "id": "user", "name": "User" },
    });
    let tried = template.render(with_brand(&sample, &Default::default()));
    if let Some(error) = tried.err().filter(|error| is_of_the_template(error.kind())) {
        details.extend(told(error));
    }
    details
}

fn unknown(environment: &Environment<'_>, asked: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    let asked: BTreeSet<String> = asked.into_iter().collect();
    let global: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let known = move |name: &String| KNOWN.contains(&name.as_str()) || global.contains(name.as_str());
    let known: Vec<bool> = asked.iter().map(known).collect();
    let told = |name: String| {
        format!("there is no variable `{name}`; there are {}", KNOWN.map(|name| format!("`{name}`")).join(", "))
    };
    asked.into_iter().zip(known).filter(|(_, known)| !known).map(move |(name, _)| told(name))
}

/// Whether no data could have mended it.
fn is_of_the_template(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(subject: &str, text: &str) -> Vec<String> {
        let flaws = flaws(&MailTemplate { subject: subject.into(), text: text.into() });
        flaws.into_iter().map(|flaw| format!("{}: {}", flaw.part.name(), flaw.detail)).collect()
    }

    #[test]
    fn what_no_submission_can_mend_is_told() {
        assert_eq!(
            told("{{ app.name }", "Hi\n{% if %}"),
            [
                "subject: line 1: syntax error: unexpected `}`, expected end of variable block",
                "text: line 2: syntax error: unexpected end of block"
            ]
        );
        let [variable] = &*told("New", "{{ customer.name }} and {{ app.name }}") else { panic!("one flaw") };
        assert!(variable.starts_with("text: there is no variable `customer`; there are `app`, "), "{variable}");
        assert_eq!(told("{{ app.name|shout }}", "x"), ["subject: line 1, at `shout`: unknown filter"]);
        assert_eq!(told("x", "\n{{ shout() }}").len(), 2, "no such variable, and no such function");
    }

    #[test]
    fn what_depends_on_the_submission_is_left_to_it() {
        for text in [
            "{{ submission.fields.amount + 1 }}",
            "{% for part in submission.fields.parts %}{{ loop.index }} {{ part.name|upper }}{% endfor %}",
            "{% set total = submission.fields.amount %}{{ total }} {{ range(3)|list }} {{ brand.name }}",
            "{{ submission.fields.name[0:3] }} {{ unsubscribe_url }} {{ user.id }} {{ author.name }}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}",
        ] {
            assert_eq!(told("{{ app.name }}", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn nesting_without_end_is_looked_at_without_harm() {
        assert!(told("x", &format!("{{{{ 1{} }}}}", "+1".repeat(9990))).is_empty());
        let _ = told("x", &"{% if 1 %}".repeat(2000));
    }
}
