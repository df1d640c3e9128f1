//! Twilio's list of messages.

use jiff::fmt::rfc2822;
use reqwest::Method;
use sendoff_events::Timestamp;
use serde::Deserialize;
use url::form_urlencoded;

use super::Twilio;
use crate::channels::http::HttpRequest;

/// How many messages are asked for at once: few enough for the answer to be read as a whole.
const PAGE_SIZE: usize = 20;

/// How many pages are read at most. Whoever has had more messages is known too well to be sure of anything about them.
const PAGES: usize = 25;

/// One message as Twilio lists it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Listed {
    pub(super) sid: Option<String>,
    pub(super) to: Option<String>,
    pub(super) from: Option<String>,
    pub(super) messaging_service_sid: Option<String>,
    pub(super) body: Option<String>,
    pub(super) direction: Option<String>,
    pub(super) status: Option<String>,
    pub(super) error_code: Option<u32>,
    date_created: Option<String>,
}

impl Listed {
    /// When Twilio took it, in whole seconds; `None` if it doesn't say.
    pub(super) fn created(&self) -> Option<Timestamp> {
        rfc2822::parse(self.date_created.as_deref()?).ok().map(|moment| moment.timestamp())
    }

    /// Whether it came from a recipient.
    pub(super) fn is_incoming(&self) -> bool {
        self.direction.as_deref() == Some("inbound")
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    messages: Vec<Listed>,
    next_page_uri: Option<String>,
}

impl Twilio {
    /// The messages to `to`, as Twilio writes it: all, or those that were sent on the day of `sent_since` or later.
    ///
    /// # Errors
    ///
    /// Why it isn't the whole list.
    pub(super) async fn list(&self, to: &str, sent_since: Option<Timestamp>) -> Result<Vec<Listed>, String> {
        let mut url = self.first_url(to, sent_since);
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let page = self.page(url).await?;
            if page.messages.iter().any(|message| message.to.as_deref() != Some(to)) {
                return Err("the list holds messages to others".to_owned());
            }
            found.extend(page.messages);
            let Some(next) = page.next_page_uri else { return Ok(found) };
            url = self.next_url(&next)?;
        }
        Err(format!("there are more than {} messages to this recipient", PAGES * PAGE_SIZE))
    }

    fn first_url(&self, to: &str, sent_since: Option<Timestamp>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("To", to);
        if let Some(since) = sent_since {
            // `DateSent>=`: the filter's name ends where the `=` of the query stands.
            query.append_pair("DateSent>", &since.strftime("%Y-%m-%d").to_string());
        }
        query.append_pair("PageSize", &PAGE_SIZE.to_string());
        format!("{}?{}", self.messages_url(), query.finish())
    }

    async fn page(&self, url: String) -> Result<Page, String> {
        let request = self.authorized(HttpRequest::new(Method::GET, url))?;
        let answer = self.http().send(request).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("HTTP {}", answer.status.as_u16()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("the list can't be read: {error}"))
    }

    /// The address of the next page: Twilio's `next_page_uri` is one relative to its own. Credentials go nowhere else.
    fn next_url(&self, uri: &str) -> Result<String, String> {
        let (base, path) = self.base_and_path();
        let is_ours = uri.strip_prefix(path).is_some_and(|rest| rest.starts_with('?'));
        if is_ours { Ok(format!("{base}{uri}")) } else { Err("the next page lies elsewhere".to_owned()) }
    }
}
