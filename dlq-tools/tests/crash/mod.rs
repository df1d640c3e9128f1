//! Two replays of the same queue at once, both killed again and again at whatever step they are. At the end nothing is lost, no
//! effect happened twice, and whatever was sent twice was told of.

mod embedded;
mod journal;
mod on_aws;
mod outside;
mod reconcile;
mod replay;
mod serving;
