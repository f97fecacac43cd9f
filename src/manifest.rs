//! `.namespace.json`: which repository a namespace of a datastore belongs to (formats.md 3.2).
//!
//! A namespace is registered by creating its manifest, so that of two repositories that want one name exactly one gets
//! it. Registration comes before `.swamp.yaml` changes (trap T11).

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::bucket::{self, Body, Bucket, BucketError, PutMode};
use crate::clock::Timestamp;
use crate::error::{Failure, Kind};
use crate::namespace::Namespace;
use crate::path::RelPath;

/// The file name of a manifest.
pub const FILE_NAME: &str = ".namespace.json";

/// The largest manifest we read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// How many manifests are read at once.
const READS_MAX: usize = 8;

/// The record that a namespace is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The namespace, as its owner spells it; the directory decides.
    pub namespace: String,
    /// The repository that owns it.
    #[serde(default)]
    pub repo_id: String,
    /// When it was registered.
    #[serde(default)]
    pub registered_at: String,
}

/// A namespace that a datastore holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub namespace: Namespace,
    /// Its manifest, `None` if it is unreadable.
    pub manifest: Option<Manifest>,
}

/// How a manifest ends, which differs between the backends of the existing swamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A file among files, with a final line break.
    File,
    /// An object of a bucket, without one.
    Object,
}

/// What registering changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The namespace is ours from now on.
    New,
    /// It already was.
    AlreadyOurs,
}

/// A namespace that could not be registered or looked up.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum ManifestError {
    #[error("namespace `{namespace}` belongs to another repository")]
    Taken { namespace: Namespace, source: Ownership },
    #[error("`{location}` is not a namespace manifest")]
    Damaged { location: String, source: serde_json::Error },
    #[error("cannot register namespace `{namespace}`")]
    Register { namespace: Namespace, source: BucketError },
    #[error("cannot give up namespace `{namespace}`")]
    Unregister { namespace: Namespace, source: BucketError },
    #[error("cannot read the registration of namespace `{namespace}`")]
    Read { namespace: Namespace, source: BucketError },
    #[error("cannot list the namespaces of the datastore")]
    List(#[source] BucketError),
}

/// Two repositories that claim one namespace.
#[derive(Debug, thiserror::Error)]
#[error("its manifest names repository {owner}, this one is {claimant}")]
pub struct Ownership {
    owner: String,
    claimant: String,
}

impl Failure for ManifestError {
    fn kind(&self) -> Kind {
        match self {
            Self::Taken { .. } => Kind::Conflict,
            Self::Damaged { .. } => Kind::Corrupt,
            Self::Register { source, .. }
            | Self::Unregister { source, .. }
            | Self::Read { source, .. }
            | Self::List(source) => source.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => Some("choose another name and run the same command with it".to_owned()),
            Self::Damaged { location, .. } => {
                Some(format!("find out whose namespace it is, then delete `{location}` and register it again"))
            }
            Self::Register { source, .. }
            | Self::Unregister { source, .. }
            | Self::Read { source, .. }
            | Self::List(source) => source.hint(),
        }
    }
}

/// Returns the key of a namespace's manifest.
pub fn key(namespace: &Namespace) -> RelPath {
    RelPath::from_trusted(format!("{namespace}/{FILE_NAME}"))
}

/// Makes a namespace this repository's, unless it is another's. Repeating it is harmless.
pub async fn register(
    bucket: &dyn Bucket,
    namespace: &Namespace,
    repo_id: &str,
    now: Timestamp,
    form: Form,
) -> Result<Registration, ManifestError> {
    let manifest =
        Manifest { namespace: namespace.to_string(), repo_id: repo_id.to_owned(), registered_at: now.to_string() };
    let mut bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    if form == Form::File {
        bytes.push(b'\n');
    }
    match bucket.put(&key(namespace), Body::Bytes(bytes.into()), PutMode::Create).await {
        Ok(_) => Ok(Registration::New),
        // Also the answer to a repeated write whose first reply was lost: the content decides.
        Err(BucketError::Precondition { .. }) => check_owner(bucket, namespace, repo_id).await,
        Err(source) => Err(ManifestError::Register { namespace: namespace.clone(), source }),
    }
}

/// Makes a namespace this repository's as [`register`] does, where a look tells that it is nobody's yet.
pub async fn claim(
    bucket: &dyn Bucket,
    namespace: &Namespace,
    repo_id: &str,
    now: Timestamp,
    form: Form,
) -> Result<Registration, ManifestError> {
    match read(bucket, namespace).await? {
        Some(manifest) => owned(manifest, namespace, repo_id),
        None => register(bucket, namespace, repo_id, now, form).await,
    }
}

