//! Links that recipients and providers get: where they lead, and proof that they are ours.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::{TenantId, Timestamp, UserId};
use sendoff_producers::model::Channel;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

/// Makes links below the deployment's public address. Cloning it is cheap.
#[derive(Clone)]
pub struct Links(Arc<Inner>);

struct Inner {
    base: String,
    /// The first one signs; the others are what older links were signed with.
    keys: Vec<hmac::Key>,
}

/// Stands before what is signed, so that no other kind of link can ever be passed off as this one.
const UNSUBSCRIBE: &str = "unsubscribe.";
/// The same for approvals.
const APPROVAL: &str = "approval.";

/// The longest token that is looked at, in bytes: four names, the longest 64 characters, need a third of it; a run and its step of
/// 256 bytes each need half of it.
const MAX_TOKEN: usize = 2048;

/// Links can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinksError {
    /// Providers and mail clients only follow https.
    #[error("the public address is not an https address without query, such as `https://notify.example.org`")]
    Base,
    /// Whoever guesses it can unsubscribe others.
    #[error("the secret for links has fewer than 16 bytes: take 32 random ones")]
    Secret,
}

/// What an unsubscribe link says: who doesn't want to hear of what any more, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// Whose user it is.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// Who.
    #[serde(rename = "u")]
    pub user: UserId,
    /// The name of the event: `app.assigned`.
    #[serde(rename = "e")]
    pub event: String,
    /// The channel.
    #[serde(rename = "c")]
    pub channel: Channel,
}

/// What a link for an approval says: who may decide what, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalLink {
    /// Whose run it is.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// The run that waits.
    #[serde(rename = "r")]
    pub run: String,
    /// Which of its steps.
    #[serde(rename = "i")]
    pub instance: String,
    /// Who decides by it.
    #[serde(rename = "u")]
    pub approver: UserId,
    /// From when on it is no good any more.
    #[serde(rename = "x", with = "jiff::fmt::serde::timestamp::second::required")]
    pub deadline: Timestamp,
}

impl Links {
    /// The path that links for approvals lead to; the token follows.
    pub const APPROVALS: &str = "/approvals";
    /// The path that unsubscribe links lead to; the token follows.
    pub const UNSUBSCRIBE: &str = "/unsubscribe";

