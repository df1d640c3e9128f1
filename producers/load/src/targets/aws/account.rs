//! Where the tables really are. Their names are those of whatever account the credentials belong to.

use sendoff_aws::CallError;

use super::OnAws;
use crate::target::TargetError;

const ASKING: &str = "asking in which account the tables are";

impl OnAws {
    /// Checks that both tables are in the account that may be put under load. Credentials of another one would lead to the tables
    /// of the same names there, and nothing would say so.
    pub(super) async fn is_where_it_may(&self) -> Result<(), TargetError> {
        let Some(allowed) = self.permit.account() else { return Ok(()) };
        let resources = self.store.resources();
        for table in [&resources.table, &resources.inbox_table] {
            let account = self.account_of(table).await?;
            if account != allowed {
                let why = format!(
                    "the table `{table}` is in the account `{account}`, and the topic in `{allowed}`: take credentials of the \
                     account that may be put under load, or name its topic in SENDOFF_TOPIC_ARN"
                );
                return Err(TargetError::forbidden(ASKING, why));
            }
        }
        Ok(())
    }

    async fn account_of(&self, table: &str) -> Result<String, TargetError> {
        let told = self.store.aws().dynamodb().describe_table().table_name(table).send().await;
        let told = told.map_err(|error| CallError::of("dynamodb:DescribeTable", table, &error));
        let told = told.map_err(|error| TargetError::unreachable(ASKING, error))?;
        let arn = told.table.and_then(|table| table.table_arn).unwrap_or_default();
        let account = arn.split(':').nth(4).filter(|account| !account.is_empty());
        account.map(str::to_owned).ok_or_else(|| {
            TargetError::unreachable(ASKING, format!("the ARN of the table `{table}` isn't told: `{arn}`"))
        })
    }
}
