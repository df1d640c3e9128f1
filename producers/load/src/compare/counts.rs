//! What became of two runs, and how each was judged: counted, so that there is nothing to be unsure of.

use std::cmp::Ordering;

use super::{Figure, Says};
use crate::report::{Report, Word};

/// So many, of so many; `None` where nobody counts.
type Count = fn(&Report) -> Option<(u64, u64)>;

const COUNTS: [(&str, Count); 6] = [
    ("refused", |report| Some((report.sending.not_accepted(), report.sending.sent()))),
    ("lost", |report| Some((report.total.lost, report.total.sent()))),
    ("doubled", |report| Some((report.total.doubled?, report.total.sent()))),
    ("dead-lettered", |report| Some((report.total.dead_lettered + report.total.again_dead, report.total.sent()))),
    ("in doubt", |report| Some((report.total.in_doubt + report.sending.unknown(), report.total.sent()))),
    ("in flight", |report| Some((report.total.in_flight, report.total.sent()))),
];

/// What should be none, as shares of what was sent: more of it is worse.
pub(super) fn figures(first: &Report, second: &Report) -> Vec<Figure> {
    let figures = COUNTS.iter().filter_map(|(name, count)| {
        let (one, other) = (count(first), count(second));
        let says = match (one, other) {
            (None, None) => return None,
            (Some(_), None) => Says::Worse,
            (None, Some(_)) => Says::Unknown,
            (Some(one), Some(other)) => says(share(other).total_cmp(&share(one))),
        };
        let shown = |count: Option<(u64, u64)>| count.map(|(count, all)| format!("{count} of {all}"));
        Some(Figure::counted(name, [shown(one), shown(other)], says))
    });
    figures.collect()
}

/// How each run was judged. Nothing can be compared with a run that says nothing.
pub(super) fn verdict(first: &Report, second: &Report) -> Figure {
    let (one, other) = (first.verdict.word, second.verdict.word);
    let shown = |word: Word| Some(word.text().to_owned());
    let says = if matches!(one, Word::Invalid | Word::Unasked) {
        Says::Unknown
    } else {
        says(badness(other).cmp(&badness(one)))
    };
    Figure::counted("verdict", [shown(one), shown(other)], says)
}

fn share((count, all): (u64, u64)) -> f64 {
    if all == 0 { 0.0 } else { count as f64 / all as f64 }
}

const fn badness(word: Word) -> u8 {
    match word {
        Word::Ok => 0,
        Word::Partly => 1,
        Word::InDoubt => 2,
        Word::Stopped => 3,
        Word::Invalid => 4,
        Word::Unasked => 5,
        Word::Failed => 6,
    }
}

const fn says(second_has: Ordering) -> Says {
    match second_has {
        Ordering::Less => Says::Better,
        Ordering::Equal => Says::Nothing,
        Ordering::Greater => Says::Worse,
    }
}
