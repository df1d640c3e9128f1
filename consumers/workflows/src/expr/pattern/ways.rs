//! How long an engine may need that tries one way after the other.

use super::{
    Atom, Item, LONGEST_TEXT,
    set::{Set, disjoint, merged},
};

/// Whether there is just one way to match it: no choices and no repetitions but of a fixed number.
pub(super) fn fixed(alternatives: &[Vec<Item>]) -> bool {
    alternatives.len() == 1
        && alternatives[0].iter().all(|item| {
            item.most == Some(item.least) && matches!(&item.atom, Atom::Group(inner) if fixed(inner))
                || item.most == Some(item.least) && matches!(item.atom, Atom::Class(_))
        })
        && !alternatives[0].is_empty()
}

/// What it may begin with. `None` if it may be empty.
pub(super) fn begins(alternatives: &[Vec<Item>]) -> Option<Set> {
    let mut set = Vec::new();
    for sequence in alternatives {
        let item = sequence.first().filter(|item| item.least > 0)?;
        match &item.atom {
            Atom::Class(class) => set.extend(class),
            Atom::Group(inner) => set.extend(begins(inner)?),
        }
    }
    Some(merged(set))
}

/// The binary logarithm of how many ways an engine may try, at most. Where what follows tells one from the other at its first character,
/// there is one way. `last`: the text ends after it.
pub(super) fn ways(alternatives: &[Vec<Item>], last: bool) -> f64 {
    let mut sum = 0.0;
    if alternatives.len() > 1 && !alternatives_differ(alternatives) {
        sum += count(alternatives.len()).log2();
    }
    for sequence in alternatives {
        for (index, item) in sequence.iter().enumerate() {
            let next = sequence.get(index + 1);
            let ends = last && next.is_none();
            let own = match &item.atom {
                Atom::Class(class) => Some(class.clone()),
                Atom::Group(inner) => {
                    sum += ways(inner, ends && item.most == Some(1));
                    begins(inner)
                }
            };
            if item.most == Some(item.least) {
                continue;
            }
            let following = next.filter(|next| next.least > 0).and_then(|next| match &next.atom {
                Atom::Class(class) => Some(class.clone()),
                Atom::Group(inner) => begins(inner),
            });
            let told = ends || matches!((&own, &following), (Some(own), Some(following)) if disjoint(own, following));
            if !told {
                sum += count(item.most.unwrap_or(LONGEST_TEXT).saturating_sub(item.least) + 1).log2();
            }
        }
    }
    sum
}

pub(super) fn alternatives_differ(alternatives: &[Vec<Item>]) -> bool {
    let sets: Option<Vec<Set>> = alternatives.iter().map(|one| begins(std::slice::from_ref(one))).collect();
    sets.is_some_and(|sets| {
        sets.iter().enumerate().all(|(index, set)| sets[..index].iter().all(|other| disjoint(set, other)))
    })
}

pub(super) fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

pub(super) fn places(alternatives: &[Vec<Item>]) -> usize {
    let of = |item: &Item| {
        let inner = match &item.atom {
            Atom::Class(_) => 1,
            Atom::Group(inner) => places(inner),
        };
        inner.saturating_mul(item.most.unwrap_or(item.least.max(1)))
    };
    alternatives.iter().flatten().map(of).fold(0, usize::saturating_add)
}
