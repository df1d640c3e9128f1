//! How the inbox table and the bucket of large bodies forget.

use aws_sdk_dynamodb::types::TimeToLiveStatus;
use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};
use sendoff_aws::{CallError, Store};

use crate::doctor::model::{Model, Part, Ttl};

pub(super) async fn look(store: &Store, model: &mut Model) {
    let (table, bucket) = (&store.resources().inbox_table, &store.resources().bucket);
    let told = store.aws().dynamodb().describe_time_to_live().table_name(table).send().await;
    match told.map_err(|error| CallError::of("dynamodb:DescribeTimeToLive", table, &error)) {
        Ok(told) => {
            let told = told.time_to_live_description;
            let on =
                |status: &TimeToLiveStatus| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
            let told = told.filter(|told| told.time_to_live_status.as_ref().is_some_and(on));
            let attribute = told.and_then(|told| told.attribute_name);
            model.inbox_ttl = Some(Ttl { table: table.clone(), attribute });
        }
        Err(error) => model.blind(Part::InboxTtl, None, error),
    }
    let told = store.aws().s3().get_bucket_lifecycle_configuration().bucket(bucket).send().await;
    match told.map_err(|error| CallError::of("s3:GetLifecycleConfiguration", bucket, &error)) {
        Ok(told) => model.payload_days = told.rules.unwrap_or_default().iter().filter_map(days).collect(),
        // A bucket without one forgets nothing.
        Err(error) if error.code.as_deref() == Some("NoSuchLifecycleConfiguration") => {}
        Err(error) => model.blind(Part::Payloads, None, error),
    }
}

/// After how many days a rule deletes objects.
fn days(rule: &LifecycleRule) -> Option<i32> {
    rule.expiration.as_ref().filter(|_| rule.status == ExpirationStatus::Enabled)?.days
}
