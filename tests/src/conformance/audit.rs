//! What people did by hand: a chain that can only grow.

use futures::future::join_all;
use sendoff_consumers::{AuditDigest, AuditEntry, AuditNote, check_chain};

use super::{
    Backend,
    given::{at, event_id},
};

fn note(backend: &dyn Backend, target: &str) -> AuditNote {
    AuditNote {
        who: "grace \"ü\"".into(),
        action: "replay".into(),
        event: Some(event_id(backend)),
        target: target.into(),
        because: "the template is mended — 漢字 \\ %".into(),
    }
}

async fn append(backend: &dyn Backend, note: &AuditNote) -> AuditEntry {
    backend.audit().append(note).await.expect("the audit answers")
}

async fn all(backend: &dyn Backend) -> Vec<AuditEntry> {
    let all = backend.audit().entries(0, 1000).await.expect("the audit answers");
    assert_eq!(check_chain(AuditDigest::NONE, 1, &all), Ok(()));
    all
}

pub(super) async fn every_field_of_an_entry_comes_back_as_it_was(backend: &dyn Backend) {
    assert_eq!(all(backend).await, []);
    let before = at(backend);
    let notes = [
        note(backend, "email-dlq"),
        AuditNote { event: None, ..note(backend, "") },
        AuditNote { because: String::new(), ..note(backend, "a plan") },
    ];
    for note in &notes {
        let entry = append(backend, note).await;
        assert!(entry.at >= before && entry.at <= at(backend), "{entry:?}");
        assert_eq!(all(backend).await.last(), Some(&entry));
    }
    assert_eq!(all(backend).await.into_iter().map(|entry| entry.note).collect::<Vec<_>>(), notes);
}

pub(super) async fn entries_are_read_page_by_page_in_their_order(backend: &dyn Backend) {
    let mut written = Vec::new();
    for n in 0..12 {
        written.push(append(backend, &note(backend, &n.to_string())).await);
    }
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = backend.audit().entries(after, 5).await.expect("the audit answers");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 5);
        after = last.seq;
        read.extend(page);
    }
    assert_eq!(read, written);
}

pub(super) async fn of_many_who_write_at_once_each_has_its_own_place_in_the_chain(backend: &dyn Backend) {
    let writers = (0..4).map(|writer| {
        let audit = backend.audit();
        let notes: Vec<_> = (0..5).map(|n| note(backend, &format!("{writer}/{n}"))).collect();
        tokio::spawn(async move {
            for note in notes {
                audit.append(&note).await.expect("the audit answers");
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("no panic");
    }
    let all = all(backend).await;
    assert_eq!(all.len(), 20);
    for writer in 0..4 {
        let own = |entry: &&AuditEntry| entry.note.target.starts_with(&format!("{writer}/"));
        let own: Vec<_> = all.iter().filter(own).map(|entry| entry.note.target.clone()).collect();
        assert_eq!(own, (0..5).map(|n| format!("{writer}/{n}")).collect::<Vec<_>>(), "each writer's in their order");
    }
}
