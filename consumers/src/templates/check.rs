//! Whether templates are good: tried with everything that can be asked of them.

use std::collections::{BTreeMap, BTreeSet};

use sendoff_events::DecodeError;
use sendoff_producers::model::{Branding, Channel};
use serde::Serialize;

use super::{Rendered, Sample, TemplateError, TemplateInfo, Templates, locale, samples};
use crate::channels::sms::{Encoding, segments};

/// Gmail cuts what is longer off, bytes of HTML.
const CLIPPED: usize = 102 * 1024;
/// How many segments an SMS may take before it is said.
const SEGMENTS: usize = 2;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CheckReport {
    /// How many texts were made.
    pub rendered: usize,
    /// What must be mended.
    pub problems: Vec<Finding>,
    /// What may be meant so.
    pub warnings: Vec<Finding>,
}

/// Something that was found in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The template, or its file.
    pub template: String,
    /// What is the matter: one line.
    pub what: String,
    /// The samples that it was found with; none where it doesn't depend on data.
    pub samples: Vec<&'static str>,
}

/// The same finding with several samples is one.
#[derive(Default)]
struct Findings(BTreeMap<(String, String), BTreeSet<&'static str>>);

impl Findings {
    fn add(&mut self, template: &str, what: String, sample: Option<&'static str>) {
        self.0.entry((template.to_owned(), what)).or_default().extend(sample);
    }

    fn error(&mut self, error: &TemplateError, sample: &'static str) {
        self.add(&error.template, error.what(), Some(sample));
    }

    fn list(self) -> Vec<Finding> {
        let findings = self.0.into_iter();
        findings
            .map(|((template, what), samples)| Finding { template, what, samples: samples.into_iter().collect() })
            .collect()
    }
}

impl Templates {
    /// Renders each template in each language with each sample that it is about, plain and in a tenant's clothes, and looks at
    /// what came out. A template that is named after no event is tried with all samples, and must be good with those of one
    /// event.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the samples are damaged.
    pub fn check(&self) -> Result<CheckReport, DecodeError> {
        let samples = samples()?;
        let (mut rendered, mut problems, mut warnings) = (0, Findings::default(), Findings::default());
        for template in self.list() {
            for sample in self.samples_for(template, &samples) {
                for branding in [Branding::default(), example()] {
                    let TemplateInfo { channel, name, locale, .. } = template;
                    match self.render(*channel, name, locale, &sample.data, &branding) {
                        Ok(text) => warn(template, &text, sample, &mut warnings),
                        Err(error) => problems.error(&error, sample.name),
                    }
                    rendered += 1;
                }
            }
            self.compare(template, &mut problems);
        }
        Ok(CheckReport { rendered, problems: problems.list(), warnings: warnings.list() })
    }

    /// The samples that a template has to be good with.
    fn samples_for<'a>(&self, template: &TemplateInfo, samples: &'a [Sample]) -> Vec<&'a Sample> {
        let own: Vec<_> = samples.iter().filter(|sample| sample.is_of(&template.name)).collect();
        if !own.is_empty() {
            return own;
        }
        let good = |sample: &Sample| {
            self.render(template.channel, &template.name, &template.locale, &sample.data, &Branding::default()).is_ok()
        };
        let events: BTreeSet<_> = samples.iter().map(|sample| sample.event).collect();
        let of = |event: &'static str| samples.iter().filter(move |sample| sample.event == event);
        match events.into_iter().find(|event| of(event).all(good)) {
            Some(event) => of(event).collect(),
            None => samples.iter().collect(),
        }
    }

    /// Holds a language against English, and the text part of a mail against the HTML part.
    fn compare(&self, template: &TemplateInfo, problems: &mut Findings) {
        let variables = self.variables(template);
        let english = |info: &&TemplateInfo| {
            (info.channel, &info.name, info.locale.as_str()) == (template.channel, &template.name, locale::LAST_RESORT)
        };
        let all =
            |by_file: BTreeMap<String, BTreeSet<String>>| by_file.into_values().flatten().collect::<BTreeSet<_>>();
        let reference = self.list().find(english).map(|english| all(self.variables(english))).unwrap_or_default();
        let name = format!("{}/{}/{}", template.channel.name(), template.name, template.locale);
        for missing in reference.difference(&all(variables.clone())) {
            problems.add(&name, format!("it doesn't use `{missing}`, which the English one does"), None);
        }
        if template.channel == Channel::Email {
            let part =
                |part: &str| variables.iter().find(|(file, _)| file.ends_with(part)).map(|(_, used)| used.clone());
            let (html, text) = (part("/body.html").unwrap_or_default(), part("/body.txt").unwrap_or_default());
            for missing in html.difference(&text) {
                problems.add(&name, format!("its text part doesn't use `{missing}`, which its HTML part does"), None);
            }
            for missing in text.difference(&html) {
                problems.add(&name, format!("its HTML part doesn't use `{missing}`, which its text part does"), None);
            }
        }
    }

    /// The variables of the data that each part of a template uses: `user.name`.
    fn variables(&self, template: &TemplateInfo) -> BTreeMap<String, BTreeSet<String>> {
        let parts = template.files.iter().flat_map(|file| match self.whatsapp.get(&file.path) {
            Some(whatsapp) => super::whatsapp::parts(&file.path, whatsapp).into_iter().map(|(part, _)| part).collect(),
            None => vec![file.path.clone()],
        });
        let used = |part: &str| {
            let used = self.environment.get_template(part).map(|t| t.undeclared_variables(true)).unwrap_or_default();
            used.into_iter().filter(|name| name.contains('.') && !name.starts_with("brand.")).collect()
        };
        parts.map(|part| (part.clone(), used(&part))).collect()
    }
}

/// What isn't wrong, but costs.
fn warn(template: &TemplateInfo, text: &Rendered, sample: &Sample, warnings: &mut Findings) {
    let mut add = |what| {
        let path = template.files.first().map(|file| file.path.as_str()).unwrap_or_default();
        warnings.add(path, what, Some(sample.name));
    };
    match text {
        Rendered::Mail(mail) if mail.html.len() > CLIPPED => {
            add(format!("its HTML part is longer than {} KiB: Gmail hides the rest", CLIPPED / 1024));
        }
        Rendered::Sms(text) => {
            let taken = segments(text);
            if taken.encoding == Encoding::Ucs2 {
                let odd =
                    text.chars().find(|c| segments(&c.to_string()).encoding == Encoding::Ucs2).unwrap_or_default();
                add(format!(
                    "`{odd}` makes it {}: {} characters in a segment",
                    taken.encoding.name(),
                    taken.per_segment
                ));
            }
            if taken.count > SEGMENTS {
                add(format!("it takes {} segments", taken.count));
            }
        }
        Rendered::Mail(_) | Rendered::Whatsapp(_) | Rendered::Push(_) => {}
    }
}

fn example() -> Branding {
    Branding {
        name: Some("Acme".into()),
        logo_url: Some("https://acme.example/logo.png".into()),
        color: Some("#0055aa".into()),
        footer: Some("Acme, 1 Example Road, Exampletown".into()),
    }
}
