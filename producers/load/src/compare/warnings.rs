//! What makes two runs hard to compare.

use crate::report::{Report, Word, bytes, micros, time};

/// What isn't the same in both: everything that a report tells of a run but what is to differ, its name, its seed and the commit.
pub(super) fn warnings(first: &Report, second: &Report) -> Vec<String> {
    let told = WHAT.iter().filter_map(|(what, of)| {
        // What an older report doesn't tell is no difference.
        let (one, other) = (of(first)?, of(second)?);
        (one != other).then(|| format!("{what} differs: `{one}` and `{other}`"))
    });
    let mut warnings: Vec<String> = told.collect();
    if first.scenario.duration_s.total_cmp(&second.scenario.duration_s).is_ne() {
        warnings
            .push("memory and backlog of runs that aren't equally long aren't alike: both may grow with time".into());
    }
    for report in [first, second] {
        match report.verdict.word {
            Word::Invalid => warnings.push(format!("`{}` says nothing: its generator was too slow", report.run)),
            Word::Stopped | Word::Partly => warnings.push(format!("`{}` was ended early", report.run)),
            Word::Ok | Word::Failed | Word::Unasked | Word::InDoubt => {}
        }
    }
    warnings
}

/// As a reader reads it; `None` where the report doesn't tell.
type Of = fn(&Report) -> Option<String>;

const WHAT: [(&str, Of); 20] = [
    ("the rate", |report| Some(report.scenario.rate.clone())),
    ("the duration", |report| Some(time(report.scenario.duration_s))),
    ("the warm-up", |report| Some(time(report.scenario.warm_up_s))),
    ("the drain", |report| report.scenario.drain_s.map(time)),
    ("the way in", |report| Some(report.scenario.via.word().to_owned())),
    ("the mix", |report| Some(report.scenario.mix.join("; "))),
    ("the keys", |report| Some(report.scenario.keys.clone())),
    ("what isn't sent as it should be", |report| Some(report.scenario.shares.clone())),
    ("the size of what is oversize", |report| report.scenario.oversize_bytes.map(|size| format!("{size} B"))),
    ("what has to hold", |report| {
        Some(report.verdict.checks.iter().map(|check| &*check.slo).collect::<Vec<_>>().join("; "))
    }),
    ("from when on a send is late", |report| Some(micros(report.generator.late_after_us))),
    ("the share of late sends that is allowed", |report| Some(report.generator.late_share.to_string())),
    ("the system", |report| Some(report.place.target.clone())),
    ("the durability", |report| Some(report.place.durability.clone().unwrap_or_else(|| "the system's own".into()))),
    ("the machine", |report| Some(report.place.processor.clone())),
    ("the number of processors", |report| Some(report.place.processors.to_string())),
    ("the machine's memory", |report| report.place.memory.map(bytes)),
    ("the operating system", |report| Some(report.place.system.clone())),
    ("the version of the load test", |report| Some(report.place.version.clone())),
    ("the build", |report| Some(report.place.build.clone())),
];
