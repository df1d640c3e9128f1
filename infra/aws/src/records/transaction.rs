//! One try at a commit: the actions of its transaction, each with the condition that it stands on, and what DynamoDB says
//! about each when it refuses.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    },
};
use sendoff_events::Timestamp;

use super::{item::DELETED, item::VERSION, standing::Standing};
use crate::{
    item::{Attribute, Item},
    tables::records::{EXPIRES, PK},
};

/// A condition: the expression, and what its names and values stand for.
pub(super) struct Condition {
    expression: &'static str,
    names: &'static [(&'static str, &'static str)],
    values: Vec<(&'static str, Attribute)>,
}

impl Condition {
    /// Nothing stands there, ever since the table was made.
    pub(super) fn new_item() -> Self {
        Self { expression: "attribute_not_exists(#pk)", names: &[("#pk", PK)], values: Vec::new() }
    }

    /// Something stands there.
    pub(super) fn same_item() -> Self {
        Self { expression: "attribute_exists(#pk)", names: &[("#pk", PK)], values: Vec::new() }
    }

    /// Nothing stands there, or what stands there has expired.
    pub(super) fn new_or_expired(now: Timestamp) -> Self {
        Self {
            expression: "attribute_not_exists(#pk) OR #expires <= :now",
            names: &[("#pk", PK), ("#expires", EXPIRES)],
            values: vec![(":now", Attribute::N(now.as_second().to_string()))],
        }
    }

    /// What stands there is still what it was.
    pub(super) fn still(standing: Standing) -> Self {
        let expression = match standing {
            Standing::Nothing => return Self::new_item(),
            Standing::Deleted(_) => "#version = :version AND attribute_exists(#deleted)",
            Standing::Live(_) => "#version = :version AND attribute_not_exists(#deleted)",
        };
        Self {
            expression,
            names: &[("#version", VERSION), ("#deleted", DELETED)],
            values: vec![(":version", Attribute::N(standing.version().to_string()))],
        }
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.iter().map(|(short, name)| ((*short).to_owned(), (*name).to_owned())).collect())
    }

    /// DynamoDB refuses an empty map of values.
    fn values(self) -> Option<HashMap<String, AttributeValue>> {
        let values: HashMap<_, _> = self.values.into_iter().map(|(name, v)| (name.to_owned(), v.into())).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// Puts an item if the condition holds.
pub(super) fn put(table: &str, item: Item, condition: Condition) -> Result<TransactWriteItem, BuildError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item.into_sdk()))
        .condition_expression(condition.expression)
        .set_expression_attribute_names(condition.names())
        .set_expression_attribute_values(condition.values())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}

/// Changes nothing, but lets the transaction go on only if the condition holds.
pub(super) fn check(table: &str, place: Item, condition: Condition) -> Result<TransactWriteItem, BuildError> {
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(place.into_sdk()))
        .condition_expression(condition.expression)
        .set_expression_attribute_names(condition.names())
        .set_expression_attribute_values(condition.values())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().condition_check(check.build()?).build())
}

/// What DynamoDB says about one action of a transaction that it refused
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nothing is wrong with it.
    Fine,
    /// Its condition doesn't hold; this stands there.
    Unmet(Option<Item>),
    /// Another transaction is at the item, or the table is throttled: the same may succeed a moment later.
    Busy(String),
    /// It will never succeed.
    Wrong(String),
}

impl Reason {
    /// Whom it has to wait for.
    pub(super) fn busy(&self) -> Option<&str> {
        if let Self::Busy(why) = self { Some(why) } else { None }
    }

    /// Why it will never succeed.
    pub(super) fn wrong(&self) -> Option<&str> {
        if let Self::Wrong(why) = self { Some(why) } else { None }
    }

    /// The reason as the SDK gives it.
    pub(super) fn of(reason: &CancellationReason) -> Self {
        let said = |code: &str| format!("{code}: {}", reason.message().unwrap_or("no reason given"));
        match reason.code().unwrap_or("None") {
            "None" => Self::Fine,
            "ConditionalCheckFailed" => {
                Self::Unmet(reason.item().filter(|item| !item.is_empty()).cloned().map(Item::from))
            }
            code @ ("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded") => {
                Self::Busy(said(code))
            }
            code => Self::Wrong(said(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str) -> Reason {
        Reason::of(&CancellationReason::builder().code(code).message("so it is").build())
    }

    #[test]
    fn each_reason_of_a_refused_transaction_is_told_apart() {
        assert_eq!(reason("None"), Reason::Fine);
        assert_eq!(Reason::of(&CancellationReason::builder().build()), Reason::Fine);
        assert_eq!(reason("ConditionalCheckFailed"), Reason::Unmet(None));
        for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert_eq!(reason(code), Reason::Busy(format!("{code}: so it is")));
        }
        for code in ["ValidationError", "ItemCollectionSizeLimitExceeded", "SomethingNew"] {
            assert_eq!(reason(code), Reason::Wrong(format!("{code}: so it is")));
        }
    }

    #[test]
    fn an_unmet_condition_tells_what_stands_there() {
        let item = Item::default().with_number(VERSION, 7);
        let reason =
            CancellationReason::builder().code("ConditionalCheckFailed").set_item(Some(item.clone().into_sdk()));
        assert_eq!(Reason::of(&reason.build()), Reason::Unmet(Some(item)));
    }
}
