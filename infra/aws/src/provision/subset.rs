//! What of the template holds data: everything but the functions, their API and what watches them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::{TemplateError, read};

const TEMPLATE: &str = include_str!("../../template.yaml");

/// What a system needs that runs its code elsewhere. What these refer to, such as a role and a rule, comes with them.
const KINDS: [&str; 9] = [
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::ScheduleGroup",
];
/// What runs of workflows act under.
const RUNS_ROLE: &str = "RunsRole";
/// The conditions of channels. Who runs the code elsewhere turns them on there, and finds what each of them works with.
const CHANNELS: [&str; 3] = ["WithSms", "WithWhatsapp", "WithPush"];

/// The template's resources that hold data, as they stand in it, with the parameters, conditions, mappings and outputs that
/// they need. Three things differ: every channel is on, nothing outlives its stack, and runs of workflows, whose role comes
/// along, may call no function, since there is none.
///
/// # Errors
///
/// [`TemplateError`] when the template lacks what every template has.
pub fn data() -> Result<Value, TemplateError> {
    let whole = read(TEMPLATE)?;
    let resources = part(&whole, "Resources")?;
    let mut kept = Map::new();
    let mut open: Vec<String> = resources.iter().filter(|(_, r)| is_data(r)).map(|(id, _)| id.clone()).collect();
    open.push(RUNS_ROLE.to_owned());
    while let Some(id) = open.pop() {
        if let Some(resource) = resources.get(&id).filter(|_| !kept.contains_key(&id)) {
            let mut resource = resource.clone();
            adapt(&id, &mut resource);
            open.extend(names(&resource));
            kept.insert(id, resource);
        }
    }
    // An output, too, is of the data if nothing that was left out is named in it.
    let left_out = |name: &String| resources.contains_key(name) && !kept.contains_key(name);
    let outputs: Map<_, _> = part(&whole, "Outputs")?
        .iter()
        .filter(|(_, output)| !names(output).iter().any(left_out))
        .map(|(name, output)| (name.clone(), output.clone()))
        .collect();
    let mut subset = json!({
        "AWSTemplateFormatVersion": whole["AWSTemplateFormatVersion"],
        "Transform": whole["Transform"],
        "Description": whole["Description"],
        "Resources": kept,
        "Outputs": outputs,
    });
    turn_on(&mut subset);
    // In this order: conditions name mappings and parameters.
    for section in ["Conditions", "Mappings", "Parameters"] {
        let named = all_names(&whole, section, &subset)?;
        if !named.is_empty() {
            subset[section] = Value::Object(named);
        }
    }
    Ok(subset)
}

/// Takes the conditions of channels for true.
fn turn_on(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|key, condition| key != "Condition" || !condition.as_str().is_some_and(|c| CHANNELS.contains(&c)));
    }
    let branches = value.get("Fn::If").and_then(Value::as_array);
    if let Some([Value::String(condition), on, _]) = branches.map(Vec::as_slice)
        && CHANNELS.contains(&condition.as_str())
    {
        *value = on.clone();
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(turn_on),
        Value::Object(map) => map.values_mut().for_each(turn_on),
        _ => {}
    }
}

fn is_data(resource: &Value) -> bool {
    KINDS.contains(&resource["Type"].as_str().unwrap_or_default())
}

fn part<'a>(template: &'a Value, name: &str) -> Result<&'a Map<String, Value>, TemplateError> {
    template[name].as_object().ok_or_else(|| TemplateError(format!("it has no {name}")))
}

fn adapt(id: &str, resource: &mut Value) {
    if id == RUNS_ROLE
        && let Some(properties) = resource["Properties"].as_object_mut()
    {
        properties.remove("Policies");
    }
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        if resource.get(policy).is_some() {
            resource[policy] = json!("Delete");
        }
    }
}

/// Of a section of the template all entries that are named, by what was kept or by each other.
fn all_names(whole: &Value, section: &str, subset: &Value) -> Result<Map<String, Value>, TemplateError> {
    let Some(entries) = whole.get(section).map(|_| part(whole, section)).transpose()? else { return Ok(Map::new()) };
    let mut kept = Map::new();
    let mut open: Vec<String> = names(subset).into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(entry) = entries.get(&name).filter(|_| !kept.contains_key(&name)) {
            open.extend(names(entry));
            kept.insert(name, entry.clone());
        }
    }
    Ok(kept)
}

