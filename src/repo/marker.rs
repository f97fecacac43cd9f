//! `.swamp.yaml`: what makes a directory a repository (formats.md 1.1). Keys we do not know survive a rewrite.

use std::path::Path;

use serde_json::{Map, Value};

use super::RepoError;
use super::paths::{LOCAL_DIRECTORY, STAGING_DIRECTORY};
use crate::clock::Timestamp;
use crate::fsutil::{self, Durability};
use crate::namespace::Namespace;
use crate::yaml::{self, Limits, Mapping, Node, Scalar, Style};

/// The marker's file name.
pub(super) const FILE_NAME: &str = ".swamp.yaml";

/// The largest marker we read, in bytes.
const MARKER_BYTES_MAX: u64 = 1 << 20;

/// Settings that were removed; upstream refuses every command while they are there, and so do we.
const REMOVED: [&str; 2] = ["defaultDriver", "defaultDriverConfig"];

/// The settings there are; those of the `datastore` block below.
const KNOWN: [&str; 25] = [
    "swampVersion",
    "initializedAt",
    "upgradedAt",
    "repoId",
    "modelsDir",
    "workflowsDir",
    "datastoresDir",
    "vaultsDir",
    "driversDir",
    "reportsDir",
    "tools",
    "telemetryEndpoint",
    "telemetryDisabled",
    "telemetryKeepFlushed",
    "logLevel",
    "gitignoreManaged",
    "datastore",
    "trustedCollectives",
    "trustMemberCollectives",
    "autoGc",
    "defaultVault",
    "lastSkillMigrationWarning",
    "skillMigrationDismissed",
    "lastStalenessWarning",
    "tool",
];

/// The settings of the `datastore` block, including those that its type `s3` once had.
const KNOWN_OF_DATASTORE: [&str; 12] = [
    "type",
    "path",
    "bucket",
    "prefix",
    "region",
    "endpoint",
    "forcePathStyle",
    "config",
    "directories",
    "exclude",
    "hydrationStrategy",
    "namespace",
];

/// The settings of its `config`, for any type.
const KNOWN_OF_CONFIG: [&str; 11] = [
    "bucket",
    "prefix",
    "region",
    "endpoint",
    "forcePathStyle",
    "checksums",
    "projectId",
    "apiEndpoint",
    "pullConcurrency",
    "pushConcurrency",
    "requestTimeoutMs",
];

/// The content of a marker, in its own order and spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    document: Mapping,
}

impl Marker {
    /// Reads the marker of a repository, `None` if there is none.
    pub fn load(root: &Path) -> Result<Option<Self>, RepoError> {
        let path = root.join(FILE_NAME);
        let refused = |rule: &str| RepoError::Marker { path: path.clone(), rule: rule.to_owned() };
        let Some(text) = fsutil::read_text_if_exists(&path, MARKER_BYTES_MAX)? else { return Ok(None) };
        let document = yaml::parse(&text, Limits::default())
            .map_err(|source| RepoError::MarkerSyntax { path: path.clone(), source })?;
        let mut document = match document {
            Node::Mapping(document) => document,
            node if node.is_null() => Mapping::default(),
            Node::Scalar(_) | Node::Sequence(_) => return Err(refused("it is not a map of settings")),
        };
        if let Some(removed) = REMOVED.into_iter().find(|key| document.get(key).is_some()) {
            return Err(refused(&format!("the setting `{removed}` was removed; delete it")));
        }
        if document.get("datastore").is_some_and(|block| block.as_mapping().is_none() && !block.is_null()) {
            return Err(refused("`datastore` is not a map of settings"));
        }
        promote_tool(&mut document);
        Ok(Some(Self { document }))
    }

    /// Writes the marker in one step.
    pub fn store(&self, root: &Path) -> Result<(), RepoError> {
        let text = yaml::emit(&Node::Mapping(self.document.clone()));
        let staging = root.join(LOCAL_DIRECTORY).join(STAGING_DIRECTORY);
        Ok(fsutil::write_atomic(&root.join(FILE_NAME), text.as_bytes(), &staging, Durability::Synced)?)
    }

    /// Adds what a new marker has and this one lacks.
    pub fn complete(&mut self, now: Timestamp) {
        let mut add = |key: &str, value: Node| {
            if self.document.get(key).is_none_or(Node::is_null) {
                self.document.insert(key, value);
            }
        };
        add("swampVersion", Scalar::string(env!("CARGO_PKG_VERSION")).into());
        add("initializedAt", Scalar::quoted(now.to_string()).into());
        add("repoId", Scalar::string(uuid::Uuid::new_v4().to_string()).into());
        add("tools", Node::Sequence(Vec::new()));
    }

    /// Returns the repository's identity; markers of old repositories have none.
    pub fn repo_id(&self) -> Option<&str> {
        self.text("repoId").filter(|id| !id.is_empty())
    }

