//! Submissions that are made or changed.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Around, Builder, parts::object};
use crate::{
    Problem,
    definition::{Json, Record, Words},
    expr::Template,
    place,
};

impl Builder {
    pub(super) fn record(&mut self, record: &Record, place: &str, around: &Around) -> Template {
        let at = |name: &str| place::field(place, name);
        self.app(&at("app"), &record.app);
        let author = match &record.author {
            Some(author) => self.filled(author, &at("author"), around),
            None => {
                if self.scheduled {
                    let help = "write the id of the user in whose name it is done";
                    self.wrong(
                        &at("author"),
                        "is missing: a run that a schedule starts has no submission and no author",
                        help,
                    );
                }
                self.words(&Words("{{ {submission.author} }}".to_owned()), &at("author"), around)
            }
        };
        let (create, update) = match (&record.create, &record.update) {
            (Some(create), None) => {
                let fields = self.fields(&create.fields, &at("create"), around);
                (Some(object([("fields", Some(fields))])), None)
            }
            (None, Some(update)) => {
                let submission = self.filled(&update.submission, &place::field(&at("update"), "submission"), around);
                let fields = self.fields(&update.fields, &at("update"), around);
                (None, Some(object([("submission", submission), ("fields", Some(fields))])))
            }
            _ => {
                self.wrong(place, "must have exactly one of `create` and `update`", "make it two steps");
                (None, None)
            }
        };
        let app = Template::Literal(json!(record.app));
        object([("app", Some(app)), ("author", author), ("create", create), ("update", update)])
    }

    /// The fields of a submission.
    fn fields(&mut self, fields: &BTreeMap<String, Json>, place: &str, around: &Around) -> Template {
        let at = place::field(place, "fields");
        if fields.is_empty() {
            self.wrong(&at, "has no fields", "write `name: value`");
        }
        let mut made = Vec::new();
        for (name, value) in fields {
            let place = place::field(&at, name);
            if !(1..=100).contains(&name.chars().count()) {
                self.report.push(Problem::new(&place, "must have a name of 1 to 100 characters"));
            }
            made.extend(self.json(value, &place, around).map(|made| (name.clone(), made)));
        }
        Template::Object(made.into_iter().collect())
    }
}
