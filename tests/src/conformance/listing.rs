//! Records: listings.

use sendoff_producers::{Expected, Page, RecordKey, UnitOfWork, Write};
use serde_json::json;

use super::{
    Backend,
    given::{acme, applied, commit, tenant, work, write},
};

async fn given_records(backend: &dyn Backend, ids: &[&str]) {
    for some in ids.chunks(90) {
        commit(backend, some.iter().map(|id| write(id, Expected::Any, json!(id))).collect()).await;
    }
}

/// All ids under a prefix, read in pages.
async fn listed(backend: &dyn Backend, prefix: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = backend.records().list(&acme(), "things", prefix, after.as_deref(), limit).await.expect("readable");
        assert!(page.records.len() <= limit, "{} records on a page of {limit}", page.records.len());
        for record in &page.records {
            assert_eq!((record.key.tenant.as_str(), &*record.key.collection), ("acme", "things"));
            assert_eq!(record.data, json!(record.key.id));
        }
        ids.extend(page.records.into_iter().map(|record| record.key.id));
        assert!(ids.len() < 5000, "the pages never end");
        match page.next {
            Some(next) => after = Some(next),
            None => return ids,
        }
    }
}

pub(super) async fn a_listing_is_in_the_order_of_ids(backend: &dyn Backend) {
    // The order of their bytes in UTF-8.
    let ids = ["10", "9", "A", "Z", "a", "a/b", "aa", "b", "z", "é", "漢", "🦀"];
    let mut shuffled = ids;
    shuffled.reverse();
    given_records(backend, &shuffled).await;
    assert_eq!(listed(backend, "", 1000).await, ids);
}

pub(super) async fn pages_give_every_record_exactly_once(backend: &dyn Backend) {
    let ids: Vec<String> = (0..23).map(|n| format!("app/{n:02}")).collect();
    given_records(backend, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for limit in [1, 7, 22, 23, 24, 1000] {
        assert_eq!(listed(backend, "app/", limit).await, ids, "in pages of {limit}");
    }
}

pub(super) async fn a_listing_of_nothing_is_empty_and_has_no_next_page(backend: &dyn Backend) {
    let page = backend.records().list(&acme(), "things", "", None, 10).await.expect("readable");
    assert_eq!((page.records.len(), page.next), (0, None));
}

pub(super) async fn a_listing_goes_on_after_an_id_that_is_gone(backend: &dyn Backend) {
    given_records(backend, &["a", "b", "c", "d"]).await;
    commit(backend, vec![write("b", Expected::Any, None)]).await;
    for after in ["b", "a~", "bzzz"] {
        let page = backend.records().list(&acme(), "things", "", Some(after), 10).await.expect("readable");
        let ids: Vec<&str> = page.records.iter().map(|record| record.key.id.as_str()).collect();
        assert_eq!(ids, ["c", "d"], "after {after}");
    }
}

pub(super) async fn the_characters_of_a_prefix_stand_for_themselves(backend: &dyn Backend) {
    let ids = ["a%b", "a*b", "a[b", "a\\b", "a_b", "axb", "A%B", "a", "aé", "a\u{10ffff}", "a\u{10ffff}x", "b"];
    given_records(backend, &ids).await;
    for prefix in ["a%", "a*", "a[", "a\\", "a_", "a", "A", "%", "_", "aé", "a\u{10ffff}", "b", "c", "axbx"] {
        let mut expected: Vec<&str> = ids.iter().copied().filter(|id| id.starts_with(prefix)).collect();
        expected.sort_unstable();
        assert_eq!(listed(backend, prefix, 3).await, expected, "prefix {prefix:?}");
    }
}

pub(super) async fn a_deleted_record_is_not_listed(backend: &dyn Backend) {
    given_records(backend, &["a", "b", "c"]).await;
    commit(backend, vec![write("b", Expected::Any, None)]).await;
    // One to a page: a gap must not end the listing.
    assert_eq!(listed(backend, "", 1).await, ["a", "c"]);
}

pub(super) async fn a_listing_crosses_neither_tenants_nor_collections(backend: &dyn Backend) {
    given_records(backend, &["a", "b"]).await;
    for (whose, collection) in [("acme", "thingsx"), ("acme", "thing"), ("acmes", "things"), ("acm", "things")] {
        let key = RecordKey::new(&tenant(whose), collection, "a-stranger");
        let stranger = Write { key, expected: Expected::Absent, data: Some(json!("hidden")) };
        let unit = UnitOfWork { tenant: tenant(whose), ..work(backend, vec![stranger]) };
        applied(backend.records().commit(unit).await);
    }
    assert_eq!(listed(backend, "", 1000).await, ["a", "b"]);
}

pub(super) async fn large_records_are_listed_whole_on_as_many_pages_as_it_takes(backend: &dyn Backend) {
    let text = "x".repeat(300_000);
    for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        commit(backend, vec![write(id, Expected::Any, json!({ "id": id, "text": text }))]).await;
    }
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = backend.records().list(&acme(), "things", "", after.as_deref(), 1000).await.expect("readable");
        let whole = |record: &sendoff_producers::Record| record.data == json!({ "id": record.key.id, "text": text });
        assert!(page.records.iter().all(whole));
        ids.extend(page.records.into_iter().map(|record| record.key.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
}

pub(super) async fn a_page_of_large_records_ends_early_and_goes_on_with_the_next(backend: &dyn Backend) {
    let text = "x".repeat(300_000);
    let ids: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    for id in &ids {
        commit(backend, vec![write(id, Expected::Any, json!(text))]).await;
    }
    let (mut listed, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = backend.records().list(&acme(), "things", "", after.as_deref(), 1000).await.expect("readable");
        let bytes = page.records.len() * text.len();
        assert!(bytes < 2 * Page::BYTES, "{bytes} bytes on a page");
        listed.extend(page.records.into_iter().map(|record| record.key.id));
        assert!(listed.len() <= ids.len(), "the pages never end");
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(listed, ids);
}