    /// Returns the text of a setting.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key).filter(|value| !value.is_null())?.as_text()
    }

    /// Returns the settings that nobody knows, which are kept and have no effect.
    pub fn unknown(&self) -> Vec<String> {
        let block = self.document.get("datastore").and_then(Node::as_mapping);
        let config = block.and_then(|block| block.get("config")).and_then(Node::as_mapping);
        let maps: [(&str, _, &[&str]); 3] = [
            ("", Some(&self.document), &KNOWN),
            ("datastore.", block, &KNOWN_OF_DATASTORE),
            ("datastore.config.", config, &KNOWN_OF_CONFIG),
        ];
        let mut unknown = Vec::new();
        for (prefix, map, known) in maps {
            let keys = map.into_iter().flat_map(Mapping::iter).map(|(key, _)| key);
            unknown.extend(keys.filter(|key| !known.contains(key)).map(|key| format!("{prefix}{key}")));
        }
        unknown
    }

    /// Returns the `datastore:` block.
    pub fn datastore(&self) -> Option<Map<String, Value>> {
        self.document.get("datastore")?.as_mapping().map(to_json_map)
    }

    /// Replaces the `datastore:` block.
    pub fn set_datastore(&mut self, block: &Map<String, Value>) {
        self.document.insert("datastore", from_json_map(block));
    }

    /// Sets or removes the namespace in the `datastore:` block, if there is one.
    pub fn set_namespace(&mut self, namespace: Option<&Namespace>) {
        let Some(block) = self.document.get_mut("datastore").and_then(Node::as_mapping_mut) else { return };
        match namespace {
            Some(namespace) => block.insert("namespace", Scalar::string(namespace.as_str())),
            None => drop(block.remove("namespace")),
        }
    }
}

/// Turns the old `tool` into the list that replaced it; the list wins if both are there.
fn promote_tool(document: &mut Mapping) {
    let Some(tool) = document.remove("tool") else { return };
    if document.get("tools").is_none() {
        let named = tool.as_scalar().filter(|scalar| scalar.text != "none" && !scalar.is_null());
        document.insert("tools", Node::Sequence(named.cloned().map(Node::Scalar).into_iter().collect()));
    }
}

fn to_json(node: &Node) -> Value {
    match node {
        Node::Mapping(mapping) => Value::Object(to_json_map(mapping)),
        Node::Sequence(elements) => elements.iter().map(to_json).collect(),
        Node::Scalar(scalar) if scalar.is_null() => Value::Null,
        Node::Scalar(scalar) => match (scalar.as_bool(), scalar.style) {
            (Some(flag), _) => Value::Bool(flag),
            // Only a number whose text is its own canonical form: a bucket called 007 keeps its name.
            (None, Style::Plain) => match scalar.text.parse::<u64>() {
                Ok(number) if number.to_string() == scalar.text => Value::from(number),
                Ok(_) | Err(_) => Value::from(scalar.text.as_str()),
            },
            (None, Style::Quoted) => Value::from(scalar.text.as_str()),
        },
    }
}

fn to_json_map(mapping: &Mapping) -> Map<String, Value> {
    mapping.iter().map(|(key, value)| (key.to_owned(), to_json(value))).collect()
}

fn from_json(value: &Value) -> Node {
    match value {
        Value::Null => Scalar::bare("null").into(),
        Value::Bool(flag) => Scalar::bare(flag).into(),
        Value::Number(number) => Scalar::bare(number).into(),
        Value::String(text) => Scalar::string(text).into(),
        Value::Array(elements) => Node::Sequence(elements.iter().map(from_json).collect()),
        Value::Object(map) => from_json_map(map).into(),
    }
}

fn from_json_map(map: &Map<String, Value>) -> Mapping {
    map.iter().map(|(key, value)| (key, from_json(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Option<Marker>, RepoError> {
        let root = tempfile::tempdir().expect("a directory");
        let staging = root.path().join("staging");
        fsutil::write_atomic(&root.path().join(FILE_NAME), text.as_bytes(), &staging, Durability::Relaxed)
            .expect("written");
        Marker::load(root.path())
    }

    fn marker(text: &str) -> Marker {
        load(text).expect("readable").expect("there")
    }

    #[test]
    fn the_written_form_of_the_contract_survives_a_rewrite() {
        let text = "swampVersion: 20260822.101500.0\ninitializedAt: \"2026-08-22T10:15:00.000Z\"\n\
                    repoId: 1f3c6f1e-8a0b-4d55-9c62-0d6f6f1a2b3c\ntools:\n  - claude\nfuture:\n  key: [1, true, ~]\n\
                    datastore:\n  type: \"@swamp/s3-datastore\"\n  config:\n    bucket: team-state\n  namespace: infra\n";
        let first = marker(text);
        let root = tempfile::tempdir().expect("a directory");

        first.store(root.path()).expect("written");

        assert_eq!(Marker::load(root.path()).expect("readable"), Some(first.clone()));
        assert_eq!(first.text("swampVersion"), Some("20260822.101500.0"));
        assert_eq!(first.datastore().expect("a block").get("namespace"), Some(&Value::from("infra")));
    }

    #[test]
    fn the_old_tool_key_becomes_a_list() {
        let tools = |text: &str| marker(text).document.get("tools").map(to_json);

        assert_eq!(tools("tool: claude\n"), Some(serde_json::json!(["claude"])));
        assert_eq!(tools("tool: none\n"), Some(serde_json::json!([])));
        assert_eq!(tools("tool: a\ntools: [b]\n"), Some(serde_json::json!(["b"])));
    }

    #[test]
    fn settings_that_nobody_knows_are_named() {
        let text = "repoId: a\ntool: none\ndatastor:\n  type: filesystem\n\
                    datastore:\n  type: s3\n  pth: /srv\n  config:\n    bucket: team\n    ednpoint: x\n";

        assert_eq!(marker(text).unknown(), ["datastor", "datastore.pth", "datastore.config.ednpoint"]);
    }

    #[test]
    fn unusable_markers_are_refused_with_the_rule() {
        for (text, rule) in [
            ("- a\n", "it is not a map of settings"),
            ("defaultDriver: x\n", "the setting `defaultDriver` was removed; delete it"),
            ("datastore: here\n", "`datastore` is not a map of settings"),
        ] {
            match load(text) {
                Err(RepoError::Marker { rule: found, .. }) => assert_eq!(found, rule),
                other => panic!("{text:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn an_empty_marker_is_a_repository_without_an_id() {
        assert_eq!(marker("").repo_id(), None);
    }
}
