//! The connection to AWS: where it goes, as whom, and the clients that share it.

mod environment;
mod http;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::default_async_sleep;
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region, sdk_config::Builder};

pub use environment::Environment;
use http::{CONNECT, LazyHttps};

/// How long one attempt of a call may take, but for a long poll.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a call may take with all its attempts.
const CALL: Duration = Duration::from_secs(25);

/// The connection can't be made, before anything was called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// No region is named.
    #[error("no AWS region is named: set AWS_REGION (such as `eu-central-1`), or `region` in the AWS profile")]
    NoRegion,
    /// There are no credentials.
    #[error(
        "no AWS credentials are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in AWS_PROFILE, or run \
         under a role"
    )]
    NoCredentials,
}

/// The connection to AWS. Cloning it is cheap, and clones share their clients.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SdkConfig,
    environment: Environment,
    #[cfg(feature = "provision")]
    cloudformation: OnceLock<aws_sdk_cloudformation::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    streams: OnceLock<aws_sdk_dynamodbstreams::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    scheduler: OnceLock<aws_sdk_scheduler::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    sfn: OnceLock<aws_sdk_sfn::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    sqs_polling: OnceLock<aws_sdk_sqs::Client>,
    sqs_repeating: OnceLock<aws_sdk_sqs::Client>,
}

/// The HTTP client that all services share, made at its first request.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(LazyHttps::default())
}

