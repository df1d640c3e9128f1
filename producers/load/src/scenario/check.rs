//! From values to a scenario: each by its own rule, then what they have to do with each other.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sendoff_host::config::{Given, Problem, Source, TomlFile, fill, shown};

use super::{
    GeneratorLimits, Guards, Ingredient, Keys, Kind, Scenario, Shares,
    settings::{Draft, EVENT, EventDraft, SETTINGS, Settings, ShapeName},
};
use crate::{
    Via,
    arrivals::{Shape, read_trace},
};

/// The scenario, unless something is wrong with it; that is added to the problems.
pub(super) fn scenario(path: &Path, file: &TomlFile, problems: &mut Vec<Problem>) -> Option<Scenario> {
    let mut draft = Draft::default();
    fill(SETTINGS, &mut draft, &file.values, "", problems);
    let mix = mix(path, file, problems);
    let mut settings = draft.finish()?;
    let mut checker = Checker { path, values: &file.values, problems };
    let shape = checker.shape(&settings);
    // A trace has its own end.
    if let Some(Shape::Trace { moments, .. }) = &shape
        && !file.values.iter().any(|given| given.key == "duration")
    {
        let last = moments.last().copied().unwrap_or_default();
        settings.duration = last + Duration::from_millis(1);
    }
    checker.ways(&settings, &mix, file);
    Some(checker.scenario(settings, shape?, mix))
}

fn mix(path: &Path, file: &TomlFile, problems: &mut Vec<Problem>) -> Vec<Ingredient> {
    let mut mix = Vec::new();
    for (source, values) in &file.tables {
        let mut draft = EventDraft::default();
        fill(EVENT, &mut draft, values, "event.", problems);
        if !values.iter().any(|given| given.key == "type") {
            problems.push(problem("event.type", source.clone(), None, "is missing: every `[[event]]` needs it".into()));
        }
        if let Some(event) = draft.finish() {
            mix.push(Ingredient { kind: event.kind, weight: event.weight, size: event.size });
        }
    }
    if file.tables.is_empty() {
        let source = Source::File { path: path.to_owned(), line: 1 };
        problems.push(problem("event", source, None, "there has to be one `[[event]]` at least".into()));
    }
    mix
}

fn problem(key: &str, source: Source, value: Option<String>, rule: String) -> Problem {
    Problem { key: key.to_owned(), source, value, rule, suggestion: None }
}

