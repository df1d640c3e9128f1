//! What the tests start from.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use sendoff_events::{BoxFuture, Clock, Rng, Timestamp, catalogue};
use serde_json::Value;

/// A body that is right in every way, to be spoilt in one: the golden sample with every attribute.
pub(crate) fn good() -> Value {
    json(catalogue::all()[0].versions[0].samples[0])
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Every golden sample with its type.
pub(crate) fn every_sample() -> impl Iterator<Item = (String, &'static str)> {
    let entries = catalogue::all();
    entries.into_iter().flat_map(|entry| {
        let name = entry.event_type.name().to_owned();
        let versions = entry.versions.iter();
        versions.flat_map(move |v| {
            let event_type = format!("{name}.v{}", v.number);
            v.samples.iter().map(move |sample| (event_type.clone(), *sample))
        })
    })
}

/// A path in this crate.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The committed schema of a type, such as `app.assigned.v1`.
pub(crate) fn committed_schema(event_type: &str) -> Option<Value> {
    fs::read_to_string(path(&format!("schemas/{event_type}.json"))).ok().map(|text| json(&text))
}

pub(crate) fn files_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(path(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A clock that stands still.
pub(crate) struct Stopped(pub(crate) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// A generator that always gives the same bits.
pub(crate) struct Constant(pub(crate) u64);

impl Rng for Constant {
    fn next_u64(&self) -> u64 {
        self.0
    }
}
