//! What Step Functions can't be asked: whose a run is, by its name alone, and which of a machine's versions is which of ours.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::put_item::{PutItemError, builders::PutItemFluentBuilder},
    types::ReturnValuesOnConditionCheckFailure,
};
use sendoff_consumers::{NewRun, WorkflowError};
use sendoff_events::{AppId, TenantId, Timestamp, WorkflowId};

use super::{failed, stored, unavailable};
use crate::{
    CallError, Store,
    item::{Attribute, Damage, Item},
    table::Table,
    tables::inbox::{EXPIRATION, ID, MACHINE, RUN},
};

/// A run goes on for a year at most, can be taken up again within 14 days, and is told of for 90 more
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>).
const KEEP: Duration = Duration::from_secs(480 * 86_400);

const OF: &str = "machine";
const HASH: &str = "hash";
const TENANT: &str = "tenant";
const APP: &str = "app";
const WORKFLOW: &str = "workflow";
const VERSION: &str = "version";
const VERSION_ARN: &str = "version_arn";
const SHA256: &str = "sha256";

/// Whose a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name of its machine.
    pub(super) machine: String,
    pub(super) tenant: TenantId,
    pub(super) app: AppId,
    pub(super) workflow: WorkflowId,
    pub(super) version: u32,
    /// What tells it from another run of its name.
    pub(super) hash: String,
}

/// A version that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// The ARN that runs are started by.
    pub(super) arn: String,
    pub(super) sha256: String,
}

/// What stands there now.
pub(super) enum Put<T> {
    /// What was put.
    Ours,
    /// What stood there before.
    Theirs(T),
}

pub(super) struct Register {
    table: Table,
}

impl Register {
    pub(super) fn of(store: &Store) -> Self {
        Self { table: store.inbox_table() }
    }

    /// Takes the run's name for it, if nobody has.
    pub(super) async fn claim(&self, run: &NewRun, machine: &str, now: Timestamp) -> Result<Put<Entry>, WorkflowError> {
        let item = place(RUN, &run.name)
            .with_text(OF, machine)
            .with_text(TENANT, run.tenant.as_str())
            .with_text(APP, run.app.as_str())
            .with_text(WORKFLOW, run.workflow.as_str())
            .with_number(VERSION, run.version)
            .with_text(HASH, stored::hash(run))
            .with_expiry(EXPIRATION, now.saturating_add(KEEP).unwrap_or(Timestamp::MAX));
        // DynamoDB may take days to delete what has expired.
        let put = self.put(item, "attribute_not_exists(#key) OR #against < :against");
        let put = put.expression_attribute_names("#against", EXPIRATION);
        let put = put.expression_attribute_values(":against", Attribute::N(now.as_second().to_string()).into());
        self.send(put, entry).await
    }

    /// Whose the run of this name is.
    pub(super) async fn run(&self, name: &str) -> Result<Option<Entry>, WorkflowError> {
        self.read(place(RUN, name), entry).await
    }

    /// Writes down which version of a machine is ours of this number; in the place of another one only if that is `gone`.
    pub(super) async fn publish(
        &self,
        machine: &str,
        number: u32,
        version: &Version,
        gone: Option<&Version>,
    ) -> Result<Put<Version>, WorkflowError> {
        let item = version_place(machine, number).with_text(VERSION_ARN, &version.arn);
        let put = self.put(
            item.with_text(SHA256, &version.sha256),
            match gone {
                None => "attribute_not_exists(#key)",
                Some(_) => "attribute_not_exists(#key) OR #against = :against",
            },
        );
        let put = match gone {
            None => put,
            Some(gone) => put
                .expression_attribute_names("#against", VERSION_ARN)
                .expression_attribute_values(":against", Attribute::S(gone.arn.clone()).into()),
        };
        self.send(put, version_of).await
    }

    /// The version of this number, if it was published.
    pub(super) async fn version(&self, machine: &str, number: u32) -> Result<Option<Version>, WorkflowError> {
        self.read(version_place(machine, number), version_of).await
    }

    fn put(&self, item: Item, condition: &str) -> PutItemFluentBuilder {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item.into_sdk()));
        put.condition_expression(condition)
            .expression_attribute_names("#key", ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn send<T>(
        &self,
        put: PutItemFluentBuilder,
        read: impl FnOnce(&Item) -> Result<T, Damage>,
    ) -> Result<Put<T>, WorkflowError> {
        let Err(error) = put.send().await else { return Ok(Put::Ours) };
        if let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
            let stands = refused.item().cloned().map(Item::from);
            let stands = stands.ok_or_else(|| unavailable("an item was there, and gone again"))?;
            return read(&stands).map(Put::Theirs).map_err(|damage| self.damaged(&damage));
        }
        Err(failed(CallError::of("dynamodb:PutItem", self.table.name(), &error)))
    }

    async fn read<T>(
        &self,
        place: Item,
        read: impl FnOnce(&Item) -> Result<T, Damage>,
    ) -> Result<Option<T>, WorkflowError> {
        let found = self.table.read(place).await.map_err(failed)?;
        found.map(|item| read(&item)).transpose().map_err(|damage| self.damaged(&damage))
    }

    fn damaged(&self, damage: &Damage) -> WorkflowError {
        WorkflowError::Unusable(format!(
            "an item of table `{}` about workflows is damaged: {damage}",
            self.table.name()
        ))
    }
}

fn place(kind: &str, name: &str) -> Item {
    Item::default().with_text(ID, format!("{kind}{name}"))
}

fn version_place(machine: &str, number: u32) -> Item {
    place(MACHINE, &format!("{machine}/{number}"))
}

fn entry(item: &Item) -> Result<Entry, Damage> {
    Ok(Entry {
        machine: item.text(OF)?.to_owned(),
        tenant: item.parsed(TENANT)?,
        app: item.parsed(APP)?,
        workflow: item.parsed(WORKFLOW)?,
        version: item.number(VERSION)?,
        hash: item.text(HASH)?.to_owned(),
    })
}

fn version_of(item: &Item) -> Result<Version, Damage> {
    Ok(Version { arn: item.text(VERSION_ARN)?.to_owned(), sha256: item.text(SHA256)?.to_owned() })
}
