//! What stands against a plan's becoming a state machine here, asked before it is published.

use std::collections::BTreeSet;

use sendoff_producers::model::Channel;
use sendoff_workflows::{
    Plan, Problem, Problems,
    asl::{Functions, Output, compile},
    plan::{Action, Block, Kind},
};

/// Whether Step Functions has room for the plan, and whether each of its actions has a function where only these channels are on.
///
/// # Errors
///
/// [`Problems`]: all that stands against it. Otherwise it would be switched on, and each start of it be a dead letter.
pub(crate) fn fits(plan: &Plan, channels: Option<&BTreeSet<Channel>>) -> Result<(), Problems> {
    let mut problems =
        compile(plan, &longest(), Output::Nothing).err().map_or_else(Vec::new, |Problems(problems)| problems);
    if let Some(channels) = channels {
        without_function(&plan.block, channels, &mut problems);
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// Functions whose ARNs are as long as any can be: where they are isn't known to who asks, and what fits with these fits with all.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>.
fn longest() -> Functions {
    let arn = format!("arn:aws-us-gov:lambda:us-gov-west-1:{}:function:{}", "0".repeat(12), "f".repeat(64));
    Functions::at(Action::ALL.into_iter().map(|action| (action, arn.clone())).collect(), arn)
}

fn without_function(block: &Block, channels: &BTreeSet<Channel>, problems: &mut Vec<Problem>) {
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
            without_function(block, channels, problems);
        }
        step.kind.blocks_in_view(&mut |block| without_function(block, channels, problems));
    }
}

/// The channel that an action is one of. What is none has its function in every deployment.
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

    fn plan(steps: Value) -> Plan {
        let definition = json!({ "workflow": "onboarding", "app": "crm", "on": [{ "manual": true }], "steps": steps });
        Plan::of(&Definition::of(definition).unwrap()).unwrap()
    }

    fn told(plan: &Plan, channels: &[Channel]) -> Vec<String> {
        let told = fits(plan, Some(&channels.iter().copied().collect()));
        told.err().map_or_else(Vec::new, |Problems(problems)| problems.iter().map(ToString::to_string).collect())
    }

    fn mail(id: &str, text: &str) -> Value {
        json!({ "id": id, "email": { "to": { "user": "ada" }, "subject": "Hello", "text": text } })
    }

    #[test]
    fn an_action_of_a_channel_that_is_off_is_told_wherever_it_stands() {
        let text = |id: &str| json!({ "id": id, "sms": { "to": { "user": "ada" }, "text": "Hello" } });
        let mut failing = mail("tell", "Hello");
        failing["on_error"] = json!({ "steps": [text("instead")] });
        let plan = plan(json!([
            failing,
            { "id": "each", "for_each": "[1, 2]", "as": "n", "do": [text("inside")] },
            { "id": "both", "parallel": [[text("beside")], [mail("other", "Hello")]] },
        ]));
        let off = told(&plan, &[Channel::Email]);
        assert_eq!(off.len(), 3, "{off:?}");
        for (told, step) in off.iter().zip(["instead", "inside", "beside"]) {
            assert!(told.contains(&format!("step `{step}` sends by the channel `sms`, which is off")), "{told}");
            assert!(told.contains("one that is on: `email`"), "{told}");
        }
        assert_eq!(told(&plan, &[Channel::Email, Channel::Sms]), [""; 0]);
        assert!(fits(&plan, None).is_ok(), "where nobody says which are on, none is taken to be off");
    }

    #[test]
    fn what_step_functions_has_no_room_for_is_told_whatever_the_functions_are_called() {
        // An expression is longer in a state machine than as it was written.
        let long = "{{ ROUND(1.5 / 3, 2) }} ".repeat(20);
        let of = |steps: usize| plan((0..steps).map(|n| mail(&format!("m{n}"), &long)).collect());
        let large = told(&of(400), &Channel::ALL);
        assert!(large.len() == 1 && large[0].contains("Step Functions takes 1048576"), "{large:?}");
        let small = of(20);
        assert_eq!(told(&small, &Channel::ALL), [""; 0]);
        let bytes = |functions: &Functions| compile(&small, functions, Output::Nothing).unwrap().to_string().len();
        let deployed = format!("arn:aws:lambda:ap-southeast-1:123456789012:function:{}-whatsapp", "s".repeat(55));
        let of_each = Action::ALL.into_iter().map(|action| (action, deployed.clone())).collect();
        assert!(bytes(&longest()) >= bytes(&Functions::at(of_each, deployed.clone())));
    }
}
