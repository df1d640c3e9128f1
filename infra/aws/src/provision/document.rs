//! A CloudFormation template as JSON: the short forms of its functions are written out, so `!Ref X` is `{"Ref": "X"}`.

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

/// The text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template can't be read: {0}")]
pub struct TemplateError(pub(super) String);

/// Reads a template in YAML.
///
/// # Errors
///
/// [`TemplateError`] when it is not one YAML document, or holds what CloudFormation doesn't take.
pub fn read(text: &str) -> Result<Value, TemplateError> {
    let documents = YamlOwned::load_from_str(text).map_err(|error| TemplateError(error.to_string()))?;
    match documents.as_slice() {
        [document] => plain(document),
        _ => Err(TemplateError(format!("it is {} documents", documents.len()))),
    }
}

fn plain(yaml: &YamlOwned) -> Result<Value, TemplateError> {
    Ok(match yaml {
        YamlOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(is) => json!(is),
            ScalarOwned::Integer(number) => json!(number),
            ScalarOwned::FloatingPoint(number) => json!(number.into_inner()),
            ScalarOwned::String(text) => json!(text),
        },
        YamlOwned::Sequence(list) => Value::Array(list.iter().map(plain).collect::<Result<_, _>>()?),
        YamlOwned::Mapping(map) => {
            let entry = |(key, value): (&YamlOwned, &YamlOwned)| {
                let key = match plain(key)? {
                    Value::String(key) => key,
                    key => key.to_string(),
                };
                Ok((key, plain(value)?))
            };
            Value::Object(map.iter().map(entry).collect::<Result<Map<_, _>, TemplateError>>()?)
        }
        YamlOwned::Tagged(tag, value) => function(&tag.suffix, plain(value)?)?,
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => {
            return Err(TemplateError(format!("CloudFormation takes no {yaml:?}")));
        }
    })
}

/// The long form of a function.
fn function(name: &str, argument: Value) -> Result<Value, TemplateError> {
    let (name, argument) = match (name, &argument) {
        ("Ref" | "Condition", _) => (name.to_owned(), argument),
        ("GetAtt", Value::String(path)) => {
            let parts = path.split_once('.');
            let (resource, attribute) =
                parts.ok_or_else(|| TemplateError(format!("`!GetAtt {path}` names no attribute")))?;
            ("Fn::GetAtt".to_owned(), json!([resource, attribute]))
        }
        _ => (format!("Fn::{name}"), argument),
    };
    Ok(Value::Object(Map::from_iter([(name, argument)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_read_in_their_long_form() {
        let yaml = "a: !Ref X\nb: !GetAtt X.Stream.Arn\nc: !If [C, !Sub '${X}-y', !Ref AWS::NoValue]\nd: \"1\"\n2: 3";
        let expected = json!({
            "a": { "Ref": "X" },
            "b": { "Fn::GetAtt": ["X", "Stream.Arn"] },
            "c": { "Fn::If": ["C", { "Fn::Sub": "${X}-y" }, { "Ref": "AWS::NoValue" }] },
            "d": "1",
            "2": 3,
        });
        assert_eq!(read(yaml), Ok(expected));
    }

    #[test]
    fn what_is_no_template_is_an_error_and_never_a_panic() {
        for text in ["", "a: !GetAtt X", "a: [", "---\na: 1\n---\nb: 2", "a: *b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
