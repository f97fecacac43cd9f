//! Signing in with Google's application default credentials.
//!
//! A token is asked for before the first request, within a deadline of its own: where there is no metadata server, the
//! client would wait minutes for it. Tokens are renewed by the client.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use google_cloud_auth::credentials::{
    AccessTokenCredentials, Credentials as SignedIn, anonymous, external_account, impersonated, mds, service_account,
    user_account,
};
use google_cloud_gax::error::CredentialsError;
use serde_json::Value;
use tracing::debug;

use super::{Credentials, Store};
use crate::bucket::{BucketError, Outage, Source};
use crate::fsutil::FileError;

/// The longest wait for a token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait for a token of the machine. Where there is a metadata server, it answers within milliseconds.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// The universe that is not looked for; `GOOGLE_CLOUD_UNIVERSE_DOMAIN` names another.
const UNIVERSE: &str = "googleapis.com";

/// What helps whoever has no credentials.
const SIGN_IN: &str =
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a file with credentials";

impl Store {
    /// Returns the credentials, proved to have a token.
    pub(super) async fn sign_in(&self) -> Result<SignedIn, BucketError> {
        let (built, timeout) = match &self.config.credentials {
            Credentials::Anonymous => return Ok(anonymous::Builder::new().build()),
            Credentials::File(path) => (from_file(path).await, TOKEN_TIMEOUT),
            Credentials::Machine => {
                let built = mds::Builder::default().with_universe_domain(UNIVERSE).build_access_token_credentials();
                (built.map_err(Into::into), METADATA_TIMEOUT)
            }
        };
        let credentials = built.map_err(|source| self.denied(SIGN_IN.to_owned(), source))?;
        match tokio::time::timeout(timeout, credentials.access_token()).await {
            Ok(Ok(_token)) => Ok(credentials.into()),
            Err(elapsed) if self.config.credentials == Credentials::Machine => Err(self.nobody(&elapsed)),
            Ok(Err(error)) if self.config.credentials == Credentials::Machine => Err(self.nobody(&error)),
            Ok(Err(error)) => Err(self.unsigned("sign in for", self.location(), error.into())),
            Err(elapsed) => Err(self.late("sign in for", elapsed)),
        }
    }

    /// Says what a failure to get a token means.
    pub(super) fn unsigned(&self, operation: &'static str, key: String, error: Source) -> BucketError {
        if find(&*error).is_some_and(CredentialsError::is_transient) {
            return BucketError::Unavailable { operation, key, source: Outage::Unreachable.caused_by(error) };
        }
        let is_over = chain(&*error).any(|cause| cause.to_string().contains("invalid_grant"));
        self.denied(if is_over { format!("the session is over: {SIGN_IN}") } else { SIGN_IN.to_owned() }, error)
    }

    /// There is no file with credentials, and no metadata server that answers.
    fn nobody(&self, error: &(dyn Error + 'static)) -> BucketError {
        debug!(error, "no metadata server");
        self.denied(SIGN_IN.to_owned(), "there are no Google credentials on this machine".into())
    }

    fn denied(&self, hint: String, source: Source) -> BucketError {
        BucketError::Denied { key: self.location(), hint: Some(hint), source }
    }
}

/// Returns the credentials in a file, by their type.
async fn from_file(path: &Path) -> Result<AccessTokenCredentials, Source> {
    let text = tokio::fs::read(path).await.map_err(FileError::at("read", path))?;
    let json: Value = serde_json::from_slice(&text)
        .map_err(|error| format!("`{}` does not hold Google credentials: {error}", path.display()))?;
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(match kind.as_str() {
        "authorized_user" => user_account::Builder::new(json).build_access_token_credentials()?,
        "service_account" => service_account::Builder::new(json).build_access_token_credentials()?,
        "impersonated_service_account" => impersonated::Builder::new(json).build_access_token_credentials()?,
        "external_account" => external_account::Builder::new(json).build_access_token_credentials()?,
        _ => return Err(format!("`{}` holds credentials of the unknown type `{kind}`", path.display()).into()),
    })
}

fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}
