//! An item of a DynamoDB table, whichever way it came: from the table, from its stream, or in an event of a Lambda function.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::AttributeValue as StreamValue;
use aws_smithy_types::{Blob, base64};
use sendoff_events::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// An attribute's value, of the types that this crate writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Text.
    S(String),
    /// A number in decimal.
    N(String),
    /// Bytes.
    B(Vec<u8>),
    /// Yes or no.
    Bool(bool),
}

/// The name of an attribute: nearly all are known before.
type Name = Cow<'static, str>;

/// An item's attributes in the order of their names, each once. Attributes of other types, which only others write, are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Item(Vec<(Name, Attribute)>);

/// An item isn't what its place says that it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{name}` {why}")]
pub(crate) struct Damage {
    name: String,
    why: String,
}

impl Damage {
    pub(crate) fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), why: why.into() }
    }
}

impl Item {
    pub(crate) fn with(mut self, name: impl Into<Name>, value: Attribute) -> Self {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (name, value)),
        }
        self
    }

    /// Where an attribute stands, or where it would.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    pub(crate) fn with_text(self, name: impl Into<Name>, text: impl Into<String>) -> Self {
        self.with(name, Attribute::S(text.into()))
    }

    pub(crate) fn with_number(self, name: impl Into<Name>, number: impl ToString) -> Self {
        self.with(name, Attribute::N(number.to_string()))
    }

    /// Adds the moment in milliseconds since 1970.
    pub(crate) fn with_moment(self, name: impl Into<Name>, moment: Timestamp) -> Self {
        self.with_number(name, moment.as_millisecond())
    }

    /// Adds the moment as a TTL attribute has it, in whole seconds since 1970, rounded up: nothing may be gone too soon.
    pub(crate) fn with_expiry(self, name: impl Into<Name>, moment: Timestamp) -> Self {
        let (seconds, rest) = (moment.as_millisecond().div_euclid(1000), moment.as_millisecond().rem_euclid(1000));
        self.with_number(name, seconds + i64::from(rest > 0))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Attribute> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Attribute::Bool(true))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Attribute::S(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Damage> {
        self.optional_text(name).ok_or_else(|| Damage::new(name, "is missing, or isn't text"))
    }

    pub(crate) fn optional_number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Damage> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::N(number)) => {
                number.parse().map(Some).map_err(|_| Damage::new(name, format!("is out of range: {number}")))
            }
            Some(_) => Err(Damage::new(name, "isn't a number")),
        }
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<T, Damage> {
        self.optional_number(name)?.ok_or_else(|| Damage::new(name, "is missing"))
    }

    pub(crate) fn optional_moment(&self, name: &str) -> Result<Option<Timestamp>, Damage> {
        let Some(millis) = self.optional_number(name)? else { return Ok(None) };
        Timestamp::from_millisecond(millis).map(Some).map_err(|error| Damage::new(name, error.to_string()))
    }

    pub(crate) fn moment(&self, name: &str) -> Result<Timestamp, Damage> {
        self.optional_moment(name)?.ok_or_else(|| Damage::new(name, "is missing"))
    }

    /// What the text under `name` is as a `T`.
    pub(crate) fn parsed<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<T, Damage> {
        self.text(name)?.parse().map_err(|error: T::Err| Damage::new(name, error.to_string()))
    }

    /// How many bytes DynamoDB counts it as, or a few more: names and values
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
    pub(crate) fn bytes(&self) -> usize {
        /// A number takes a byte for two digits, and at most 21.
        const NUMBER: usize = 21;
        let value = |attribute: &Attribute| match attribute {
            Attribute::S(text) => text.len(),
            Attribute::N(_) => NUMBER,
            Attribute::B(bytes) => bytes.len(),
            Attribute::Bool(_) => 1,
        };
        self.0.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
    }

    /// The item in the form in which a Lambda function is given it.
    pub(crate) fn to_json(&self) -> Value {
        let value = |attribute: &Attribute| match attribute {
            Attribute::S(text) => json!({ "S": text }),
            Attribute::N(number) => json!({ "N": number }),
            Attribute::B(bytes) => json!({ "B": base64::encode(bytes) }),
            Attribute::Bool(is) => json!({ "BOOL": is }),
        };
        Value::Object(self.0.iter().map(|(name, attribute)| (name.to_string(), value(attribute))).collect())
    }

    /// Its attributes by name, in the order of the names.
    pub(crate) fn into_attributes(self) -> impl ExactSizeIterator<Item = (Name, Attribute)> {
        self.0.into_iter()
    }

    /// The item as the SDK takes it.
    pub(crate) fn into_sdk(self) -> HashMap<String, AttributeValue> {
        self.0.into_iter().map(|(name, attribute)| (name.into_owned(), attribute.into())).collect()
    }
}

/// Bytes as text in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    text
}

impl FromIterator<(Name, Attribute)> for Item {
    fn from_iter<I: IntoIterator<Item = (Name, Attribute)>>(attributes: I) -> Self {
        attributes.into_iter().fold(Self::default(), |item, (name, attribute)| item.with(name, attribute))
    }
}

impl From<Attribute> for AttributeValue {
    fn from(attribute: Attribute) -> Self {
        match attribute {
            Attribute::S(text) => Self::S(text),
            Attribute::N(number) => Self::N(number),
            Attribute::B(bytes) => Self::B(Blob::new(bytes)),
            Attribute::Bool(is) => Self::Bool(is),
        }
    }
}