async fn check_owner(bucket: &dyn Bucket, namespace: &Namespace, repo_id: &str) -> Result<Registration, ManifestError> {
    let nobodys =
        || Manifest { namespace: namespace.to_string(), repo_id: String::new(), registered_at: String::new() };
    owned(read(bucket, namespace).await?.unwrap_or_else(nobodys), namespace, repo_id)
}

fn owned(manifest: Manifest, namespace: &Namespace, repo_id: &str) -> Result<Registration, ManifestError> {
    let owner = manifest.repo_id;
    if owner == repo_id {
        return Ok(Registration::AlreadyOurs);
    }
    let owner = if owner.is_empty() { "without a name".to_owned() } else { owner };
    let source = Ownership { owner, claimant: repo_id.to_owned() };
    Err(ManifestError::Taken { namespace: namespace.clone(), source })
}

/// Gives up a namespace that is this repository's, so that its name is free again; leaves that of another alone.
pub async fn unregister(bucket: &dyn Bucket, namespace: &Namespace, repo_id: &str) -> Result<(), ManifestError> {
    let Some((meta, manifest)) = find(bucket, namespace).await? else { return Ok(()) };
    if manifest.repo_id != repo_id {
        return Ok(());
    }
    match bucket.delete(&key(namespace), Some(meta.version)).await {
        Ok(()) | Err(BucketError::NotFound { .. }) => Ok(()),
        Err(source) => Err(ManifestError::Unregister { namespace: namespace.clone(), source }),
    }
}

/// Returns who registered a namespace, `None` if nobody did.
pub async fn read(bucket: &dyn Bucket, namespace: &Namespace) -> Result<Option<Manifest>, ManifestError> {
    Ok(find(bucket, namespace).await?.map(|(_, manifest)| manifest))
}

async fn find(
    bucket: &dyn Bucket,
    namespace: &Namespace,
) -> Result<Option<(bucket::ObjectMeta, Manifest)>, ManifestError> {
    let key = key(namespace);
    let found = bucket::read_if_exists(bucket, &key, MANIFEST_BYTES_MAX).await;
    let found = found.map_err(|source| ManifestError::Read { namespace: namespace.clone(), source })?;
    let Some((meta, bytes)) = found else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(manifest) => Ok(Some((meta, manifest))),
        Err(source) => Err(ManifestError::Damaged { location: bucket.locate(key.as_str()), source }),
    }
}

/// Returns the namespaces of a datastore in byte order of names.
///
/// Costs a listing of the top-level directories, and a request for each of those that may be a namespace.
pub async fn list(bucket: &dyn Bucket) -> Result<Vec<Registered>, ManifestError> {
    let candidates = candidates(bucket).await?;
    let reads = candidates.into_iter().map(async |namespace| match read(bucket, &namespace).await {
        Ok(None) => Ok(None),
        Ok(Some(manifest)) => Ok(Some(Registered { namespace, manifest: Some(manifest) })),
        // Somebody's broken manifest must not hide the other namespaces.
        Err(ManifestError::Damaged { .. }) => Ok(Some(Registered { namespace, manifest: None })),
        Err(error) => Err(error),
    });
    stream::iter(reads).buffered(READS_MAX).try_filter_map(async |found| Ok(found)).try_collect().await
}

/// Returns the namespaces of a datastore as [`list`] does, without asking again for those that are `known` to be registered.
pub async fn list_names(bucket: &dyn Bucket, known: &BTreeSet<Namespace>) -> Result<Vec<Namespace>, ManifestError> {
    let candidates = candidates(bucket).await?;
    let reads = candidates.into_iter().map(async |namespace| {
        if known.contains(&namespace) {
            return Ok(Some(namespace));
        }
        match read(bucket, &namespace).await {
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(ManifestError::Damaged { .. }) => Ok(Some(namespace)),
            Err(error) => Err(error),
        }
    });
    stream::iter(reads).buffered(READS_MAX).try_filter_map(async |found| Ok(found)).try_collect().await
}

