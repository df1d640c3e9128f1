//! The list of messages, with its filters and pages.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Refused, TwilioMessage, TwilioStub};
use crate::servers::Asked;

/// The filters and the place in the list.
#[derive(Default)]
struct Query {
    to: Option<String>,
    from: Option<String>,
    on: Option<String>,
    until: Option<String>,
    since: Option<String>,
    page_size: usize,
    page: usize,
}

impl TwilioStub {
    /// One page of the list, newest first. As at the real one, what still waits has no date of sending, and no filter by that
    /// date shows it.
    pub(super) fn list(&self, asked: &Asked) -> Result<Value, Refused> {
        let query = Query::of(asked)?;
        let all = self.messages();
        let found: Vec<_> = all.iter().rev().filter(|message| query.takes(message)).collect();
        let page: Vec<_> = found.iter().skip(query.page * query.page_size).take(query.page_size).collect();
        let is_last = (query.page + 1) * query.page_size >= found.len();
        let next = (!is_last).then(|| self.page_uri(asked, query.page + 1));
        let start = query.page * query.page_size;
        Ok(json!({
            "end": start + page.len().saturating_sub(1),
            "first_page_uri": self.page_uri(asked, 0),
            "next_page_uri": next,
            "page": query.page,
            "page_size": query.page_size,
            "previous_page_uri": null,
            "messages": page.iter().map(|message| self.resource(message)).collect::<Vec<_>>(),
            "start": start,
            "uri": self.page_uri(asked, query.page),
        }))
    }

    fn page_uri(&self, asked: &Asked, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let rest = asked.query_fields().into_iter().filter(|(name, _)| name != "Page" && name != "PageToken");
        query.extend_pairs(rest).append_pair("Page", &page.to_string());
        query.append_pair("PageToken", &format!("PASM{page}"));
        format!("{}?{}", self.path(), query.finish())
    }
}

impl Query {
    fn of(asked: &Asked) -> Result<Self, Refused> {
        let mut query = Self { page_size: 50, ..Self::default() };
        let number = |name: &str, value: &str| {
            value.parse::<usize>().map_err(|_| (400, 20001, format!("{name} is not a number: {value}")))
        };
        for (name, value) in asked.query_fields() {
            match &*name {
                "To" => query.to = Some(value),
                "From" => query.from = Some(value),
                "DateSent" => query.on = Some(day(value)?),
                "DateSent<" => query.until = Some(day(value)?),
                "DateSent>" => query.since = Some(day(value)?),
                "PageSize" => query.page_size = number(&name, &value)?,
                "Page" => query.page = number(&name, &value)?,
                "PageToken" if value.starts_with("PA") => {}
                _ => return Err((400, 20001, format!("Unknown parameter {name}={value}"))),
            }
        }
        if (1..=1000).contains(&query.page_size) {
            Ok(query)
        } else {
            Err((400, 20001, "PageSize is not within 1 and 1000".into()))
        }
    }

    fn takes(&self, message: &TwilioMessage) -> bool {
        let sent = message.sent.map(|sent| sent.strftime("%Y-%m-%d").to_string());
        let fits = |wanted: &Option<String>, rule: fn(&str, &str) -> bool| match (wanted, &sent) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(sent)) => rule(sent, wanted),
        };
        self.to.as_ref().is_none_or(|to| *to == message.to)
            && self.from.as_ref().is_none_or(|from| Some(from) == message.from.as_ref())
            && fits(&self.on, |sent, wanted| sent == wanted)
            && fits(&self.until, |sent, wanted| sent <= wanted)
            && fits(&self.since, |sent, wanted| sent >= wanted)
    }
}

fn day(text: String) -> Result<String, Refused> {
    match text.parse::<jiff::civil::Date>() {
        Ok(day) if day.to_string() == text => Ok(text),
        _ => Err((400, 20001, format!("Invalid date value: {text}"))),
    }
}
