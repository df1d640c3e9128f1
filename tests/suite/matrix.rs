//! The fault matrix: what a peer takes under every fault and either policy.

use sendoff_tests::matrix::{run, table};

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_message_go_twice_under_hold_or_vanish_under_any_policy() {
    let cells = run().await;
    let wrong: Vec<String> = cells.iter().filter_map(|cell| cell.check().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The channels' own policies: what a recipient may get at worst.
    let most = |channel: &str| cells.iter().filter(|cell| cell.channel == channel).map(|cell| cell.taken).max();
    assert_eq!([most("email (smtp)"), most("push (fcm)"), most("webhook")], [Some(3), Some(3), Some(18)]);
    let shown = table(&cells);
    assert!(cells.iter().all(|cell| shown.contains(&cell.fault)), "a fault is missing from the table: {shown}");
}
