//! Lists, a page at a time.

use axum::{Json, extract::FromRequestParts, http::request::Parts};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiState, auth::Caller, problem::Problem, query};
use crate::Record;

/// The most items of a page.
pub(super) const MAX_LIMIT: usize = 200;

/// The items of a page when the caller names no limit.
pub(super) const DEFAULT_LIMIT: usize = 50;

/// A part of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(super) struct Listed<T> {
    /// The items, ordered by id.
    pub(super) items: Vec<T>,
    /// Pass it as `after` to get what follows. Absent at the end of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// Which page the caller wants.
#[derive(Debug)]
pub(super) struct Paging {
    limit: usize,
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut paging = Self { limit: DEFAULT_LIMIT, after: None };
        query::read(parts, |name, text| match name {
            "limit" => {
                let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                paging.limit = limit.ok_or_else(|| format!("is not a number from 1 to {MAX_LIMIT}"))?;
                Ok(())
            }
            "after" => {
                let after = from_cursor(text);
                paging.after = Some(after.ok_or("is not a cursor: pass what `next` said, unchanged")?);
                Ok(())
            }
            _ => query::unknown(),
        })?;
        Ok(paging)
    }
}

/// A page of the caller's records in `collection` whose id starts with `prefix`, each shown by `view`.
pub(super) async fn page<T>(
    api: &ApiState,
    caller: &Caller,
    collection: &str,
    prefix: &str,
    paging: &Paging,
    view: impl Fn(Record) -> Result<T, Problem>,
) -> Result<Json<Listed<T>>, Problem> {
    let after = paging.after.as_deref();
    let page = api.records().list(&caller.tenant, collection, prefix, after, paging.limit).await?;
    let items = page.records.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(Listed { items, next: page.next.as_deref().map(to_cursor) }))
}

/// A cursor is the hexadecimal form of a record's id: opaque to callers, and safe in a URL as it is. Tenant and prefix stay
/// those of the request, so a forged one reaches nothing else.
fn to_cursor(id: &str) -> String {
    id.bytes().map(|b| format!("{b:02x}")).collect()
}

fn from_cursor(cursor: &str) -> Option<String> {
    let digits = cursor.as_bytes();
    if digits.is_empty() || digits.len() > 2048 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = digits.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4) | digit(pair[1])?));
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_back_the_id_it_stands_for() {
        assert_eq!(from_cursor(&to_cursor("expenses/2026-11-24T03:00Z/ü")).unwrap(), "expenses/2026-11-24T03:00Z/ü");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "a", "zz", "ff", "6é", "+1"] {
            assert_eq!(from_cursor(text), None, "{text}");
        }
    }
}
