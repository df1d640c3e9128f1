//! Plan and run from the command line, over a data folder.

use sendoff_host::Exit;

use super::House;

async fn planned(house: &House, more: &[&str]) -> (String, String) {
    let plan = house.dlq(&[&["plan", "email", "--output", "json"], more].concat()).await.expect(Exit::Done).json();
    let text = |name: &str| plan[name].as_str().unwrap().to_owned();
    (text("plan"), text("hash"))
}

#[tokio::test]
async fn a_plan_is_carried_out_exactly_and_the_letters_wait_in_their_queue_again() {
    let house = House::with(25).await;
    let (plan, hash) = planned(&house, &["--canary", "1,10", "--watch", "2s"]).await;
    let looked = house.dlq(&["run", &plan]).await.expect(Exit::Done);
    assert!(looked.err.contains("nothing was done"), "{looked:?}");
    assert_eq!(house.letters().await, 25);
    let ran = house.dlq(&["run", &plan, "--apply", &hash[..8], "--output", "json"]).await.expect(Exit::Done);
    assert_eq!(ran.json()["moved"], 25, "{ran:?}");
    assert_eq!(house.letters().await, 0);
    let store = house.store();
    let deliveries = house.receive(&store).await;
    store.shutdown().await;
    assert_eq!(deliveries.len(), 25);
    for delivery in deliveries {
        assert_eq!(delivery.attributes["replay"], "1");
        assert_eq!(delivery.attributes["tenant"], "acme");
        assert!(!delivery.attributes.contains_key("failure"));
    }
    assert_eq!(house.audit().await, ["replay", "replay-ended"]);
    let runs = house.dlq(&["runs", "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(runs[0]["state"], "finished");
}
