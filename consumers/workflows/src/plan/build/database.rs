//! Statements in databases, through connections that the deployment has.

use serde_json::json;

use super::{
    Around, Builder,
    parts::{MAX_KEPT, article, is_plain, object},
};
use crate::{
    Problem,
    definition::Database,
    expr::Template,
    place::{self, quoted},
    sql::{IDEMPOTENCY_KEY, Sql},
};

impl Builder {
    pub(super) fn database(&mut self, database: &Database, place: &str, around: &Around) -> Template {
        let at = |name: &str| place::field(place, name);
        let connection = self.connection(&database.connection, &at("connection"));
        self.literal(&database.sql, &at("sql"), "a value that became part of a statement could change what it does");
        let names = match database.sql.parse::<Sql>() {
            Ok(sql) => Some(sql.names().to_vec()),
            Err(why) => {
                self.report.push(Problem::new(at("sql"), why.to_string()));
                None
            }
        };
        let mut params = Vec::new();
        for (name, value) in &database.params {
            let place = place::field(&at("params"), name);
            if name == IDEMPOTENCY_KEY {
                self.wrong(&place, "is the call's own value", "name it in the statement and leave it out here");
            } else if names.as_ref().is_some_and(|names| !names.contains(name)) {
                let message =
                    format!("isn't named in the statement, which has no `:{}`", quoted(name).trim_matches('`'));
                self.wrong(&place, message, "leave it out, or name it there");
            }
            let Some(value) = self.any(value, &place, around) else { continue };
            if !is_plain(&value.ty) {
                let message =
                    format!("must be a text, a number, a boolean, a date or a datetime, but is {}", article(&value.ty));
                self.wrong(&place, message, "name a part of it, or make a text of a list with JOIN");
            }
            params.push((name.clone(), Template::Expr(value)));
        }
        for name in names.iter().flatten() {
            if name != IDEMPOTENCY_KEY && !database.params.contains_key(name) {
                let help = format!("write `{name}: expression` under `params`");
                self.wrong(&at("params"), format!("`:{name}` stands in the statement, and has no value"), help);
            }
        }
        self.few(database.returns.len(), &at("returns"), MAX_KEPT);
        for (name, ty) in &database.returns {
            let place = place::field(&at("returns"), name);
            self.name(&place, name);
            if !is_plain(ty) {
                let message =
                    format!("must be a text, a number, a boolean, a date or a datetime, but is {}", article(ty));
                self.report.push(Problem::new(place, message));
            }
        }
        object([
            ("connection", Some(connection)),
            ("sql", Some(Template::Literal(json!(database.sql)))),
            ("params", (!params.is_empty()).then(|| Template::Object(params.into_iter().collect()))),
            ("returns", (!database.returns.is_empty()).then(|| Template::Literal(json!(database.returns)))),
        ])
    }
}
