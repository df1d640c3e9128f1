//! The file of a plan.

use proptest::prelude::*;
use sendoff_dlq_tools::plan::{Draft, Plan, PlanError};

use super::drafts::{entry, head};

fn written(folder: &std::path::Path, count: usize) -> Plan {
    let mut draft = Draft::begin(&folder.join("a.plan"), &head()).unwrap();
    (0..count).for_each(|n| draft.add(&entry(n, true)).unwrap());
    draft.finish().unwrap()
}

#[test]
fn a_plan_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let plan = written(folder.path(), 12);
    assert_eq!(plan.head(), &head());
    let entries: Vec<_> = plan.entries().map(Result::unwrap).collect();
    assert_eq!(entries, (0..12).map(|n| entry(n, true)).collect::<Vec<_>>());
    assert_eq!(plan.place(&entry(7, true).id), Some(7));
    assert_eq!(plan.hash().len(), 64);
    assert!(plan.is_called(&plan.hash()[..8]) && !plan.is_called(&plan.hash()[..7]));
}

#[test]
fn a_plan_is_private_and_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let plan = written(folder.path(), 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(plan.path()).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);
    assert!(matches!(Draft::begin(plan.path(), &head()), Err(PlanError::Taken(_))));
}

#[test]
fn a_message_that_stands_there_twice_makes_it_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let mut draft = Draft::begin(&folder.path().join("a.plan"), &head()).unwrap();
    draft.add(&entry(1, false)).unwrap();
    draft.add(&entry(1, false)).unwrap();
    assert!(matches!(draft.finish(), Err(PlanError::Foreign { line: 3, .. })));
}

proptest! {
    #[test]
    fn any_byte_that_is_changed_added_or_taken_away_is_seen(at in 0.0..1.0_f64, to in any::<u8>(), how in 0..3_u8) {
        let folder = tempfile::tempdir().unwrap();
        let plan = written(folder.path(), 3);
        let mut bytes = std::fs::read(plan.path()).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        let before = bytes.clone();
        match how {
            0 => bytes[at] = to,
            1 => bytes.insert(at, to),
            _ => drop(bytes.remove(at)),
        }
        prop_assume!(bytes != before);
        let changed = folder.path().join("changed.plan");
        std::fs::write(&changed, &bytes).unwrap();
        prop_assert!(Plan::open(&changed).is_err());
    }

    #[test]
    fn whatever_stands_in_a_file_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.plan");
        std::fs::write(&path, &bytes).unwrap();
        prop_assert!(Plan::open(&path).is_err());
    }
}
