//! What a submission says in the HTML of a mail: text, on the engine and as a state machine.

use sendoff_workflows::{
    Plan,
    asl::{self, Functions, Output},
    engine::virtual_run,
};
use serde_json::{Value, json};

use super::{interpreter::Interpreter, outcomes::Scripted};

#[test]
fn both_targets_escape_the_values_in_the_html_of_a_mail_alike() {
    const KEY: &str = "run-1/mail";
    let plan = Plan::read(
        "workflow: test\napp: crm\nfields: { name: text, amount: number, paid: boolean, due: date }\non: [{ manual: true }]\n\
         steps:\n  - id: mail\n    email:\n      to: { user: ada }\n      subject: S\n      text: T\n      \
         html: '<p>{{ {name} }}|{{ {amount} }}|{{ {paid} }}|{{ {due} }}|{{ \"<\" & {name} }}</p>'\n",
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let machine = asl::compile(&plan, &Functions::placeholders(), Output::Nothing).expect("it has room");
    let mut interpreter = Interpreter::start();
    for (fields, expected) in [
        (
            json!({ "name": "<b>&\"'&lt;", "amount": 0.5, "paid": false, "due": "2026-12-01" }),
            "<p>&lt;b&gt;&amp;&quot;&#39;&amp;lt;|0.5|false|2026-12-01|&lt;&lt;b&gt;&amp;&quot;&#39;&amp;lt;</p>",
        ),
        (json!({ "name": null, "amount": null, "paid": null, "due": null }), "<p>||||&lt;</p>"),
        (json!({ "name": "", "amount": -3, "paid": true, "due": null }), "<p>|-3|true||&lt;</p>"),
        (json!({ "name": "&".repeat(20_001), "amount": 1, "paid": true, "due": null }), "<p>|1|true||</p>"),
    ] {
        let fields = plan.input_fields(fields.as_object().expect("fields")).expect("fields that fit");
        let input = json!({
            "tenant": "acme", "workflow": plan.name, "version": 1, "hops": 1, "fields": fields, "submission": null,
            "trigger": { "kind": "manual", "event_id": null },
        });
        let mut world = Scripted::new(&plan, "run-1", 1);
        let now = "2026-01-05T08:00:00Z".parse().expect("a moment");
        virtual_run(&plan, "run-1", &input, now, &mut world).expect("it runs");
        assert_eq!(world.calls[KEY][0]["html"], expected);
        let case = json!({ "name": "run-1", "definition": machine, "input": input, "script": {} });
        let outcome: Value = interpreter.ask(&case);
        assert_eq!(outcome["calls"][KEY][0]["html"], expected, "{outcome}");
    }
}
