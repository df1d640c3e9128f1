//! A deployment on AWS.

use sendoff_host::{Exit, Stopped};

use super::{Deployment, Place};
use crate::Session;

pub(super) async fn open(_session: &Session, _place: &Place) -> Result<Deployment, Stopped> {
    Err(Stopped::new(Exit::Failed, "not built yet"))
}
