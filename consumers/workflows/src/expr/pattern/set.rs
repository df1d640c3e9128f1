//! Sets of characters of Unicode's first plane.

/// Characters, as ranges in ascending order.
pub(super) type Set = Vec<(u32, u32)>;

/// All characters that any class can have.
const ALL: [(u32, u32); 2] = [(0, 0xD7FF), (0xE000, 0xFFFD)];

pub(super) fn single(c: char) -> Result<(u32, u32), String> {
    let code = u32::from(c);
    if ALL.iter().any(|(first, last)| (*first..=*last).contains(&code)) {
        Ok((code, code))
    } else {
        Err(format!("`{c}` is beyond the characters that patterns know: no pattern matches emoji"))
    }
}

/// In ascending order, without overlaps.
pub(super) fn merged(mut set: Set) -> Set {
    set.sort_unstable();
    let mut merged: Set = Vec::new();
    for (first, last) in set {
        match merged.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

pub(super) fn complement(set: &[(u32, u32)]) -> Set {
    let set = merged(set.to_vec());
    let mut rest = Vec::new();
    for (first, last) in ALL {
        let mut from = first;
        for (a, z) in &set {
            if *a > last || *z < from {
                continue;
            }
            if *a > from {
                rest.push((from, a - 1));
            }
            from = z + 1;
        }
        if from <= last {
            rest.push((from, last));
        }
    }
    rest
}

/// Without what no class can have.
pub(super) fn intersect_all(set: Set) -> Set {
    complement(&complement(&set))
}

pub(super) fn disjoint(a: &Set, b: &Set) -> bool {
    a.iter().all(|(first, last)| b.iter().all(|(other, end)| last < other || end < first))
}
