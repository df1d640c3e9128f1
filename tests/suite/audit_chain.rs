//! The audit in the inbox's table, by many who write into it at once, over services that fail in every way they can.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use sendoff_aws::{Aws, Store};
use sendoff_consumers::{AuditDigest, AuditError, AuditNote, check_chain};
use sendoff_events::Clock as _;
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::{
    conformance::OnAws,
    faults::{FaultyHttp, Weather},
    servers::Emulator,
    simulation::World,
};

fn note(n: usize) -> AuditNote {
    AuditNote {
        who: "grace".into(),
        action: "replay".into(),
        event: None,
        target: format!("plan {n}"),
        because: "the template is mended".into(),
    }
}

#[tokio::test]
async fn many_who_write_at_once_through_lost_answers_make_one_chain_with_each_entry_once() {
    let backend = OnAws::open().await;
    let weather = Arc::new(Weather::new(World::new(5).rng(), 300));
    let aws = Aws::with_http(Emulator::shared().environment(), FaultyHttp::client(weather)).unwrap();
    let stormy =
        Store::new(aws, backend.store().resources().clone(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let audit = stormy.audit();
    let written = join_all((0..8).map(|writer| {
        let audit = &audit;
        async move {
            let mut written = Vec::new();
            for n in 0..6 {
                match audit.append(&note(writer * 100 + n)).await {
                    Ok(entry) => written.push(entry),
                    // Whether it stands there is unknown then.
                    Err(AuditError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            written
        }
    }))
    .await;
    let chain = backend.store().audit().entries(0, usize::MAX).await.unwrap();
    assert_eq!(check_chain(AuditDigest::NONE, 1, &chain), Ok(()));
    for entry in written.iter().flatten() {
        assert_eq!(&chain[entry.seq as usize - 1], entry, "it stands where it was said to");
    }
    let targets: BTreeSet<&str> = chain.iter().map(|entry| entry.note.target.as_str()).collect();
    assert_eq!(targets.len(), chain.len(), "none stands there twice");
    assert!(written.iter().flatten().count() >= 40, "nearly all were told");

    let page = backend.store().audit().entries(2, 3).await.unwrap();
    assert_eq!(page, chain[2..5]);
    assert_eq!(backend.store().audit().entries(1000, 3).await.unwrap(), []);
}

#[tokio::test]
async fn an_entry_that_is_taken_away_from_the_end_or_a_head_that_is_gone_is_damage() {
    let backend = OnAws::open().await;
    let store = Store::new(
        backend.store().aws().clone(),
        backend.store().resources().clone(),
        Arc::new(SystemClock),
        Arc::new(SystemRng::new()),
    );
    let audit = store.audit();
    let before = SystemClock.now();
    for n in 0..3 {
        assert_eq!(audit.append(&note(n)).await.unwrap().seq, n as u64 + 1);
    }
    assert!(audit.entries(0, 1).await.unwrap()[0].at >= sendoff_events::at_millis(before));
    let delete = |id: &'static str| {
        use aws_sdk_dynamodb::types::AttributeValue;
        let table = &store.resources().inbox_table;
        store.aws().dynamodb().delete_item().table_name(table).key("id", AttributeValue::S(id.into())).send()
    };
    delete("audit#00000000000000000003").await.unwrap();
    let error = audit.entries(0, 10).await.unwrap_err();
    assert!(matches!(&error, AuditError::Damaged(why) if why.contains("entry 3 is missing")), "{error}");
    delete("audit#head").await.unwrap();
    let error = audit.append(&note(4)).await.unwrap_err();
    assert!(matches!(&error, AuditError::Damaged(why) if why.contains("head")), "{error}");
}
