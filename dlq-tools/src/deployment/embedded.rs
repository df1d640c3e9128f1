//! A data folder.

use sendoff_host::{Exit, Stopped};

use super::{Access, Deployment, Place};
use crate::Session;

pub(super) fn open(_session: &Session, _place: &Place, _access: Access) -> Result<Deployment, Stopped> {
    Err(Stopped::new(Exit::Failed, "not built yet"))
}
