//! Which shard an index entry lives in (formats.md 4.3). Pure, and literal to the point of oddity: another
//! implementation looks for the entry in exactly this shard.

use std::fmt;

use crate::path::{PATH_BYTES_MAX, RelPath};

/// The name of a shard: `data--aws--ec2--vpc--<id>`, `_root`, … Never contains `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PartitionKey(String);

/// Where the objects of shards are, and what their names end in.
const DIRECTORY: &str = "_index/";
const EXTENSION: &str = ".json";

/// Subtrees that have one shard each.
const WHOLE_SUBTREE: [&str; 6] = ["workflows-evaluated", "auto-definitions", "audit", "telemetry", "logs", "files"];

impl PartitionKey {
    /// Returns the shard of a path relative to the namespace, `None` if the path has no place in an index.
    pub fn of(path: &RelPath) -> Option<Self> {
        let segments: Vec<&str> = path.segments().collect();
        let count = segments.len();
        let name = match (*segments.first()?, count) {
            (_, 1) => "_root".to_owned(),
            ("data" | "outputs" | "definitions-evaluated", 6..) => segments.get(..count - 3)?.join("--"),
            ("data" | "outputs" | "definitions-evaluated", 4..) => segments.get(..count - 1)?.join("--"),
            ("workflow-runs", 3..) => format!("workflow-runs--{}", segments.get(1)?),
            (subtree, 2..) if WHOLE_SUBTREE.contains(&subtree) => subtree.to_owned(),
            _ => return None,
        };
        // The key of a shard may be longer than the path that belongs there.
        (DIRECTORY.len() + name.len() + EXTENSION.len() <= PATH_BYTES_MAX).then_some(Self(name))
    }

    /// Checks a name that came from a bucket.
    pub fn from_remote(name: &str) -> Option<Self> {
        let key = format!("{DIRECTORY}{name}{EXTENSION}").parse::<RelPath>().ok()?;
        (key.segments().count() == 2 && !matches!(name, "" | "_meta")).then(|| Self(name.to_owned()))
    }

    /// Returns the shard that an object is, `None` for other objects.
    pub(super) fn from_path(path: &RelPath) -> Option<Self> {
        Self::from_remote(path.as_str().strip_prefix(DIRECTORY)?.strip_suffix(EXTENSION)?)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of the shard object, relative to the namespace.
    pub fn to_path(&self) -> RelPath {
        RelPath::from_trusted(format!("{DIRECTORY}{}{EXTENSION}", self.0))
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(path: &str) -> Option<String> {
        PartitionKey::of(&path.parse().expect("a path")).map(|key| key.0)
    }

    #[test]
    fn a_path_whose_shard_would_have_too_long_a_key_has_no_place() {
        let path = |length: usize| format!("data/t/{}/state/1/raw", "x".repeat(length));

        assert!(shard(&path(1003)).is_some());
        assert_eq!(shard(&path(1004)), None);
    }

    #[test]
    fn every_row_of_the_contract_table_holds() {
        let table = [
            ("data/command/shell/ID/result/2/raw", Some("data--command--shell--ID")),
            ("data/command/shell/ID/result/latest", Some("data--command--shell")),
            ("data/aws/ec2/vpc/ID/state/1/raw", Some("data--aws--ec2--vpc--ID")),
            ("data/aws/ec2/vpc/ID/state/latest", Some("data--aws--ec2--vpc")),
            ("data/workflow/ID/report/3/raw", Some("data--workflow--ID")),
            ("data/workflow/ID/report/latest", Some("data--workflow--ID--report")),
            ("outputs/command/shell/execute/x.yaml", Some("outputs--command--shell--execute")),
            ("outputs/aws/ec2/vpc/create/x.yaml", Some("outputs--aws--ec2")),
            ("definitions-evaluated/command/shell/m.yaml", Some("definitions-evaluated--command--shell")),
            ("definitions-evaluated/solo/m.yaml", None),
            (".catalog-export.json", Some("_root")),
            ("workflow-runs/W/workflow-run-R.yaml", Some("workflow-runs--W")),
            ("workflow-runs/x.yaml", None),
            ("auto-definitions/swamp/file/m.yaml", Some("auto-definitions")),
            ("secrets/x/y/z", None),
        ];
        for (path, expected) in table {
            assert_eq!(shard(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn shard_names_from_a_bucket_cannot_leave_the_index() {
        assert!(PartitionKey::from_remote("data--a--b").is_some());
        for name in ["", "../x", "a/b", "_meta", "a\0b"] {
            assert!(PartitionKey::from_remote(name).is_none(), "{name:?} was accepted");
        }
    }
}
