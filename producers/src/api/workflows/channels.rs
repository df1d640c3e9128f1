//! Whether each message of a workflow has a channel that it can go by here.

use std::collections::BTreeSet;

use sendoff_workflows::{
    Plan, Problem,
    plan::{Action, Block, Kind},
};

use crate::model::Channel;

/// A problem for each step that sends by another channel than these. Otherwise the workflow would be switched on, and each of its
/// runs fail there.
pub(super) fn off(plan: &Plan, channels: &BTreeSet<Channel>) -> Vec<Problem> {
    let mut problems = Vec::new();
    look(&plan.block, channels, &mut problems);
    problems
}

fn look(block: &Block, channels: &BTreeSet<Channel>, problems: &mut Vec<Problem>) {
    for step in block {
        if let Kind::Act(act) = &step.kind
            && let Some(channel) = channel(act.action).filter(|channel| !channels.contains(channel))
        {
            let name = channel.name();
            let message = format!("step `{}` sends by the channel `{name}`, which is off in this deployment", step.id);
            let on: Vec<_> = channels.iter().map(|channel| format!("`{}`", channel.name())).collect();
            let help = format!("turn `{name}` on, or send by one that is on: {}", on.join(", "));
            problems.push(Problem::new("", message).help(help));
        }
        if let Kind::ForEach { block, .. } = &step.kind {
            look(block, channels, problems);
        }
        step.kind.blocks_in_view(&mut |block| look(block, channels, problems));
    }
}

/// The channel that an action is one of. What is none, every deployment can do.
const fn channel(action: Action) -> Option<Channel> {
    match action {
        Action::Email => Some(Channel::Email),
        Action::Sms => Some(Channel::Sms),
        Action::Whatsapp => Some(Channel::Whatsapp),
        Action::Push => Some(Channel::Push),
        Action::Http | Action::Database | Action::Record => None,
    }
}

#[cfg(test)]
mod tests {
    use sendoff_workflows::Definition;
    use serde_json::{Value, json};

    use super::*;

    fn told(plan: &Plan, channels: &[Channel]) -> Vec<String> {
        off(plan, &channels.iter().copied().collect()).iter().map(ToString::to_string).collect()
    }

    fn mail(id: &str) -> Value {
        json!({ "id": id, "email": { "to": { "user": "ada" }, "subject": "Hello", "text": "Hello" } })
    }

    #[test]
    fn an_action_of_a_channel_that_is_off_is_told_wherever_it_stands() {
        let text = |id: &str| json!({ "id": id, "sms": { "to": { "user": "ada" }, "text": "Hello" } });
        let mut failing = mail("tell");
        failing["on_error"] = json!({ "steps": [text("instead")] });
        let steps = json!([
            failing,
            { "id": "each", "for_each": "[1, 2]", "as": "n", "do": [text("inside")] },
            { "id": "both", "parallel": [[text("beside")], [mail("other")]] },
        ]);
        let definition = json!({ "workflow": "onboarding", "app": "crm", "on": [{ "manual": true }], "steps": steps });
        let plan = Plan::of(&Definition::of(definition).unwrap()).unwrap();
        let off = told(&plan, &[Channel::Email]);
        assert_eq!(off.len(), 3, "{off:?}");
        for (told, step) in off.iter().zip(["instead", "inside", "beside"]) {
            assert!(told.contains(&format!("step `{step}` sends by the channel `sms`, which is off")), "{told}");
            assert!(told.contains("one that is on: `email`"), "{told}");
        }
        assert_eq!(told(&plan, &[Channel::Email, Channel::Sms]), [""; 0]);
    }
}
