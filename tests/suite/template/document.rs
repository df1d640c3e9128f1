//! The template as it stands in the file, with the short forms of its functions written out: `!Ref X` is `{"Ref": "X"}`.

use std::{fs, path::PathBuf};

use sendoff_aws::provision;
use serde_json::Value;

/// The template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Value);

/// A resource: its logical id and what stands below it.
pub(super) type Resource<'a> = (&'a str, &'a Value);

impl Template {
    /// The folder that it stands in.
    pub(super) fn folder() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/aws"))
    }

    pub(super) fn read() -> Self {
        let text = fs::read_to_string(Self::folder().join("template.yaml")).expect("the template is there");
        Self(provision::read(&text).expect("the template is YAML"))
    }

    /// All resources, of a type or, with the empty one, of every type.
    pub(super) fn resources(&self, kind: &str) -> Vec<Resource<'_>> {
        let resources = self.0["Resources"].as_object().expect("there are resources");
        let fits = |resource: &Value| kind.is_empty() || resource["Type"] == kind;
        resources.iter().filter(|(_, r)| fits(r)).map(|(id, r)| (id.as_str(), r)).collect()
    }

    /// The resource under a logical id, or null.
    pub(super) fn resource(&self, id: &str) -> &Value {
        &self.0["Resources"][id]
    }

    /// A parameter.
    pub(super) fn parameter(&self, name: &str) -> &Value {
        &self.0["Parameters"][name]
    }

    /// A part of the template, such as `Rules`.
    pub(super) fn section(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// Whether a condition on one parameter holds where that has this value.
    pub(super) fn holds(&self, condition: &str, given: (&str, u64)) -> bool {
        self.is_true(&self.0["Conditions"][condition], given)
    }

    fn is_true(&self, condition: &Value, given: (&str, u64)) -> bool {
        let all = |name: &str| condition[name].as_array().map(Vec::as_slice);
        if let Some([one]) = all("Fn::Not") {
            return !self.is_true(one, given);
        }
        if let Some(any) = all("Fn::Or") {
            return any.iter().any(|one| self.is_true(one, given));
        }
        if let Some([parameter, value]) = all("Fn::Equals") {
            return parameter["Ref"] == given.0 && *value == given.1;
        }
        condition["Condition"].as_str().is_some_and(|name| self.holds(name, given))
    }

    /// A value with what parameters and mappings say put in its place, as far as the defaults tell.
    pub(super) fn resolved(&self, value: &Value) -> Value {
        if let Some(name) = value["Ref"].as_str() {
            return self.0["Parameters"][name].get("Default").unwrap_or(value).clone();
        }
        if let Some([map, first, second]) = value["Fn::FindInMap"].as_array().map(Vec::as_slice) {
            let (map, first, second) = (self.resolved(map), self.resolved(first), self.resolved(second));
            let key = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            return self.0["Mappings"][key(&map)][key(&first)][key(&second)].clone();
        }
        value.clone()
    }

    /// A number, also where it stands in a parameter or a mapping.
    pub(super) fn number(&self, value: &Value) -> Option<f64> {
        let resolved = self.resolved(value);
        resolved.as_f64().or_else(|| resolved.as_str().and_then(|text| text.parse().ok()))
    }

    /// Puts `value` at a path below the resources, such as `/EmailQueue/Properties/VisibilityTimeout`; null takes away what
    /// stands there.
    pub(super) fn plant(&mut self, path: &str, value: Value) {
        self.plant_anywhere(&format!("/Resources{path}"), value);
    }

    /// The same at a path below the whole template, such as `/Rules/TwilioHasAnAccount`.
    pub(super) fn plant_anywhere(&mut self, path: &str, value: Value) {
        let (parent, leaf) = path.rsplit_once('/').expect("a path with a slash");
        let parent = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("{path} is nowhere"));
        match (parent, value) {
            (Value::Object(map), Value::Null) => {
                map.remove(leaf).unwrap_or_else(|| panic!("{path} isn't there"));
            }
            (Value::Object(map), value) => {
                map.insert(leaf.to_owned(), value);
            }
            (Value::Array(list), value) if leaf == "-" => list.push(value),
            (Value::Array(list), Value::Null) => {
                list.remove(leaf.parse().expect("an index"));
            }
            (Value::Array(list), value) => list[leaf.parse::<usize>().expect("an index")] = value,
            (other, _) => panic!("{path} is below {other}"),
        }
    }
}

/// What a reference names: the `X` of `!Ref X`, of `!GetAtt X.Arn` and of `!Ref X.Alias`.
pub(super) fn referred(value: &Value) -> Option<&str> {
    let name = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())?;
    Some(name.split('.').next().unwrap_or(name))
}
