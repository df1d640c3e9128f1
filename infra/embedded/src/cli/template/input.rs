//! The files that previews are made from.

use std::{fs::File, io::Read as _, path::Path};

use sendoff_consumers::templates::{Rendered, Sample, TemplateError, Templates, samples};
use sendoff_embedded::program::{Exit, Stopped, print};
use sendoff_producers::model::{Branding, Channel};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::args::Text;

/// The largest file of data, in bytes.
const MOST: u64 = 1024 * 1024;

/// What texts are made from.
pub(super) struct Material {
    branding: Branding,
    /// `None`: that of a sample event.
    data: Option<Value>,
    samples: Vec<Sample>,
}

impl Material {
    /// Reads the files that the command line names.
    pub(super) fn of(text: &Text) -> Result<Self, Stopped> {
        let branding = branding(text.brand.as_deref())?;
        let data = text.data.as_ref().map(|path| data(Path::new(path))).transpose()?;
        Ok(Self { branding, data, samples: samples().map_err(Stopped::failed)? })
    }

    /// What the template makes of it.
    pub(super) fn render(
        &self,
        templates: &Templates,
        channel: Channel,
        name: &str,
        language: &str,
    ) -> Result<Rendered, Stopped> {
        let render = |data: &Value| templates.render(channel, name, language, data, &self.branding);
        let rendered = match &self.data {
            Some(data) => render(data),
            None => self.with_sample(name, render),
        };
        rendered.map_err(Stopped::failed)
    }

    /// With the first sample of the event that the template is named after; else with the first that it is good with.
    fn with_sample(
        &self,
        name: &str,
        render: impl Fn(&Value) -> Result<Rendered, TemplateError>,
    ) -> Result<Rendered, TemplateError> {
        if let Some(own) = self.samples.iter().find(|sample| sample.is_of(name)) {
            return render(&own.data);
        }
        let mut tried = self.samples.iter().map(|sample| render(&sample.data));
        let first = tried.next().unwrap_or_else(|| render(&Value::Object(Map::new())));
        if first.is_ok() { first } else { tried.find(Result::is_ok).unwrap_or(first) }
    }

    /// Says so where the data is nobody's.
    pub(super) fn tell(&self) {
        if self.data.is_none() {
            print::prose("made with the data of a sample event; --data FILE takes your own");
        }
    }
}

/// There is no such template.
pub(super) fn unknown(error: TemplateError) -> Stopped {
    Stopped::new(Exit::NothingMatched, error)
}

fn data(path: &Path) -> Result<Value, Stopped> {
    json::<Map<String, Value>>("--data", path, "a JSON object").map(Value::Object)
}

fn branding(path: Option<&Path>) -> Result<Branding, Stopped> {
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
