//! The SDK's standard environment variables
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>).

use std::{collections::BTreeMap, fmt};

use aws_credential_types::Credentials;

const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// What the environment says about AWS.
#[derive(Clone, Default)]
pub struct Environment {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    endpoints: BTreeMap<String, String>,
    credentials: Option<Credentials>,
}

impl Environment {
    /// Reads the variables that belong to AWS: region, credentials and endpoints. Others are passed over, and so are empty
    /// ones.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let of_aws = |(name, value): &(String, String)| name.starts_with("AWS_") && !value.is_empty();
        let variables: BTreeMap<String, String> = variables.into_iter().filter(of_aws).collect();
        let get = |name: &str| variables.get(name).cloned();
        let ignored = get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let own = |(name, url): (&String, &String)| {
            let service = name.strip_prefix(ENDPOINT)?.strip_prefix('_')?;
            Some((service.to_owned(), url.clone()))
        };
        let credentials = match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                Some(Credentials::new(id, secret, get("AWS_SESSION_TOKEN"), None, "environment"))
            }
            _ => None,
        };
        Self {
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            endpoint: get(ENDPOINT).filter(|_| !ignored),
            endpoints: if ignored { BTreeMap::new() } else { variables.iter().filter_map(own).collect() },
            credentials,
        }
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.credentials.clone()
    }

    /// The endpoint of a service, by the name that it has in its variable: `AWS_ENDPOINT_URL_SQS`.
    pub(super) fn endpoint_of(&self, service: &str) -> Option<&str> {
        self.endpoints.get(service).or(self.endpoint.as_ref()).map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, endpoint, endpoints, credentials } = self;
        let credentials = credentials.as_ref().map(|_| "<hidden>");
        f.debug_struct("Environment")
            .field("region", region)
            .field("endpoint", endpoint)
            .field("endpoints", endpoints)
            .field("credentials", &credentials)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn of(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_services_own_endpoint_goes_before_the_common_one_and_both_can_be_switched_off() {
        let both = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_SQS", "http://sqs")];
        let environment = of(&both);
        assert_eq!(environment.endpoint_of("SQS"), Some("http://sqs"));
        assert_eq!(environment.endpoint_of("SNS"), Some("http://all"));
        let off = of(&[both[0], both[1], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")]);
        assert_eq!((off.endpoint_of("SQS"), off.endpoint_of("SNS")), (None, None));
    }

    #[test]
    fn empty_variables_say_nothing_and_secrets_are_never_printed() {
        let environment =
            of(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id")]);
        assert_eq!((environment.region.as_deref(), environment.credentials()), (Some("eu-central-1"), None));
        let whole =
            of(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "s3cret"), ("AWS_SESSION_TOKEN", "t0ken")]);
        let printed = format!("{whole:?}");
        assert!(
            whole.credentials().is_some() && !printed.contains("s3cret") && !printed.contains("t0ken"),
            "{printed}"
        );
    }
}
