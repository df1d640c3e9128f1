//! The systems that workflows may call, opened, and opened anew when a secret of theirs was changed.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::channels::webhook::{Lookup, SystemLookup};
use sendoff_host::connections::{ConnectionError, ConnectionSettings, Opened, SecretSource, open};

use crate::{
    Secret, Store,
    renewed::{Fetch, Make},
};

/// Reads all that these connections keep secret.
pub(super) fn fetch(settings: &[ConnectionSettings], store: &Store) -> Fetch {
    let secrets: BTreeMap<String, Secret> = settings
        .iter()
        .flat_map(ConnectionSettings::secrets)
        .filter_map(|source| {
            let secret = match source {
                // It stands in the settings.
                SecretSource::Text(_) => None,
                SecretSource::File(path) => Secret::of("", None, Some(path.clone()), None),
                SecretSource::Arn(arn) => Secret::of("", None, None, Some(arn.clone())),
            };
            place(source).zip(secret)
        })
        .collect();
    let (secrets, aws, clock) = (Arc::new(secrets), store.aws().clone(), store.clock.clone());
    Box::new(move |age| {
        let (secrets, aws, clock) = (secrets.clone(), aws.clone(), clock.clone());
        Box::pin(async move {
            let mut values = BTreeMap::new();
            for (place, secret) in &*secrets {
                let value = secret.no_older_than(age, &aws, &*clock).await.map_err(|error| error.to_string())?;
                values.insert(place.clone(), value.expose_secret().to_owned());
            }
            serde_json::to_string(&values).map(SecretString::from).map_err(|error| error.to_string())
        })
    })
}

/// Opens these connections with what was read, and makes of them what `with` makes. Nothing is reached yet.
pub(super) fn make<T: 'static>(
    settings: Vec<ConnectionSettings>,
    with: impl Fn(Opened) -> T + Send + Sync + 'static,
) -> Make<T> {
    let lookup: Arc<dyn Lookup> = Arc::new(SystemLookup);
    Box::new(move |values| {
        let values: BTreeMap<String, SecretString> = serde_json::from_str::<BTreeMap<String, String>>(values)
            .map_err(|_| "what was read is no JSON".to_owned())?
            .into_iter()
            .map(|(place, value)| (place, value.into()))
            .collect();
        let secret = |source: &SecretSource| match source {
            SecretSource::Text(text) => Ok(text.clone()),
            other => place(other).and_then(|p| values.get(&p).cloned()).ok_or_else(|| "it was not read".to_owned()),
        };
        let open_one = |opened, one: &ConnectionSettings| {
            let opened = one
                .resolve(&secret)
                .and_then(|connection| open(opened, &one.name, one.tenants.clone(), &connection, &lookup, &no_sqlite));
            opened.map_err(|error| format!("connection `{}`: `{}` {error}", one.name, error.key))
        };
        settings.iter().try_fold(Opened::default(), open_one).map(&with)
    })
}

/// What a secret is found by among those that were read.
fn place(source: &SecretSource) -> Option<String> {
    let file = |path: &PathBuf| format!("file:{}", path.display());
    match source {
        SecretSource::Text(_) => None,
        SecretSource::File(path) => Some(file(path)),
        SecretSource::Arn(arn) => Some(arn.clone()),
    }
}

fn no_sqlite<T>(_: &sendoff_host::connections::SqliteSettings) -> Result<T, ConnectionError> {
    Err(ConnectionError::of("url", "is of SQLite, and a function has no disk of its own: take PostgreSQL"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sendoff_host::{SystemClock, SystemRng, connections::read_json};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Aws, Environment, renewed::Renewed, settings::Settings};

    /// The connections of this JSON, by the kind that they were opened as.
    async fn opened(json: &Value) -> Result<(String, String), String> {
        let mut problems = Vec::new();
        let settings = read_json("SENDOFF_CONNECTIONS", &json.to_string(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let aws = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(aws.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let aws = Aws::from_environment(environment).unwrap();
        let resources = Settings::read([], &[]).unwrap().resources();
        let store = Store::new(aws, resources, Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let told = |opened: Opened| (format!("{:?}", opened.http), format!("{:?}", opened.databases));
        let renewed = Renewed::new(fetch(&settings, &store), make(settings, told));
        renewed.get().await.map(|told| (*told).clone())
    }

    #[tokio::test]
    async fn systems_and_databases_are_opened_with_the_secrets_that_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stock");
        fs::write(&file, "postgres://sendoff:hunter2@db.example.org/stock\n").unwrap();
        let told = opened(&json!({
            "crm": { "url": "https://crm.example.org/api", "tenants": "acme", "headers": { "Authorization": "Bearer x" } },
            "stock": { "url_file": file, "tenants": "*" },
        }))
        .await
        .unwrap();
        assert!(told.0.contains("\"crm\"") && !told.0.contains("stock"), "{told:?}");
        assert!(told.1.contains("\"stock\": All") && !told.1.contains("crm"), "{told:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_named_without_its_secret() {
        let sqlite = opened(&json!({ "parts": { "url": "sqlite:/tmp/parts.db", "tenants": "*" } })).await.unwrap_err();
        assert!(sqlite.starts_with("connection `parts`: `url` is of SQLite"), "{sqlite}");
        let missing = opened(&json!({ "crm": { "url_file": "/nowhere/crm", "tenants": "*" } })).await.unwrap_err();
        assert!(missing.contains("/nowhere/crm"), "{missing}");
        let wrong = opened(&json!({ "crm": { "url": "ftp://me:hunter2@example.org", "tenants": "*" } })).await;
        let wrong = wrong.unwrap_err();
        assert!(wrong.contains("must begin with") && !wrong.contains("hunter2"), "{wrong}");
    }
}
