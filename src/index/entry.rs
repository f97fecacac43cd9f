//! Index entries and the bodies that carry them: monolith, shard, meta (formats.md 4.2, 4.3).
//!
//! Bodies come from the bucket and are not trusted: a body of another version or shape is an error, a single bad entry
//! is refused with its reason and the rest is kept. Fields we do not know survive a rewrite.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::PartitionKey;
use crate::bucket::ObjectMeta;
use crate::path::RelPath;

/// The largest index body we read, in bytes: about a million entries.
pub const INDEX_BYTES_MAX: u64 = 512 << 20;

/// One synchronised file, keyed by its path relative to the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The path relative to the namespace, equal to the entry's key in its map.
    pub key: RelPath,
    /// Length in bytes.
    pub size: u64,
    /// When it was uploaded, by the uploader's clock.
    pub last_modified: String,
    /// The uploader's file time; absent on entries discovered by listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_mtime: Option<String>,
    /// Lower-case hexadecimal SHA-256; absent on discovered and on old entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What others added.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Entry {
    /// Returns the entry of an object that nobody describes.
    pub(super) fn of_found(object: &ObjectMeta) -> Self {
        Self {
            key: object.key.clone(),
            size: object.size,
            last_modified: object.modified.to_string(),
            local_mtime: None,
            sha256: None,
            extra: Map::new(),
        }
    }

    /// Whether both describe the same bytes, as far as they tell.
    pub fn is_same_content(&self, size: u64, sha256: &str) -> bool {
        self.size == size && self.sha256.as_deref() == Some(sha256)
    }
}

/// Entries in the order they were written.
pub type Entries = IndexMap<RelPath, Entry>;

/// Entries that cannot be used, as they were written: by a newer swamp, or damaged. They say that their files exist, and
/// a rewrite keeps them.
pub(super) type Unusable = Map<String, Value>;

/// An entry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Its key, shortened.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// A monolith or shard body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The usable entries.
    pub entries: Entries,
    /// The others, and why.
    pub unusable: Unusable,
    /// Why the others cannot be used.
    pub refused: Vec<RefusedEntry>,
}

#[derive(Deserialize)]
struct RawBody {
    version: u64,
    #[serde(deserialize_with = "sifted")]
    entries: Body,
}

#[derive(Serialize)]
struct ShardBody<'a> {
    version: u32,
    entries: All<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MonolithBody<'a> {
    version: u32,
    last_pulled: String,
    entries: All<'a>,
}

/// What a body holds: entries, then those that cannot be used.
struct All<'a>(&'a Entries, &'a Unusable);

impl Serialize for All<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len() + self.1.len()))?;
        self.0.iter().try_for_each(|(key, entry)| map.serialize_entry(key, entry))?;
        self.1.iter().try_for_each(|(key, entry)| map.serialize_entry(key, entry))?;
        map.end()
    }
}

/// A body that is not an index.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message is the documentation")]
pub enum InvalidBody {
    #[error("it is not index JSON")]
    Json(#[from] serde_json::Error),
    #[error("it has format version {0}, this swamp knows 1")]
    Version(u64),
}

impl Body {
    /// Parses a monolith or shard.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidBody> {
        let RawBody { version, entries: body } = serde_json::from_slice(bytes)?;
        if version == 1 { Ok(body) } else { Err(InvalidBody::Version(version)) }
    }
}

/// Reads entries one at a time: as JSON values, all those of a large shard would take several times its length.
fn sifted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
    deserializer.deserialize_map(Body::default())
}

impl<'de> Visitor<'de> for Body {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of entries")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            match parse_entry(&key, &value) {
                Ok(entry) => {
                    self.entries.insert(entry.key.clone(), entry);
                }
                Err(reason) => {
                    let shown = key.chars().take(200).flat_map(char::escape_default).collect();
                    self.refused.push(RefusedEntry { key: shown, reason });
                    self.unusable.insert(key, value);
                }
            }
        }
        Ok(self)
    }
}

/// Reads entries that were checked before; keys and entries share their texts.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
    let mut entries = Entries::deserialize(deserializer)?;
    for (key, entry) in &mut entries {
        entry.key = key.clone();
    }
    Ok(entries)
}

