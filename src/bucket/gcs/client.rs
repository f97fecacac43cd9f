//! The official clients, made for the first request.
//!
//! They are told to repeat nothing: retries live in [`crate::bucket::retry`], once, on our clock. And they wait for ever
//! on a server that accepts and never answers: every wait is bounded here.

use std::time::Duration;

use futures::future::BoxFuture;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::read_resume_policy::NeverResume;

use super::Store;
use crate::bucket::{BucketError, Outage};

/// The two clients.
#[derive(Debug)]
pub(super) struct Clients {
    /// Content: the JSON API.
    pub(super) storage: Storage,
    /// Everything else: gRPC.
    pub(super) control: StorageControl,
}

impl Store {
    /// Returns the clients, signing in the first time. A failure is not kept: the next request tries again.
    pub(super) async fn clients(&self) -> Result<&Clients, BucketError> {
        self.clients.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Clients, BucketError> {
        let credentials = self.sign_in().await?;
        let mut storage = Storage::builder()
            .with_credentials(credentials.clone())
            .with_retry_policy(NeverRetry)
            .with_read_resume_policy(NeverResume)
            // Content goes by the JSON API, so the connections of this client's gRPC are never used.
            .with_grpc_subchannel_count(1);
        let mut control = StorageControl::builder().with_credentials(credentials).with_retry_policy(NeverRetry);
        if let Some(endpoint) = &self.config.endpoint {
            let endpoint = endpoint.trim_end_matches('/');
            storage = storage.with_endpoint(endpoint);
            control = control.with_endpoint(endpoint);
        }
        let building = async { Ok((storage.build().await?, control.build().await?)) };
        let built: Result<_, google_cloud_gax::client_builder::Error> =
            tokio::time::timeout(self.timeout(), building).await.map_err(|elapsed| self.late("open", elapsed))?;
        let (storage, control) = built.map_err(|error| BucketError::Invalid {
            operation: "open",
            key: self.location(),
            source: error.into(),
        })?;
        Ok(Clients { storage, control })
    }

    /// Returns the answer to a request, which must come within `limit`. Requests of the client are large and many kinds of
    /// future: boxed, they are one.
    pub(super) async fn answered<T>(
        &self,
        operation: &'static str,
        key: &str,
        limit: Duration,
        request: BoxFuture<'_, Result<T, google_cloud_storage::Error>>,
    ) -> Result<T, BucketError> {
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(|error| self.meaning(operation, key, error)),
            Err(elapsed) => {
                let source = Outage::TimedOut.at(self.address(), elapsed.into());
                Err(BucketError::Unavailable { operation, key: key.to_owned(), source })
            }
        }
    }

    /// Returns the bucket's address for messages about all of it.
    pub(super) fn location(&self) -> String {
        format!("gs://{}", self.config.bucket)
    }

    /// Returns where requests go, for messages.
    pub(super) fn address(&self) -> &str {
        self.config.endpoint.as_deref().unwrap_or("Google Cloud Storage")
    }

    pub(super) fn late(&self, operation: &'static str, elapsed: tokio::time::error::Elapsed) -> BucketError {
        let source = Outage::TimedOut.at(self.address(), elapsed.into());
        BucketError::Unavailable { operation, key: self.location(), source }
    }
}
