//! What may be given together, and which channels it turns on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Rule, Template};

/// Parameters that differ from their defaults.
type Given = &'static [(&'static str, &'static str)];

const TWILIO: Given = &[("TwilioAccountSid", "AC"), ("TwilioAuthTokenArn", "arn")];
const SMS: Given = &[("TwilioSmsFrom", "+1")];
const WHATSAPP: Given = &[("TwilioWhatsappFrom", "+1")];
const SIDS: Given = &[("TwilioContentSids", "a/en=HX")];
const META: Given = &[("MetaPhoneNumberId", "1")];
const META_SECRETS: Given =
    &[("MetaAccessTokenArn", "arn"), ("MetaAppSecretArn", "arn"), ("MetaVerifyTokenArn", "arn")];
const VPC: Given = &[("CacheVpcId", "vpc")];
const SUBNETS: Given = &[("CacheSubnetIds", "subnet-1,subnet-2")];
const INSIDE: Given = &[("ConnectionSubnetIds", "subnet-1")];
const GROUPS: Given = &[("ConnectionSecurityGroupIds", "sg")];
const ONLY_TWILIO: Given = &[("WhatsappProviders", "twilio")];
const ONLY_META: Given = &[("WhatsappProviders", "meta")];

/// What is given, and which of these it turns on; `None` where it has to be refused.
const CASES: &[(&[Given], Option<&[&str]>)] = &[
    (&[], Some(&[])),
    (&[TWILIO, SMS], Some(&["WithSms", "WithTwilio"])),
    (&[TWILIO, WHATSAPP, SIDS], Some(&["WithTwilio", "WithTwilioWhatsapp", "WithWhatsapp"])),
    (&[META, META_SECRETS], Some(&["WithMeta", "WithMetaWhatsapp", "WithWhatsapp"])),
    (
        &[TWILIO, WHATSAPP, META, META_SECRETS, ONLY_META],
        Some(&["WithMeta", "WithMetaWhatsapp", "WithTwilio", "WithWhatsapp"]),
    ),
    (
        &[TWILIO, WHATSAPP, SIDS, META, META_SECRETS, ONLY_META],
        Some(&["WithMeta", "WithMetaWhatsapp", "WithTwilio", "WithWhatsapp"]),
    ),
    (
        &[TWILIO, WHATSAPP, SIDS, META, META_SECRETS, ONLY_TWILIO],
        Some(&["WithMeta", "WithTwilio", "WithTwilioWhatsapp", "WithWhatsapp"]),
    ),
    // Nobody who is set up is asked, and whoever is asked isn't set up.
    (&[META, META_SECRETS, ONLY_TWILIO], None),
    (&[TWILIO, WHATSAPP, SIDS, ONLY_META], None),
    // Twilio knows no template.
    (&[TWILIO, WHATSAPP], None),
    (&[TWILIO, WHATSAPP, META, META_SECRETS], None),
    // Halves.
    (&[SMS], None),
    (&[WHATSAPP, SIDS], None),
    (&[TWILIO], None),
    (&[META], None),
    (&[META_SECRETS], None),
    // A cache, and calls from inside a network.
    (&[VPC, SUBNETS], Some(&["WithCache"])),
    (&[VPC], None),
    (&[SUBNETS], None),
    (&[INSIDE, GROUPS], Some(&["WithConnectionSubnets"])),
    (&[INSIDE], None),
    (&[GROUPS], None),
];

const CONDITIONS: [&str; 8] = [
    "WithCache",
    "WithConnectionSubnets",
    "WithMeta",
    "WithMetaWhatsapp",
    "WithSms",
    "WithTwilio",
    "WithTwilioWhatsapp",
    "WithWhatsapp",
];

