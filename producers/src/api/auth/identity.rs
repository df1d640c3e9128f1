//! Checking a token outside of the API, in an authorizer before it.

use sendoff_events::{TenantId, Timestamp, UserId};

use super::{Caller, KeySet, Refusal, bearer_token};

/// Whom a token speaks for, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub subject: UserId,
    /// Its scopes, with spaces between them. `None` allows everything.
    pub scopes: Option<String>,
}

impl KeySet {
    /// Whom the value of an `Authorization` header speaks for: the same check that the API makes.
    ///
    /// # Errors
    ///
    /// [`Refusal`], which says nothing of the token's text.
    pub fn identify(&self, authorization: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let verified = self.verify(bearer_token(authorization).ok_or(Refusal::NoToken)?, now)?;
        let Caller { tenant, subject } = verified.caller;
        Ok(Identity { tenant, subject, scopes: verified.scopes })
    }
}