/// Returns the top-level directories whose names could be namespaces.
async fn candidates(bucket: &dyn Bucket) -> Result<Vec<Namespace>, ManifestError> {
    let directories = bucket::list_directories(bucket).await.map_err(ManifestError::List)?;
    let mut candidates: Vec<Namespace> = directories.iter().filter_map(|name| name.parse().ok()).collect();
    candidates.sort_unstable();
    Ok(candidates)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "`#[tokio::test]` blocks on its own runtime")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bucket::memory::MemoryBucket;
    use crate::clock::ManualClock;

    fn store() -> MemoryBucket {
        MemoryBucket::new(Arc::new(ManualClock::new(Timestamp::default())))
    }

    fn namespace(text: &str) -> Namespace {
        text.parse().expect("a namespace")
    }

    async fn put(bucket: &MemoryBucket, key: &str, text: &'static str) {
        let key = key.parse().expect("a key");
        bucket.put(&key, Body::Bytes(text.into()), PutMode::Overwrite).await.expect("written");
    }

    #[tokio::test]
    async fn registering_twice_is_harmless_and_the_first_registration_stays() {
        let bucket = store();
        let infra = namespace("infra");

        let first = register(&bucket, &infra, "r1", Timestamp::default(), Form::Object).await.expect("registered");
        let again =
            register(&bucket, &infra, "r1", Timestamp::from_milliseconds(1), Form::Object).await.expect("ours already");

        assert_eq!((first, again), (Registration::New, Registration::AlreadyOurs));
        let found = read(&bucket, &infra).await.expect("readable").expect("there");
        assert_eq!(found.registered_at, "1970-01-01T00:00:00.000Z");
    }

    #[tokio::test]
    async fn a_taken_namespace_is_refused_with_its_owner() {
        let bucket = store();
        register(&bucket, &namespace("infra"), "r1", Timestamp::default(), Form::Object).await.expect("registered");

        let refused =
            register(&bucket, &namespace("infra"), "r2", Timestamp::default(), Form::Object).await.expect_err("taken");

        assert_eq!(refused.kind(), Kind::Conflict);
        let ManifestError::Taken { source, .. } = refused else { panic!("{refused}") };
        assert_eq!(source.to_string(), "its manifest names repository r1, this one is r2");
    }

    #[tokio::test]
    async fn the_manifest_has_the_form_of_the_contract() {
        let bucket = store();
        let text = async |name: &str, form| {
            register(&bucket, &namespace(name), "r1", Timestamp::default(), form).await.expect("registered");
            let found = bucket::read_if_exists(&bucket, &key(&namespace(name)), 1000).await.expect("readable");
            String::from_utf8_lossy(&found.expect("there").1).into_owned()
        };

        let (object, file) = (text("infra", Form::Object).await, text("local", Form::File).await);

        let expected = "{\n  \"namespace\": \"infra\",\n  \"repoId\": \"r1\",\n  \
                        \"registeredAt\": \"1970-01-01T00:00:00.000Z\"\n}";
        assert_eq!(object, expected);
        assert_eq!(file, format!("{}\n", expected.replace("infra", "local")));
    }

    #[tokio::test]
    async fn a_name_that_was_given_up_is_free_and_that_of_another_stays_taken() {
        let bucket = store();
        let infra = namespace("infra");
        register(&bucket, &infra, "r1", Timestamp::default(), Form::Object).await.expect("registered");

        unregister(&bucket, &infra, "r2").await.expect("left alone");
        let kept = read(&bucket, &infra).await.expect("readable").expect("there");
        unregister(&bucket, &infra, "r1").await.expect("given up");
        unregister(&bucket, &infra, "r1").await.expect("nothing to give up");

        assert_eq!(kept.repo_id, "r1");
        assert_eq!(read(&bucket, &infra).await.expect("readable"), None);
    }

    #[tokio::test]
    async fn namespaces_are_found_beside_all_else() {
        let bucket = store();
        for key in [".datastore-index.json", ".locks/infra.lock", "_index/_meta.json", "data/t/id/n/1/raw", "zz"] {
            put(&bucket, key, "x").await;
        }
        for index in 0..50 {
            put(&bucket, &format!("infra/data/t/id/n/{index}/raw"), "x").await;
        }
        put(&bucket, "broken/.namespace.json", "not JSON").await;
        put(&bucket, "deep/a/.namespace.json", "{}").await;
        register(&bucket, &namespace("infra"), "r1", Timestamp::default(), Form::Object).await.expect("registered");
        register(&bucket, &namespace("infra0"), "r2", Timestamp::default(), Form::Object).await.expect("registered");

        let found = list(&bucket).await.expect("listed");

        let found: Vec<_> = found.iter().map(|one| (one.namespace.as_str(), one.manifest.is_some())).collect();
        assert_eq!(found, [("broken", false), ("infra", true), ("infra0", true)]);
    }
}