pub(super) const RULES: &[Rule] = &[Rule {
    says: "what is set up whole is on, and what is set up by half is refused",
    problems: |template, _| {
        let wrong = CASES.iter().filter_map(|(given, expected)| {
            let stack = Stack::of(template, given);
            let found = stack.is_accepted().then(|| stack.on());
            (found.as_deref() != *expected).then(|| format!("{given:?} turns on {found:?}, and should {expected:?}"))
        });
        wrong.collect()
    },
    broken_by: &[
        |t| t.plant_anywhere("/Rules/MetaIsAskedWhereNobodyElseIsSetUp", Value::Null),
        |t| t.plant_anywhere("/Rules/TwilioIsAskedWhereNobodyElseIsSetUp", Value::Null),
        |t| t.plant_anywhere("/Rules/TwilioHasAnAccount/Assertions/2", Value::Null),
        |t| t.plant_anywhere("/Rules/TwilioHasASender", Value::Null),
        |t| t.plant_anywhere("/Rules/MetaHasANumber", Value::Null),
        |t| t.plant_anywhere("/Rules/MetaHasItsSecrets", Value::Null),
        |t| t.plant_anywhere("/Rules/CacheHasSubnets", Value::Null),
        |t| t.plant_anywhere("/Rules/CacheHasANetwork", Value::Null),
        |t| t.plant_anywhere("/Rules/ConnectionsFromSubnetsHaveSecurityGroups", Value::Null),
        |t| t.plant_anywhere("/Rules/SecurityGroupsOfConnectionsHaveSubnets", Value::Null),
        |t| t.plant_anywhere("/Conditions/WithMetaWhatsapp", json!({ "Condition": "WithMeta" })),
        |t| t.plant_anywhere("/Conditions/WithTwilioWhatsapp/Fn::And/4", Value::Null),
    ],
}];

/// A stack with these parameters, as far as conditions and rules on parameters go.
struct Stack<'a> {
    template: &'a Template,
    given: BTreeMap<&'static str, &'static str>,
}

impl<'a> Stack<'a> {
    fn of(template: &'a Template, given: &[Given]) -> Self {
        Self { template, given: given.iter().copied().flatten().copied().collect() }
    }

    fn is_accepted(&self) -> bool {
        let rules = self.template.section("Rules").as_object().expect("there are rules");
        rules.values().all(|rule| {
            let applies = rule.get("RuleCondition").is_none_or(|condition| self.is_true(condition));
            let assertions = rule["Assertions"].as_array().expect("a rule asserts something");
            !applies || assertions.iter().all(|assertion| self.is_true(&assertion["Assert"]))
        })
    }

    fn on(&self) -> Vec<&'static str> {
        let conditions = self.template.section("Conditions");
        CONDITIONS.into_iter().filter(|name| self.is_true(&conditions[*name])).collect()
    }

    fn is_true(&self, condition: &Value) -> bool {
        let (name, argument) =
            condition.as_object().and_then(|map| map.iter().next()).unwrap_or_else(|| panic!("{condition}"));
        let all = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name.as_str(), all) {
            ("Fn::Not", [one]) => !self.is_true(one),
            ("Fn::And", all) => all.iter().all(|one| self.is_true(one)),
            ("Fn::Or", all) => all.iter().any(|one| self.is_true(one)),
            ("Fn::Equals", [one, other]) => self.value(one) == self.value(other),
            ("Fn::EachMemberEquals", [list, other]) => {
                let (list, other) = (self.value(list), self.value(other));
                list.as_str().expect("a list as it is given").split(',').all(|one| *one == other)
            }
            ("Condition", _) => {
                self.is_true(&self.template.section("Conditions")[argument.as_str().expect("a condition's name")])
            }
            _ => panic!("{condition}"),
        }
    }

    fn value(&self, value: &Value) -> Value {
        // Of the lists that are given it is only asked whether they are empty.
        if let Some([_, list]) = value["Fn::Join"].as_array().map(Vec::as_slice) {
            return self.value(list);
        }
        let given = value["Ref"].as_str().and_then(|parameter| self.given.get(parameter));
        given.map_or_else(|| self.template.resolved(value), |given| json!(given))
    }
}
