//! `sendoff workflow dry-run`.

use std::fs;

use serde_json::json;

use crate::program::{Ended, examples, golden, workflow};

/// Tries an example at a fixed moment.
fn dry_run(name: &str, more: &[&str]) -> Ended {
    let (definition, submission) = (format!("{name}.yaml"), format!("{name}.submission.json"));
    let args = ["dry-run", &definition, "--submission", &submission, "--at", "2026-11-26T08:00:00Z"];
    workflow(&examples(), args.iter().chain(more))
}

#[test]
fn every_example_is_shown_with_its_messages_waits_and_costs() {
    for name in ["customer-feedback", "expense-approval", "field-service", "inventory-reorder", "leave-request"] {
        golden(&format!("{name}.txt"), dry_run(name, &[]).with(0));
    }
}

#[test]
fn the_other_ways_of_the_examples_are_shown_too() {
    golden(
        "leave-request.nobody.txt",
        dry_run("leave-request", &["--approve", "ask=nobody", "--approve", "ask_head=rejected"]).with(0),
    );
    let fail = ["--fail", "dispatch", "--fail", "fallback=States.Timeout"];
    golden("field-service.unreachable.txt", dry_run("field-service", &fail).with(1));
    let first =
        r#"lookup/1={"first":{"name":"Belt","reorder_below":5,"reorder_quantity":20,"supplier":"belts@acme.example"}}"#;
    let args = ["--answer", first, "--fail", "order/1"];
    golden("inventory-reorder.by-hand.txt", dry_run("inventory-reorder", &args).with(0));
    let answer = r#"pay={"response":{"payout":"P-77","on":"2026-12-01"}}"#;
    let paid = dry_run("expense-approval", &["--answer", answer]);
    assert!(paid.with(0).contains("by 2026-12-01 (payout P-77)."), "{}", paid.with(0));
    let by_the_clock = ["dry-run", "inventory-reorder.yaml", "--trigger", "schedule", "--at", "2026-11-30T05:30:00Z"];
    let by_the_clock = workflow(&examples(), by_the_clock);
    assert!(by_the_clock.with(0).contains("A stocktake is due"), "{}", by_the_clock.with(0));
}

#[test]
fn what_is_sent_is_counted_and_priced_by_ones_own_prices() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.json");
    let own =
        json!({ "of": "ours", "transition": 0.0, "email": 0.0, "sms_segment": 2.0, "whatsapp": 0.5, "push": 0.0 });
    fs::write(&prices, own.to_string()).unwrap();
    let played = dry_run("field-service", &["--prices", prices.to_str().unwrap(), "--output", "json"]).json(0);
    assert_eq!((&played["cost"]["dollars"], &played["cost"]["prices"]), (&json!(2.5), &json!("ours")));
    let channels: Vec<&str> =
        played["messages"].as_array().unwrap().iter().map(|m| m["channel"].as_str().unwrap()).collect();
    assert_eq!(channels, ["whatsapp", "sms", "push"]);
    assert_eq!(played["messages"][1]["segments"], 1);
    assert_eq!(played["status"], "succeeded");
}

#[test]
fn a_submission_that_starts_no_run_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let submission = folder.path().join("submission.json");
    let with = |amount: serde_json::Value| {
        fs::write(&submission, json!({ "fields": { "amount": amount } }).to_string()).unwrap();
        workflow(&examples(), ["dry-run", "expense-approval.yaml", "--submission", submission.to_str().unwrap()])
    };
    let refused = with(json!(0));
    assert_eq!(refused.with(4), "");
    assert!(refused.err.contains("the condition `when` of the trigger `created` doesn't hold"), "{}", refused.err);
    let refused = with(json!("much"));
    assert_eq!(refused.with(1), "");
    assert!(refused.err.contains("fields.amount"), "{}", refused.err);
}

#[test]
fn flags_that_name_no_step_of_the_definition_are_refused() {
    for (flag, value, why) in [
        ("--approve", "pay=approved", "no step `pay` that asks somebody"),
        ("--fail", "ask", "no step `ask` that does something"),
        ("--answer", "gone={}", "no step `gone` that does something"),
        ("--approve", "ask=maybe", "there are approved, rejected and nobody"),
        ("--answer", "pay=[]", "no JSON object"),
    ] {
        let refused = dry_run("expense-approval", &[flag, value]);
        refused.with(2);
        assert!(refused.err.contains(why), "{flag} {value}: {}", refused.err);
    }
}
