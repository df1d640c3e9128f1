//! An endpoint for webhooks at the server inside the process.

use sendoff_embedded::{
    program::Stopped,
    sink::{SinkAccounts, WEBHOOK_SECRET},
};
use sendoff_events::{AppId, Clock as _, Personal, TenantId};
use sendoff_host::SystemClock;
use sendoff_producers::{
    Committed, Expected, Records, UnitOfWork, Write,
    model::{App, WebhookEndpoint, app_key, load, webhook_key},
};

/// The endpoint's id.
const ID: &str = "ledger";

/// Makes the endpoint as the API would. The API itself takes https addresses only, and the server inside the process speaks plain
/// http to this machine.
pub(super) async fn add(
    records: &dyn Records,
    sink: &SinkAccounts,
    tenant: &TenantId,
    app: &str,
) -> Result<(), Stopped> {
    let app: AppId = app.parse().map_err(Stopped::failed)?;
    let key = app_key(tenant, &app);
    let found = load::<App>(records, &key).await.map_err(Stopped::failed)?;
    let Some((mut record, version)) = found else {
        return Err(Stopped::failed(format_args!("there is no app `{app}` to make an endpoint for")));
    };
    let endpoint = WebhookEndpoint {
        url: format!("{}/webhooks/{ID}", sink.base_url),
        events: Vec::new(),
        secrets: vec![Personal::new(WEBHOOK_SECRET.to_owned())],
        disabled: None,
    };
    record.webhooks = vec![ID.to_owned()];
    let json = |value: Result<_, serde_json::Error>| value.map(Some).map_err(Stopped::failed);
    let writes = vec![
        Write { key, expected: Expected::Version(version), data: json(serde_json::to_value(&record))? },
        Write {
            key: webhook_key(tenant, &app, ID),
            expected: Expected::Absent,
            data: json(serde_json::to_value(&endpoint))?,
        },
    ];
    let work = UnitOfWork { writes, ..UnitOfWork::new(tenant.clone(), "admin", SystemClock.now()).without_events() };
    match records.commit(work).await.map_err(Stopped::failed)? {
        Committed::Applied { .. } | Committed::Repeated { .. } => Ok(()),
    }
}
