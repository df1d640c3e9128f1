//! The fault matrix: what a peer takes under every fault and either policy.

use sendoff_tests::matrix::{Cell, End, OnDoubt, run, table};

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_message_go_twice_under_hold_or_vanish_under_any_policy() {
    let cells = run().await;
    let wrong: Vec<String> = cells.iter().filter_map(|cell| cell.check().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The channels' own policies: what a recipient may get at worst.
    let most = |channel: &str| cells.iter().filter(|cell| cell.channel == channel).map(|cell| cell.taken).max();
    assert_eq!([most("email (smtp)"), most("push (fcm)"), most("webhook")], [Some(3), Some(3), Some(18)]);
    // A peer that is away after a doubt uses up none of the copies.
    for channel in ["email (smtp)", "push (fcm)", "webhook"] {
        let away = |cell: &&Cell| cell.channel == channel && cell.fault.contains(", then 4");
        let resent = cells.iter().filter(away).find(|cell| cell.on_doubt == OnDoubt::Resend);
        assert_eq!(resent.map(|cell| (cell.taken, &cell.end)), Some((2, &End::Done)), "{channel}");
    }
    let shown = table(&cells);
    assert!(cells.iter().all(|cell| shown.contains(&cell.fault)), "a fault is missing from the table: {shown}");
}
