//! What people decided about doubts: who, when, what and why. It can only be added to, and nothing of it expires.
//!
//! The entries stand in the inbox's table, and in a partition of their own of the index of doubts, which few items stand in: so
//! they are read in the order of time, and no scan of the table is needed.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use sendoff_events::Timestamp;

use crate::{
    CallError, Cause, Store,
    item::{Attribute, Damage, Item},
    tables::inbox::{AUDIT, AUDITED, DOUBT, DOUBT_SINCE, DOUBTS_INDEX, ID},
};

const WHO: &str = "who";
const ACTION: &str = "action";
const TARGET: &str = "target";
const BECAUSE: &str = "because";

/// Something that a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, to the millisecond.
    pub at: Timestamp,
    /// Who, as they said themselves.
    pub who: String,
    /// What: `doubt-sent`, `doubt-send-again`, `doubt-failed`.
    pub action: String,
    /// What it was decided about: a delivery id.
    pub target: String,
    /// Why, in their words.
    pub because: String,
}

impl Store {
    /// The last `max` decisions that people made, the oldest first. One shows here a moment after it was made, as in any index.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the table can't be read, or holds something else in the place of a decision.
    pub async fn audit(&self, max: usize) -> Result<Vec<AuditEntry>, CallError> {
        let table = self.inbox_table();
        let (mut keys, mut start) = (Vec::new(), None);
        loop {
            let query = table.client().query().table_name(table.name()).index_name(DOUBTS_INDEX);
            let query = query.key_condition_expression("#doubt = :audited").scan_index_forward(false);
            let query = query.expression_attribute_names("#doubt", DOUBT);
            let query = query.expression_attribute_values(":audited", Attribute::S(AUDITED.to_owned()).into());
            let page = query.set_exclusive_start_key(start).send().await;
            let page = page.map_err(|error| CallError::of("dynamodb:Query", table.name(), &error))?;
            let ids = page.items.unwrap_or_default().into_iter().map(Item::from);
            keys.extend(ids.filter_map(|item| Some(Item::default().with_text(ID, item.optional_text(ID)?))));
            start = page.last_evaluated_key;
            if start.is_none() || keys.len() >= max {
                break;
            }
        }
        keys.truncate(max);
        let found = table.read_all(keys, &[]).await?;
        let damaged = |damage: Damage| CallError {
            call: "dynamodb:BatchGetItem",
            resource: table.name().to_owned(),
            cause: Cause::Refused,
            code: None,
            message: format!("a decision is damaged: {damage}"),
        };
        let mut entries = found.iter().map(entry).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        entries.sort_by(|a, b| (a.at, &a.target).cmp(&(b.at, &b.target)));
        Ok(entries)
    }

    /// Adds an entry. The same one again is the same as once; none is ever replaced.
    pub(super) async fn add_to_audit(&self, entry: &AuditEntry) -> Result<(), CallError> {
        let table = self.inbox_table();
        let put = table.client().put_item().table_name(table.name()).set_item(Some(item(entry).into_sdk()));
        let put = put.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", ID);
        match put.send().await {
            Ok(_) => Ok(()),
            // A repetition whose first answer was lost.
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(CallError::of("dynamodb:PutItem", table.name(), &error)),
        }
    }
}

fn item(entry: &AuditEntry) -> Item {
    let AuditEntry { at, who, action, target, because } = entry;
    Item::default()
        .with_text(ID, format!("{AUDIT}{at}#{target}"))
        .with_text(DOUBT, AUDITED)
        .with_moment(DOUBT_SINCE, *at)
        .with_text(WHO, who)
        .with_text(ACTION, action)
        .with_text(TARGET, target)
        .with_text(BECAUSE, because)
}

fn entry(item: &Item) -> Result<AuditEntry, Damage> {
    let text = |name| item.text(name).map(str::to_owned);
    Ok(AuditEntry {
        at: item.moment(DOUBT_SINCE)?,
        who: text(WHO)?,
        action: text(ACTION)?,
        target: text(TARGET)?,
        because: text(BECAUSE)?,
    })
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::IdempotencyKey;

    use super::*;

    fn given() -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
            who: "grace".into(),
            action: "doubt-sent".into(),
            target: "sms/01938d1e-7b2c-7000-8000-000000000000/ada".into(),
            because: "she has it".into(),
        }
    }

    #[test]
    fn every_field_comes_back_and_nothing_of_it_expires() {
        let item = item(&given());
        assert_eq!(entry(&item), Ok(given()));
        assert!(!item.has(crate::tables::inbox::EXPIRATION));
        let id = item.text(ID).unwrap();
        assert_eq!(id, "audit#2026-09-21T14:13:20.123Z#sms/01938d1e-7b2c-7000-8000-000000000000/ada");
        assert!(id.parse::<IdempotencyKey>().is_err(), "no job has this key");
    }

    #[test]
    fn a_damaged_item_is_an_error_and_never_a_panic() {
        let good = item(&given());
        for bad in [good.clone().with_number(WHO, 1), good.with_number(DOUBT_SINCE, i64::MAX), Item::default()] {
            assert!(entry(&bad).is_err(), "{bad:?}");
        }
    }
}