/// Everything that a part of a template refers to by name: resources, parameters, conditions and mappings.
fn names(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    let first = |argument: &Value| match argument {
        Value::Array(list) => list.first().and_then(Value::as_str).map(str::to_owned),
        other => other.as_str().map(str::to_owned),
    };
    // Names have letters and digits only. What AWS gives has colons, and a state machine's condition is no name at all.
    let is_name = |text: &String| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Object(map) => {
            for (key, argument) in map {
                match key.as_str() {
                    "Ref" | "Condition" | "DependsOn" | "Fn::GetAtt" | "Fn::If" | "Fn::FindInMap" => {
                        found.extend(first(argument).filter(is_name));
                    }
                    "Fn::Sub" => {
                        found.extend(first(argument).iter().flat_map(|text| variables(text)).filter(is_name));
                    }
                    _ => {}
                }
                collect(argument, found);
            }
        }
        _ => {}
    }
}

/// The names in `${Name}` and `${Name.Attribute}`.
fn variables(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split("${").skip(1).filter_map(|part| part.split_once('}'));
    parts.map(|(name, _)| name.split('.').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CloudFormation takes within a request.
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
    const INLINE_LIMIT: usize = 51_200;

    #[test]
    fn it_holds_all_that_holds_data_and_nothing_that_runs_code_or_costs_by_the_hour() {
        let subset = data().unwrap();
        let resources = subset["Resources"].as_object().unwrap();
        for id in ["Topic", "EmailQueue", "EmailSubscription", "TimelineDeadLetters", "Records", "Inbox", "Payloads"] {
            assert!(resources.contains_key(id), "{id} is missing");
        }
        // These come only because something refers to them.
        for id in ["FailedRuns", "FailedRunsRule", "RunsRole", "ScheduleGroup", "ScheduleRole"] {
            assert!(resources.contains_key(id), "{id} is missing");
        }
        for (id, resource) in resources {
            let kind = resource["Type"].as_str().unwrap();
            for service in ["Function", "Lambda", "ApiGateway", "CloudWatch", "ElastiCache", "EC2"] {
                assert!(!kind.contains(service), "{id} is an {kind}");
            }
        }
        for needed in ["AuthKeysArn", "SmtpUrlArn", "MailFrom"] {
            assert!(subset["Parameters"].get(needed).is_none(), "{needed} would have to be given");
        }
    }

    #[test]
    fn every_channel_is_on() {
        let subset = data().unwrap();
        for id in ["SmsQueue", "WhatsappDeadLetters", "PushSubscription", "WebhookQueue"] {
            let resource = &subset["Resources"][id];
            assert!(resource.is_object() && resource.get("Condition").is_none(), "{id}: {resource}");
        }
        let text = subset.to_string();
        assert!(!CHANNELS.iter().any(|condition| text.contains(condition)), "a condition is left");
        assert!(text.contains("WithKms"), "others are");
        let role = &subset["Resources"]["ScheduleRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
        assert!(role["Resource"].to_string().contains(r#"{"Fn::GetAtt":["SmsQueue","Arn"]}"#), "{role}");
    }

    #[test]
    fn whatever_it_refers_to_is_in_it() {
        let subset = data().unwrap();
        let sections = ["Resources", "Parameters", "Conditions", "Mappings"];
        let is_there = |name: &str| sections.iter().any(|section| subset[*section].get(name).is_some());
        let missing: Vec<_> = names(&subset).into_iter().filter(|name| !is_there(name)).collect();
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn it_fits_into_a_request_and_nothing_of_it_outlives_its_stack() {
        let text = data().unwrap().to_string();
        assert!(text.len() <= INLINE_LIMIT, "{} bytes", text.len());
        assert!(!text.contains("\"Retain\""));
    }

    #[test]
    fn references_are_found_in_every_form() {
        let value = json!({
            "Condition": "C",
            "Properties": { "a": { "Fn::Sub": "x-${A.Name}-${B}" }, "b": [{ "Fn::GetAtt": ["D", "Arn"] }] },
            "DependsOn": "E",
            "c": { "Fn::If": ["F", { "Ref": "G" }, { "Fn::FindInMap": ["H", "1", "2"] }] },
        });
        let found: Vec<_> = names(&value).into_iter().collect();
        assert_eq!(found, ["A", "B", "C", "D", "E", "F", "G", "H"]);
    }
}
