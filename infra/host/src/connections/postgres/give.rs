//! Values on their way out of a statement: PostgreSQL's binary forms as JSON.

use std::error::Error;

use jiff::{SignedDuration, Span, Timestamp, civil};
use serde_json::{Map, Value};
use tokio_postgres::{
    Row,
    types::{FromSql, Kind, Type},
};

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800;
/// A day or a moment that is later than all others, in PostgreSQL's own word.
const INFINITY: &str = "infinity";
/// One that is earlier than all others.
const BEFORE_ALL: &str = "-infinity";

/// The bytes of a value of any type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The columns whose types have a value here, by name. What has none, a day beyond the year 9999 say, isn't there.
pub(super) fn row(row: &Row) -> Map<String, Value> {
    let column = |(index, column): (usize, &tokio_postgres::Column)| {
        let raw: Option<Raw<'_>> = row.try_get(index).ok()?;
        let value = match raw {
            None => Value::Null,
            Some(Raw(bytes)) => value(column.type_(), bytes)?,
        };
        Some((column.name().to_owned(), value))
    };
    row.columns().iter().enumerate().filter_map(column).collect()
}

fn value(ty: &Type, bytes: &[u8]) -> Option<Value> {
    Some(match *ty {
        Type::BOOL => Value::Bool(*bytes.first()? != 0),
        Type::INT2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::INT4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::INT8 => i64::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::OID => u32::from_be_bytes(bytes.try_into().ok()?).into(),
        Type::FLOAT4 => number(f32::from_be_bytes(bytes.try_into().ok()?).to_string().parse().ok()?),
        Type::FLOAT8 => number(f64::from_be_bytes(bytes.try_into().ok()?)),
        Type::NUMERIC => number(numeric(bytes)?),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => text(bytes)?,
        Type::UUID => uuid(bytes)?,
        Type::DATE => date(i32::from_be_bytes(bytes.try_into().ok()?))?,
        // A moment without a time zone is taken for one of UTC.
        Type::TIMESTAMP | Type::TIMESTAMPTZ => moment(i64::from_be_bytes(bytes.try_into().ok()?))?,
        Type::TIME => time(i64::from_be_bytes(bytes.try_into().ok()?))?,
        Type::JSON => serde_json::from_slice(bytes).ok()?,
        // A version, 1, stands before it.
        Type::JSONB => serde_json::from_slice(bytes.strip_prefix(&[1])?).ok()?,
        _ => match ty.kind() {
            Kind::Enum(_) => text(bytes)?,
            Kind::Domain(inner) => value(inner, bytes)?,
            Kind::Array(item) => list(item, bytes)?,
            _ => return None,
        },
    })
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}

/// `null` for what JSON has no number for.
fn number(double: f64) -> Value {
    serde_json::Number::from_f64(double).map_or(Value::Null, Value::Number)
}

/// Digits of base 10,000, most significant first: how many, the weight of the first, the sign, and how many decimals are shown.
fn numeric(bytes: &[u8]) -> Option<f64> {
    let short = |at: usize| Some(i16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::try_from(short(0)?).ok()?, short(2)?, short(4)?);
    let mut digits = String::new();
    for n in 0..count {
        digits.push_str(&format!("{:04}", short(8 + 2 * n)?));
    }
    let exponent = 4 * (i32::from(weight) + 1 - i32::try_from(count).ok()?);
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        // Not a number, or infinite.
        _ => return Some(f64::NAN),
    };
    format!("{sign}{digits}0e{}", exponent - 1).parse().ok()
}

fn uuid(bytes: &[u8]) -> Option<Value> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(sendoff_events::EventId::from_bytes(bytes).to_string().into())
}

fn date(days: i32) -> Option<Value> {
    match days {
        i32::MAX => return Some(INFINITY.into()),
        i32::MIN => return Some(BEFORE_ALL.into()),
        _ => {}
    }
    let date = civil::date(2000, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()?;
    Some(date.to_string().into())
}

fn moment(micros: i64) -> Option<Value> {
    match micros {
        i64::MAX => return Some(INFINITY.into()),
        i64::MIN => return Some(BEFORE_ALL.into()),
        _ => {}
    }
    let moment = Timestamp::from_second(EPOCH).ok()?.checked_add(SignedDuration::from_micros(micros)).ok()?;
    Some(moment.to_string().into())
}

fn time(micros: i64) -> Option<Value> {
    let time = civil::Time::midnight().checked_add(SignedDuration::from_micros(micros)).ok()?;
    Some(time.to_string().into())
}

/// A list of one dimension: how many dimensions, whether it holds NULL, the type; then the length and the first index; then each
/// item behind its length, which is -1 for NULL.
fn list(item: &Type, bytes: &[u8]) -> Option<Value> {
    let int = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match int(0)? {
        0 => return Some(Value::Array(Vec::new())),
        1 => {}
        _ => return None,
    }
    let (count, mut at) = (int(12)?, 20);
    let mut items = Vec::new();
    for _ in 0..count {
        let length = int(at)?;
        at += 4;
        items.push(match usize::try_from(length) {
            Err(_) => Value::Null,
            Ok(length) => {
                let inner = bytes.get(at..at.checked_add(length)?)?;
                at += length;
                value(item, inner)?
            }
        });
    }
    Some(Value::Array(items))
}
