//! The files that previews are made from.

use std::{fs::File, io::Read as _, path::Path};

use sendoff_embedded::program::{Exit, Stopped};
use sendoff_producers::model::Branding;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The largest file of data, in bytes.
const MOST: u64 = 1024 * 1024;

pub(super) fn data(path: &Path) -> Result<Value, Stopped> {
    json::<Map<String, Value>>("--data", path, "a JSON object").map(Value::Object)
}

pub(super) fn branding(path: Option<&Path>) -> Result<Branding, Stopped> {
    path.map_or_else(|| Ok(Branding::default()), |path| json("--brand", path, "a branding as JSON"))
}

fn json<T: DeserializeOwned>(flag: &str, path: &Path, what: &str) -> Result<T, Stopped> {
    let stopped = |why: String| Stopped::new(Exit::Usage, format!("{flag}: {}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|e| stopped(format!("it can't be read: {e}")))?;
    file.take(MOST + 1).read_to_string(&mut text).map_err(|e| stopped(format!("it can't be read: {e}")))?;
    if text.len() as u64 > MOST {
        return Err(stopped(format!("it is larger than {} KiB", MOST / 1024)));
    }
    serde_json::from_str(&text).map_err(|e| stopped(format!("it is not {what}: {e}")))
}