impl Aws {
    /// A connection from environment variables alone, as a Lambda function has them. Asks nobody, so it costs next to
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] when region or credentials are missing.
    pub fn from_environment(environment: Environment) -> Result<Self, ConnectionError> {
        Self::with_http(environment, http_client())
    }

    /// The same over an HTTP client of your own: one that injects faults, say.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] when region or credentials are missing.
    pub fn with_http(environment: Environment, http: SharedHttpClient) -> Result<Self, ConnectionError> {
        let region = environment.region.clone().ok_or(ConnectionError::NoRegion)?;
        let credentials = environment.credentials().ok_or(ConnectionError::NoCredentials)?;
        let base = SdkConfig::builder()
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        Ok(Self::build(environment, base, http))
    }

    /// A connection as the AWS command line would make it: environment, profiles, and the role of the container or machine.
    /// For programs that live long; it may ask the network.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] when region or credentials are missing.
    pub async fn load(environment: Environment) -> Result<Self, ConnectionError> {
        let http = http_client();
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http.clone());
        let loaded = loader.load().await;
        let region = loaded.region().cloned().ok_or(ConnectionError::NoRegion)?;
        let credentials = loaded.credentials_provider().ok_or(ConnectionError::NoCredentials)?;
        // There is always a provider; whether it has anything to give shows only when it is asked.
        credentials.provide_credentials().await.map_err(|_| ConnectionError::NoCredentials)?;
        let base = SdkConfig::builder().region(region).credentials_provider(credentials);
        Ok(Self::build(environment, base, http))
    }

    fn build(environment: Environment, base: Builder, http: SharedHttpClient) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL);
        let mut base = base
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts.build())
            // A request and its answer are small and whole, and the time limit of an attempt covers both: to watch over how fast their
            // bytes flow would only cost each call.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::standard());
        base.set_sleep_impl(default_async_sleep());
        base.set_endpoint_url(environment.endpoint.clone());
        Self(Arc::new(Inner {
            config: base.build(),
            environment,
            #[cfg(feature = "provision")]
            cloudformation: OnceLock::new(),
            dynamodb: OnceLock::new(),
            streams: OnceLock::new(),
            s3: OnceLock::new(),
            scheduler: OnceLock::new(),
            secrets: OnceLock::new(),
            sfn: OnceLock::new(),
            sns: OnceLock::new(),
            sqs: OnceLock::new(),
            sqs_polling: OnceLock::new(),
            sqs_repeating: OnceLock::new(),
        }))
    }

    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.config.region().map_or("", Region::as_ref)
    }

    /// What clients of other services are made from: region, credentials, the one HTTP client, timeouts.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.0.config
    }

    /// Where calls to a service go instead of its own address, by the name that it has in its variable: `LAMBDA` for
    /// `AWS_ENDPOINT_URL_LAMBDA`. For clients that are made from [`config`](Self::config).
    #[must_use]
    pub fn endpoint_of(&self, service: &str) -> Option<&str> {
        self.0.environment.endpoint_of(service)
    }

    /// CloudFormation. Its calls are repeated by the SDK: a creation carries a token.
    #[cfg(feature = "provision")]
    #[must_use]
    pub fn cloudformation(&self) -> &aws_sdk_cloudformation::Client {
        self.0.cloudformation.get_or_init(|| {
            let config = aws_sdk_cloudformation::config::Builder::from(&self.0.config);
            aws_sdk_cloudformation::Client::from_conf(
                self.at(config, "CLOUDFORMATION", |c, url| c.endpoint_url(url)).build(),
            )
        })
    }

    /// DynamoDB. Its calls are repeated by the SDK: every write of ours is conditional or carries a token.
    #[must_use]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.0.dynamodb.get_or_init(|| {
            let config = aws_sdk_dynamodb::config::Builder::from(&self.0.config);
            aws_sdk_dynamodb::Client::from_conf(self.at(config, "DYNAMODB", |c, url| c.endpoint_url(url)).build())
        })
    }

    /// DynamoDB Streams.
    #[must_use]
    pub fn streams(&self) -> &aws_sdk_dynamodbstreams::Client {
        self.0.streams.get_or_init(|| {
            let config = aws_sdk_dynamodbstreams::config::Builder::from(&self.0.config);
            let config = self.at(config, "DYNAMODB_STREAMS", |c, url| c.endpoint_url(url));
            aws_sdk_dynamodbstreams::Client::from_conf(config.build())
        })
    }

    /// S3. Behind another endpoint the bucket stands in the path: a test server has one host name. A body that is read after its call
    /// has returned is under no time limit, so one that stops flowing is given up.
    #[must_use]
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.0.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.0.config);
            let elsewhere = self.0.environment.endpoint_of("S3").is_some();
            let config = self.at(config, "S3", |c, url| c.endpoint_url(url)).force_path_style(elsewhere);
            let config = config.stalled_stream_protection(StalledStreamProtectionConfig::enabled().build());
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }

    /// EventBridge Scheduler.
    #[must_use]
    pub fn scheduler(&self) -> &aws_sdk_scheduler::Client {
        self.0.scheduler.get_or_init(|| {
            let config = aws_sdk_scheduler::config::Builder::from(&self.0.config);
            aws_sdk_scheduler::Client::from_conf(self.at(config, "SCHEDULER", |c, url| c.endpoint_url(url)).build())
        })
    }

    /// Secrets Manager.
    #[must_use]
    pub fn secrets(&self) -> &aws_sdk_secretsmanager::Client {
        self.0.secrets.get_or_init(|| {
            let config = aws_sdk_secretsmanager::config::Builder::from(&self.0.config);
            let config = self.at(config, "SECRETS_MANAGER", |c, url| c.endpoint_url(url));
            aws_sdk_secretsmanager::Client::from_conf(config.build())
        })
    }

    /// Step Functions. Starting is idempotent by name, so the SDK may repeat it.
    #[must_use]
    pub fn sfn(&self) -> &aws_sdk_sfn::Client {
        self.0.sfn.get_or_init(|| {
            let config = aws_sdk_sfn::config::Builder::from(&self.0.config);
            aws_sdk_sfn::Client::from_conf(self.at(config, "SFN", |c, url| c.endpoint_url(url)).build())
        })
    }

    /// SNS, without the SDK's retries: a batch is published again only in those of its entries that failed.
    #[must_use]
    pub fn sns(&self) -> &aws_sdk_sns::Client {
        self.0.sns.get_or_init(|| {
            let config = aws_sdk_sns::config::Builder::from(&self.0.config).retry_config(RetryConfig::disabled());
            aws_sdk_sns::Client::from_conf(self.at(config, "SNS", |c, url| c.endpoint_url(url)).build())
        })
    }

    /// SQS, without the SDK's retries: a send that timed out may have been taken, and repeating it is the caller's choice.
    #[must_use]
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.0.sqs.get_or_init(|| self.sqs_with(|config| config.retry_config(RetryConfig::disabled())))
    }

    /// SQS for long polls: as [`sqs`](Self::sqs), with the patience for the longest wait. A client of its own, since a
    /// configuration that is changed for a call is built anew for each.
    pub(crate) fn sqs_polling(&self) -> &aws_sdk_sqs::Client {
        self.0.sqs_polling.get_or_init(|| {
            let patience = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(CALL);
            let patience = patience.operation_timeout(CALL).build();
            self.sqs_with(|config| config.retry_config(RetryConfig::disabled()).timeout_config(patience))
        })
    }

    /// SQS for calls that may be repeated, with the SDK's retries.
    pub(crate) fn sqs_repeating(&self) -> &aws_sdk_sqs::Client {
        self.0.sqs_repeating.get_or_init(|| self.sqs_with(|config| config))
    }

    fn sqs_with(
        &self,
        change: impl FnOnce(aws_sdk_sqs::config::Builder) -> aws_sdk_sqs::config::Builder,
    ) -> aws_sdk_sqs::Client {
        let config = change(aws_sdk_sqs::config::Builder::from(&self.0.config));
        aws_sdk_sqs::Client::from_conf(self.at(config, "SQS", |c, url| c.endpoint_url(url)).build())
    }

    /// The configuration with the endpoint of its service, if one is named.
    fn at<C>(&self, config: C, service: &str, set: impl FnOnce(C, &str) -> C) -> C {
        match self.0.environment.endpoint_of(service) {
            Some(url) => set(config, url),
            None => config,
        }
    }
}
