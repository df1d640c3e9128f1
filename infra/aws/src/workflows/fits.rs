//! What stands against a plan's becoming a state machine here, asked before it is published.

use sendoff_workflows::{
    Plan, Problems,
    asl::{Functions, Output, compile},
    plan::Action,
};

/// Whether Step Functions has room for the plan.
///
/// # Errors
///
/// [`Problems`]: all that stands against it. Otherwise it would be switched on, and each start of it be a dead letter.
pub(crate) fn fits(plan: &Plan) -> Result<(), Problems> {
    compile(plan, &longest(), Output::Nothing).map(drop)
}

/// Functions whose ARNs are as long as any can be: where they are isn't known to who asks, and what fits with these fits with all.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>.
fn longest() -> Functions {
    let arn = format!("arn:aws-us-gov:lambda:us-gov-west-1:{}:function:{}", "0".repeat(12), "f".repeat(64));
    Functions::at(Action::ALL.into_iter().map(|action| (action, arn.clone())).collect(), arn)
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

    fn told(plan: &Plan) -> Vec<String> {
        fits(plan).err().map_or_else(Vec::new, |Problems(problems)| problems.iter().map(ToString::to_string).collect())
    }

    fn mail(id: &str, text: &str) -> Value {
        json!({ "id": id, "email": { "to": { "user": "ada" }, "subject": "Hello", "text": text } })
    }

    #[test]
    fn what_step_functions_has_no_room_for_is_told_whatever_the_functions_are_called() {
        // An expression is longer in a state machine than as it was written.
        let long = "{{ ROUND(1.5 / 3, 2) }} ".repeat(20);
        let of = |steps: usize| plan((0..steps).map(|n| mail(&format!("m{n}"), &long)).collect());
        let large = told(&of(400));
        assert!(large.len() == 1 && large[0].contains("Step Functions takes 1048576"), "{large:?}");
        let small = of(20);
        assert_eq!(told(&small), [""; 0]);
        let bytes = |functions: &Functions| compile(&small, functions, Output::Nothing).unwrap().to_string().len();
        let deployed = format!("arn:aws:lambda:ap-southeast-1:123456789012:function:{}-whatsapp", "s".repeat(55));
        let of_each = Action::ALL.into_iter().map(|action| (action, deployed.clone())).collect();
        assert!(bytes(&longest()) >= bytes(&Functions::at(of_each, deployed.clone())));
    }
}
