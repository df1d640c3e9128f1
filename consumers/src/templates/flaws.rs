//! Whether an app's own mail template can ever give a mail: looked at when it is put, not when somebody waits for the mail.

use std::sync::Arc;

use minijinja::{ErrorKind, Value, value::Object};
use sendoff_producers::model::{MailFlaw, MailPart, MailTemplate};

use super::{TemplateError, engine, with_brand};

/// A form that has every field.
#[derive(Debug)]
struct AnyFields;

impl Object for AnyFields {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from("value"))
    }
}

/// What is wrong with an app's own mail template whatever the submission is: its syntax, variables that no mail has, and filters,
/// tests and functions that don't exist. Of each part the first flaw is told, and what may depend on the submission is none.
#[must_use]
pub fn flaws(template: &MailTemplate) -> Vec<MailFlaw> {
    let parts = [(MailPart::Subject, &template.subject), (MailPart::Text, &template.text)];
    let found = |(part, source): (MailPart, &String)| {
        let detail = engine::on_a_deep_stack("template", || detail(source));
        // Where that can't be, nothing is known of the template.
        let detail = detail.inspect_err(|error| tracing::warn!(%error, "a template is taken without a look at it"));
        detail.ok().flatten().map(|detail| MailFlaw { part, detail })
    };
    parts.into_iter().filter_map(found).collect()
}

fn detail(source: &str) -> Option<String> {
    let environment = engine::environment();
    let template = match environment.template_from_str(source) {
        Ok(template) => template,
        Err(error) => return Some(TemplateError::new("", &error).what()),
    };
    let submission = minijinja::context! { id => "submission", revision => 1, fields => Value::from_object(AnyFields) };
    let data = minijinja::context! {
        app => minijinja::context! { id => "app", name => "App" },
        author => minijinja::context! { id => "author", name => "Author" },
        user => minijinja::context! { id => "user", name => "User" },
        submission, unsubscribe_url => "https://example.org",
    };
    let error = template.render(with_brand(&data, &Default::default())).err()?;
    let told = TemplateError::new("", &error);
    let is_flaw = match error.kind() {
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => true,
        ErrorKind::UndefinedError => {
            let expression = told.expression.as_deref().unwrap_or_default();
            let root = expression.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            // What a loop or a `set` has named may come from the submission, as its fields do.
            template.undeclared_variables(false).contains(root) && !expression.starts_with("submission.fields")
        }
        _ => false,
    };
    is_flaw.then(|| told.what())
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
        let none = "there is no such variable";
        assert_eq!(
            told("New", "Hi\n{{ customer.name }} and {{ app.name }}"),
            [format!("text: line 2, at `customer.name`: {none}")]
        );
        assert_eq!(told("{{ app.owner }}", "x"), [format!("subject: line 1, at `app.owner`: {none}")]);
        assert_eq!(told("{{ app.name|shout }}", "x"), ["subject: line 1, at `shout`: unknown filter"]);
        assert_eq!(told("x", "\n{{ shout() }}"), ["text: line 2, at `shout()`: unknown function"]);
    }

    #[test]
    fn what_depends_on_the_submission_is_left_to_it() {
        for text in [
            "{{ submission.fields.amount + 1 }}",
            "{% for part in submission.fields.parts %}{{ loop.index }} {{ part.name|upper }}{% endfor %}",
            "{{ customer|default('you') }} {% if discount is defined %}{{ discount }}{% endif %}",
            "{% set part = submission.fields.part %}{{ part.name }} {{ submission.fields.a.b.c }}",
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