struct Checker<'a> {
    path: &'a Path,
    values: &'a [Given],
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn blame(&mut self, key: &str, rule: impl Into<String>) {
        let of = |key: &str| self.values.iter().rev().find(|given| given.key == key);
        let given = of(key);
        // What a shape lacks is missed by whoever chose the shape.
        let by = given.or_else(|| of("rate.shape").filter(|_| key.starts_with("rate.")));
        let source = by.map_or_else(|| Source::File { path: self.path.to_owned(), line: 1 }, |by| by.source.clone());
        let value = given.map(|given| shown(&given.text, false));
        self.problems.push(problem(key, source, value, rule.into()));
    }

    fn shape(&mut self, settings: &Settings) -> Option<Shape> {
        let (name, needs): (&str, &[&str]) = match settings.shape {
            ShapeName::Constant => ("constant", &["rate.rate"]),
            ShapeName::Poisson => ("poisson", &["rate.rate"]),
            ShapeName::Ramp => ("ramp", &["rate.from", "rate.to"]),
            ShapeName::Spike => ("spike", &["rate.base", "rate.peak", "rate.at", "rate.lasting"]),
            ShapeName::Trace => ("trace", &["rate.file"]),
        };
        let before = self.problems.len();
        let given: Vec<&str> = self.values.iter().map(|given| given.key.as_str()).collect();
        for key in needs.iter().filter(|key| !given.contains(*key)) {
            self.blame(key, format!("is missing: the shape `{name}` needs it"));
        }
        let also = |key: &str| key == "rate.shape" || needs.contains(&key) || (name == "trace" && key == "rate.speed");
        for key in given.iter().filter(|key| key.starts_with("rate.") && !also(key)) {
            if SETTINGS.iter().any(|setting| setting.key == *key) {
                self.blame(
                    key,
                    format!("says nothing about the shape `{name}`: leave it out, or choose another shape"),
                );
            }
        }
        if self.problems.len() > before {
            return None;
        }
        match settings.shape {
            ShapeName::Constant => Some(Shape::Constant(settings.rate?)),
            ShapeName::Poisson => Some(Shape::Poisson(settings.rate?)),
            ShapeName::Ramp => Some(Shape::Ramp { from: settings.from?, to: settings.to? }),
            ShapeName::Spike => {
                let (at, lasting) = (settings.at?, settings.lasting?);
                if at + lasting > settings.duration {
                    self.blame(
                        "rate.at",
                        "the spike ends after the run does: begin it earlier, or make `duration` longer",
                    );
                }
                Some(Shape::Spike { base: settings.base?, peak: settings.peak?, at, lasting })
            }
            ShapeName::Trace => {
                let file = settings.file.clone()?;
                let at = self.beside(&file);
                match read_trace(&at, settings.speed.unwrap_or(1.0)) {
                    Ok(moments) => Some(Shape::Trace { file, moments }),
                    Err(error) => {
                        self.blame("rate.file", format!("can't be used: {error}"));
                        None
                    }
                }
            }
        }
    }

    /// A file of the scenario starts at its folder, one of a flag at the present folder.
    fn beside(&self, file: &Path) -> PathBuf {
        let by_flag = self.values.iter().rev().find(|given| given.key == "rate.file");
        match by_flag.map(|given| &given.source) {
            Some(Source::Flag(_)) => file.to_owned(),
            _ => self.path.parent().unwrap_or(Path::new("")).join(file),
        }
    }

    fn ways(&mut self, settings: &Settings, mix: &[Ingredient], file: &TomlFile) {
        if settings.warm_up >= settings.duration {
            let end = if settings.shape == ShapeName::Trace { "the trace, or its `duration`" } else { "`duration`" };
            self.blame("warm_up", format!("must be shorter than {end}, or no latency is left"));
        }
        if settings.users < settings.tenants {
            self.blame("keys.users", format!("must be {} at least: one for each tenant", settings.tenants));
        }
        if settings.duplicate + settings.poison + settings.oversize > 1.0 {
            self.blame("shares.duplicate", "the shares of duplicates, poison and oversize are more than everything");
        }
        if settings.poison > 0.0 && settings.via != Via::Queue {
            self.blame(
                "shares.poison",
                "only `via = \"queue\"` can send what can't be decoded: every other way encodes events",
            );
        }
        if settings.duplicate > 0.0 && settings.via == Via::Table {
            self.blame(
                "shares.duplicate",
                "a commit writes an event once: send duplicates by `topic`, `queue` or `api`",
            );
        }
        if settings.oversize > 0.0 && settings.via == Via::Queue {
            self.blame(
                "shares.oversize",
                "a queue takes what fits into a message: send oversize events by `topic` or `table`",
            );
        }
        if settings.via == Via::Api {
            if settings.oversize > 0.0 {
                self.blame("shares.oversize", "the API's events carry references, and are never too large");
            }
            let other = mix.iter().zip(&file.tables).find(|(event, _)| event.kind != Kind::SubmissionCreated);
            if let Some((event, (source, _))) = other {
                let rule = "a request makes a submission: by `api`, `submission.created` is the only type";
                self.problems.push(problem(
                    "event.type",
                    source.clone(),
                    Some(format!("{:?}", event.kind.word())),
                    rule.into(),
                ));
            }
        }
    }

    fn scenario(&mut self, settings: Settings, shape: Shape, mix: Vec<Ingredient>) -> Scenario {
        let Settings { name, seed, duration, warm_up, via, drain, tenants, apps, users, zipf, .. } = settings;
        let (duplicate, poison, oversize) = (settings.duplicate, settings.poison, settings.oversize);
        Scenario {
            name,
            seed,
            duration,
            warm_up,
            via,
            drain,
            shape,
            mix,
            keys: Keys { tenants, apps, users, zipf },
            shares: Shares { duplicate, poison, oversize, oversize_bytes: settings.oversize_bytes },
            slo: settings.require.unwrap_or_default(),
            guards: Guards {
                max_events: settings.max_events as u64,
                max_rate: settings.max_rate,
                max_cost: settings.max_cost,
                max_outstanding: settings.max_outstanding,
                allow: settings.allow.unwrap_or_default(),
            },
            generator: GeneratorLimits {
                late_after: settings.late_after,
                late_share: settings.late_share,
                look_behind: settings.look_behind,
            },
            soak: false,
        }
    }
}
