//! The template as it stands in the file, with the short forms of its functions written out: `!Ref X` is `{"Ref": "X"}`.

use std::{fs, path::PathBuf};

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

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
        let documents = YamlOwned::load_from_str(&text).expect("the template is YAML");
        let [document] = &documents[..] else { panic!("the template is one document") };
        Self(plain(document))
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
        let (parent, leaf) = path.rsplit_once('/').expect("a path with a slash");
        let parent = self.0.pointer_mut(&format!("/Resources{parent}")).unwrap_or_else(|| panic!("{path} is nowhere"));
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

fn plain(yaml: &YamlOwned) -> Value {
    match yaml {
        YamlOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(is) => json!(is),
            ScalarOwned::Integer(number) => json!(number),
            ScalarOwned::FloatingPoint(number) => json!(number.into_inner()),
            ScalarOwned::String(text) => json!(text),
        },
        YamlOwned::Sequence(list) => list.iter().map(plain).collect(),
        YamlOwned::Mapping(map) => Value::Object(
            map.iter()
                .map(|(key, value)| match plain(key) {
                    Value::String(key) => (key, plain(value)),
                    key => (key.to_string(), plain(value)),
                })
                .collect(),
        ),
        YamlOwned::Tagged(tag, value) => function(&tag.suffix, plain(value)),
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => {
            panic!("CloudFormation takes no {yaml:?}")
        }
    }
}

/// The long form of a function.
fn function(name: &str, argument: Value) -> Value {
    let (name, argument) = match (name, &argument) {
        ("Ref" | "Condition", _) => (name.to_owned(), argument),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("an attribute of a resource");
            ("Fn::GetAtt".to_owned(), json!([resource, attribute]))
        }
        _ => (format!("Fn::{name}"), argument),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}

#[test]
fn functions_are_read_in_their_long_form() {
    let yaml = "a: !Ref X\nb: !GetAtt X.Stream.Arn\nc: !If [C, !Sub '${X}-y', !Ref AWS::NoValue]\nd: \"1\"\n2: 3";
    let documents = YamlOwned::load_from_str(yaml).unwrap();
    let expected = json!({
        "a": { "Ref": "X" },
        "b": { "Fn::GetAtt": ["X", "Stream.Arn"] },
        "c": { "Fn::If": ["C", { "Fn::Sub": "${X}-y" }, { "Ref": "AWS::NoValue" }] },
        "d": "1",
        "2": 3,
    });
    assert_eq!(plain(&documents[0]), expected);
}