impl From<HashMap<String, AttributeValue>> for Item {
    fn from(attributes: HashMap<String, AttributeValue>) -> Self {
        let known = |value| match value {
            AttributeValue::S(text) => Some(Attribute::S(text)),
            AttributeValue::N(number) => Some(Attribute::N(number)),
            AttributeValue::B(bytes) => Some(Attribute::B(bytes.into_inner())),
            AttributeValue::Bool(is) => Some(Attribute::Bool(is)),
            _ => None,
        };
        attributes.into_iter().filter_map(|(name, value)| Some((name.into(), known(value)?))).collect()
    }
}

impl From<HashMap<String, StreamValue>> for Item {
    fn from(attributes: HashMap<String, StreamValue>) -> Self {
        let known = |value| match value {
            StreamValue::S(text) => Some(Attribute::S(text)),
            StreamValue::N(number) => Some(Attribute::N(number)),
            StreamValue::B(bytes) => Some(Attribute::B(bytes.into_inner())),
            StreamValue::Bool(is) => Some(Attribute::Bool(is)),
            _ => None,
        };
        attributes.into_iter().filter_map(|(name, value)| Some((name.into(), known(value)?))).collect()
    }
}

/// The form in which a Lambda function is given an image: `{"pk": {"S": "…"}, "version": {"N": "1"}}`, bytes in base64.
impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let attributes = BTreeMap::<String, BTreeMap<String, Value>>::deserialize(deserializer)?;
        let known = |types: BTreeMap<String, Value>| match types.into_iter().next()? {
            (kind, Value::String(text)) => match kind.as_str() {
                "S" => Some(Attribute::S(text)),
                "N" => Some(Attribute::N(text)),
                "B" => base64::decode(text).ok().map(Attribute::B),
                _ => None,
            },
            (kind, Value::Bool(is)) if kind == "BOOL" => Some(Attribute::Bool(is)),
            _ => None,
        };
        Ok(attributes.into_iter().filter_map(|(name, types)| Some((name.into(), known(types)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item::default()
            .with_text("text", "ä \u{0} 🦀")
            .with_text("empty", "")
            .with_number("fence", (1_u64 << 63) - 1)
            .with_number("most", u64::MAX)
            .with("bytes", Attribute::B(vec![0, 255]))
            .with("deleted", Attribute::Bool(true))
    }

    #[test]
    fn an_item_is_the_same_from_the_table_from_its_stream_and_in_a_functions_event() {
        assert_eq!(Item::from(item().into_sdk()), item());
        let streamed = [
            ("text", StreamValue::S("ä \u{0} 🦀".into())),
            ("empty", StreamValue::S(String::new())),
            ("fence", StreamValue::N("9223372036854775807".into())),
            ("most", StreamValue::N("18446744073709551615".into())),
            ("bytes", StreamValue::B(aws_smithy_types::Blob::new([0, 255]))),
            ("deleted", StreamValue::Bool(true)),
        ];
        assert_eq!(Item::from(HashMap::from(streamed.map(|(name, value)| (name.to_owned(), value)))), item());
        let event = r#"{"text": {"S": "ä \u0000 🦀"}, "empty": {"S": ""}, "fence": {"N": "9223372036854775807"},
            "most": {"N": "18446744073709551615"}, "bytes": {"B": "AP8="}, "deleted": {"BOOL": true}}"#;
        assert_eq!(serde_json::from_str::<Item>(event).unwrap(), item());
        assert_eq!(item().to_json(), serde_json::from_str::<Value>(event).unwrap());
    }

    #[test]
    fn attributes_of_other_types_are_left_out() {
        let sdk = HashMap::from([
            ("list".to_owned(), AttributeValue::L(vec![])),
            ("n".to_owned(), AttributeValue::Null(true)),
        ]);
        assert_eq!(Item::from(sdk), Item::default());
        let event =
            r#"{"list": {"L": []}, "nothing": {"NULL": true}, "set": {"NS": ["1"]}, "bad": {"B": "?"}, "none": {}}"#;
        assert_eq!(serde_json::from_str::<Item>(event).unwrap(), Item::default());
    }

    #[test]
    fn a_number_beyond_its_type_is_damage_and_names_the_attribute() {
        assert_eq!(item().number::<u64>("most"), Ok(u64::MAX));
        let error = item().number::<i64>("most").unwrap_err();
        assert_eq!(error.to_string(), "attribute `most` is out of range: 18446744073709551615");
        assert_eq!(item().number::<u64>("none").unwrap_err().to_string(), "attribute `none` is missing");
        assert!(item().number::<u64>("text").is_err());
        assert!(item().moment("most").is_err());
    }

    #[test]
    fn an_attribute_stands_once_and_in_the_order_of_the_names() {
        let item = Item::default().with_text("b", "1").with_text("c", "2").with_text("a", "3").with_text("b", "4");
        let text = |text: &str| Attribute::S(text.to_owned());
        let expected = [("a", text("3")), ("b", text("4")), ("c", text("2"))].map(|(name, value)| (name.into(), value));
        assert_eq!(item.clone().into_attributes().collect::<Vec<_>>(), expected);
        assert_eq!((item.get("c"), item.get("d")), (Some(&text("2")), None));
    }

    #[test]
    fn bytes_are_told_in_hexadecimal_digits() {
        assert_eq!(hex(&[0, 1, 0x0f, 0x10, 0xab, 0xff]), "00010f10abff");
    }

    #[test]
    fn its_size_counts_names_and_values_in_bytes() {
        assert_eq!(Item::default().with_text("é", "漢").bytes(), 5);
    }
}