    /// Links below `base`, signed with `secret`. Plain http is taken for loopback addresses, for trying things out.
    ///
    /// # Errors
    ///
    /// [`LinksError`] when one of them won't do.
    pub fn new(base: &str, secret: &SecretString) -> Result<Self, LinksError> {
        let url = Url::parse(base).map_err(|_| LinksError::Base)?;
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if !secure || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(LinksError::Base);
        }
        let keys = vec![key(secret)?];
        Ok(Self(Arc::new(Inner { base: url.as_str().trim_end_matches('/').to_owned(), keys })))
    }

    /// The same, also taking links that were signed with a former secret: mails are kept for years, and with them their links.
    ///
    /// # Errors
    ///
    /// [`LinksError::Secret`] when it is too short.
    pub fn accepting(self, former: &SecretString) -> Result<Self, LinksError> {
        let keys = self.0.keys.iter().cloned().chain([key(former)?]).collect();
        Ok(Self(Arc::new(Inner { base: self.0.base.clone(), keys })))
    }

    /// The public address, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// The link that unsubscribes when something is POSTed to it (RFC 8058).
    #[must_use]
    pub fn unsubscribe(&self, what: &Unsubscribe) -> String {
        format!("{}{}/{}", self.0.base, Self::UNSUBSCRIBE, token(&self.0.keys[0], UNSUBSCRIBE, what))
    }

    /// What a token of [`unsubscribe`](Self::unsubscribe) says, if it is ours. It never grows too old.
    #[must_use]
    pub fn read_unsubscribe(&self, token: &str) -> Option<Unsubscribe> {
        self.read(UNSUBSCRIBE, token)
    }

    /// The link that its approver decides by, in person: looking at it changes nothing.
    #[must_use]
    pub fn approval(&self, what: &ApprovalLink) -> String {
        format!("{}{}/{}", self.0.base, Self::APPROVALS, token(&self.0.keys[0], APPROVAL, what))
    }

    /// What a token of [`approval`](Self::approval) says, if it is ours. Whether its time is over is for the caller to say.
    #[must_use]
    pub fn read_approval(&self, token: &str) -> Option<ApprovalLink> {
        self.read(APPROVAL, token)
    }

    fn read<T: DeserializeOwned>(&self, purpose: &str, token: &str) -> Option<T> {
        let (text, signature) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let signed = format!("{purpose}{text}");
        self.0.keys.iter().find(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok())?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

fn token(key: &hmac::Key, purpose: &str, what: &impl Serialize) -> String {
    // Texts and a number always make JSON.
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(what).unwrap_or_default());
    let signature = hmac::sign(key, format!("{purpose}{text}").as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn key(secret: &SecretString) -> Result<hmac::Key, LinksError> {
    let secret = secret.expose_secret().as_bytes();
    if secret.len() < 16 { Err(LinksError::Secret) } else { Ok(hmac::Key::new(hmac::HMAC_SHA256, secret)) }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("base", &self.0.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(secret: &str) -> Links {
        Links::new("https://notify.example.org/", &SecretString::from(secret)).unwrap()
    }

    #[test]
    fn an_unsubscribe_link_says_who_and_what_and_nobody_else_can_make_one() {
        let what = Unsubscribe {
            tenant: "acme".parse().unwrap(),
            user: "ada".parse().unwrap(),
            event: "app.assigned".into(),
            channel: Channel::Email,
        };
        let ours = links("0123456789abcdef");
        let link = ours.unsubscribe(&what);
        let token = link.strip_prefix("https://notify.example.org/unsubscribe/").unwrap();
        assert_eq!(ours.read_unsubscribe(token), Some(what.clone()));
        assert_eq!(links("another secret!!").read_unsubscribe(token), None);
        let (text, signature) = token.split_once('.').unwrap();
        let other =
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Unsubscribe { user: "eve".parse().unwrap(), ..what }).unwrap());
        for forged in [format!("{other}.{signature}"), format!("{text}."), text.to_owned(), String::new()] {
            assert_eq!(ours.read_unsubscribe(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_link_for_an_approval_is_no_other_link_and_says_who_decides_what() {
        let what = ApprovalLink {
            tenant: "acme".parse().unwrap(),
            run: "r".repeat(256),
            instance: "i".repeat(256),
            approver: "ada".parse().unwrap(),
            deadline: "2026-11-27T08:00:00Z".parse().unwrap(),
        };
        let ours = links("0123456789abcdef");
        let link = ours.approval(&what);
        let token = link.strip_prefix("https://notify.example.org/approvals/").unwrap();
        assert_eq!(ours.read_approval(token), Some(what.clone()));
        assert_eq!(links("another secret!!").read_approval(token), None);
        assert_eq!(ours.read_unsubscribe(token), None);
        let unsubscribe = Unsubscribe {
            tenant: "acme".parse().unwrap(),
            user: "ada".parse().unwrap(),
            event: "app.assigned".into(),
            channel: Channel::Email,
        };
        let other = ours.unsubscribe(&unsubscribe);
        assert_eq!(ours.read_approval(other.rsplit_once('/').unwrap().1), None);
        let (_, signature) = token.split_once('.').unwrap();
        let later = ApprovalLink { deadline: "2027-11-27T08:00:00Z".parse().unwrap(), ..what };
        let later = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&later).unwrap());
        assert_eq!(ours.read_approval(&format!("{later}.{signature}")), None, "nobody gives themselves more time");
    }

    #[test]
    fn a_link_outlives_the_secret_that_it_was_signed_with() {
        let what = Unsubscribe {
            tenant: "acme".parse().unwrap(),
            user: "ada".parse().unwrap(),
            event: "app.assigned".into(),
            channel: Channel::Email,
        };
        let (former, new) = (links("0123456789abcdef"), SecretString::from("fedcba9876543210"));
        let old = former.unsubscribe(&what);
        let (_, token) = old.rsplit_once('/').unwrap();
        let links = Links::new("https://notify.example.org", &new).unwrap();
        assert_eq!(links.read_unsubscribe(token), None);
        assert_ne!(links.unsubscribe(&what), old, "the new secret signs");
        let links = links.accepting(&SecretString::from("0123456789abcdef")).unwrap();
        assert_eq!(links.read_unsubscribe(token), Some(what));
        assert_eq!(links.accepting(&SecretString::from("short")).unwrap_err(), LinksError::Secret);
    }

    #[test]
    fn only_an_https_address_and_a_long_secret_will_do() {
        let secret = SecretString::from("0123456789abcdef");
        for base in
            ["", "notify.example.org", "http://notify.example.org", "https://a@b.example", "https://b.example/?x=1"]
        {
            assert_eq!(Links::new(base, &secret).unwrap_err(), LinksError::Base, "{base}");
        }
        assert_eq!(Links::new("https://b.example", &SecretString::from("short")).unwrap_err(), LinksError::Secret);
        assert_eq!(Links::new("http://127.0.0.1:8080", &secret).unwrap().base(), "http://127.0.0.1:8080");
    }
}
