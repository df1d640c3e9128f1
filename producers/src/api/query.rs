//! The parameters of a query, all that is wrong with them told at once.

use axum::{extract::Query, http::request::Parts};

use super::problem::{Flaw, Kind, Problem};

/// Hands each parameter's name and value to `take`, which says what is wrong with it.
pub(super) fn read(parts: &Parts, mut take: impl FnMut(&str, &str) -> Result<(), String>) -> Result<(), Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|_| Problem::new(Kind::InvalidRequest, "the query is not valid"))?;
    let mut flaws = Vec::new();
    for (name, text) in pairs {
        if let Err(detail) = take(&name, &text) {
            let parameter = Some(name.chars().take(80).collect());
            flaws.push(Flaw { pointer: None, parameter, detail });
        }
    }
    match flaws.is_empty() {
        true => Ok(()),
        false => Err(Problem::new(Kind::InvalidRequest, "query parameters are not valid").with_flaws(flaws)),
    }
}

/// What is wrong with a parameter that means nothing here.
pub(super) fn unknown() -> Result<(), String> {
    Err("is not a parameter that exists here".to_owned())
}
