//! Facts about who may use an app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AppId, Event, UserId};

/// A user was given an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppAssigned {
    /// The app that was assigned.
    pub app_id: AppId,
    /// The user it was assigned to.
    pub user_id: UserId,
    /// Who assigned it.
    pub assigned_by: UserId,
}

impl Event for AppAssigned {
    const TYPE: &'static str = "app.assigned";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("apps/{}/assignments/{}", self.app_id, self.user_id)
    }
}

/// A user lost an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppUnassigned {
    /// The app that was taken away.
    pub app_id: AppId,
    /// The user who had it.
    pub user_id: UserId,
    /// Who took it away.
    pub unassigned_by: UserId,
}

impl Event for AppUnassigned {
    const TYPE: &'static str = "app.unassigned";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("apps/{}/assignments/{}", self.app_id, self.user_id)
    }
}