fn parse_entry(key: &str, value: &Value) -> Result<Entry, String> {
    let path: RelPath = key.parse().map_err(|error: crate::path::InvalidPath| error.to_string())?;
    let mut entry: Entry = Entry::deserialize(value).map_err(|error| error.to_string())?;
    if entry.key != path {
        return Err("its `key` names another path".to_owned());
    }
    let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if entry.sha256.as_ref().is_some_and(|digest| !is_digest(digest)) {
        return Err("its `sha256` is not 64 hexadecimal digits".to_owned());
    }
    entry.sha256 = entry.sha256.map(|digest| digest.to_ascii_lowercase());
    Ok(entry)
}

/// Returns the bytes of a shard: compact JSON.
pub(super) fn shard_bytes(entries: &Entries, unusable: &Unusable) -> Vec<u8> {
    serde_json::to_vec(&ShardBody { version: 1, entries: All(entries, unusable) }).unwrap_or_default()
}

/// Returns the bytes of a monolith: compact JSON.
pub(super) fn monolith_bytes(entries: &Entries, unusable: &Unusable, last_pulled: crate::clock::Timestamp) -> Vec<u8> {
    let body = MonolithBody { version: 1, last_pulled: last_pulled.to_string(), entries: All(entries, unusable) };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The list of shards: version 1 is advisory beside a monolith, version 2 is the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// 1 or 2.
    pub version: u32,
    /// The names of the shards.
    pub partitions: Vec<String>,
    /// Counts commits; only in version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_seq: Option<u64>,
    /// What others added.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Meta {
    /// Parses a meta object; `None` for anything that readers of the format take for an absent one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let meta: Self = serde_json::from_slice(bytes).ok()?;
        matches!(meta.version, 1 | 2).then_some(meta)
    }

    /// Whether the shards are the truth.
    pub fn is_sharded(&self) -> bool {
        self.version == 2
    }

    /// Returns the shards whose names can be used.
    pub fn partition_keys(&self) -> impl Iterator<Item = PartitionKey> {
        self.partitions.iter().filter_map(|name| PartitionKey::from_remote(name))
    }

    /// Returns the names of the others.
    pub(super) fn unusable_partitions(&self) -> Vec<String> {
        let unusable = self.partitions.iter().filter(|name| PartitionKey::from_remote(name).is_none());
        unusable.cloned().collect()
    }

    /// Returns the bytes of the object: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_entry_is_refused_and_its_neighbours_are_kept() {
        let text = r#"{"version":1,"entries":{
            "data/a/b/c/1/raw":{"key":"data/a/b/c/1/raw","size":1,"lastModified":"x","note":7},
            "../evil":{"key":"../evil","size":1,"lastModified":"x"},
            "a":{"key":"b","size":1,"lastModified":"x"},
            "n":{"key":"n","size":-1,"lastModified":"x"},
            "h":{"key":"h","size":1,"lastModified":"x","sha256":"zz"}}}"#;

        let body = Body::parse(text.as_bytes()).expect("an index");

        assert_eq!(body.entries.len(), 1);
        assert_eq!(body.refused.len(), 4);
        let again = String::from_utf8(shard_bytes(&body.entries, &body.unusable)).expect("UTF-8");
        assert!(again.contains(r#""note":7"#), "{again}");
        let (again, text) = (serde_json::from_str::<Value>(&again), serde_json::from_str::<Value>(text));
        assert_eq!(again.expect("JSON"), text.expect("JSON"));
    }

    #[test]
    fn other_versions_are_refused() {
        assert!(matches!(Body::parse(br#"{"version":3,"entries":{}}"#), Err(InvalidBody::Version(3))));
        assert_eq!(Meta::parse(br#"{"version":3,"partitions":[]}"#), None);
        assert_eq!(Meta::parse(br#"{"version":2,"partitions":"x"}"#), None);
    }

    #[test]
    fn bodies_are_compact_and_in_the_contracts_order() {
        let text =
            r#"{"version":1,"entries":{"a":{"key":"a","size":1,"lastModified":"t","localMtime":"m","sha256":"HASH"}}}"#;
        let text = text.replace("HASH", &"0".repeat(64));

        let body = Body::parse(text.as_bytes()).expect("an index");

        assert_eq!(String::from_utf8(shard_bytes(&body.entries, &body.unusable)).expect("UTF-8"), text);
    }
}
