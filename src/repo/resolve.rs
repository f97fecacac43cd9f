//! Which datastore a repository has (formats.md 1.4).

use std::path::Path;

use serde_json::{Map, Value};
use tracing::warn;

use super::{Environment, Marker};
use crate::datastore::{self, ConfigError, DatastoreConfig, Places};

/// Resolves a repository's datastore: `SWAMP_DATASTORE`, else the marker's block, else `.swamp` in the repository.
pub fn resolve_datastore(
    root: &Path,
    marker: &Marker,
    environment: &Environment,
) -> Result<DatastoreConfig, ConfigError> {
    let block = marker.datastore();
    let Some(text) = environment.variable("SWAMP_DATASTORE") else {
        return parse_block(root, block.as_ref(), environment);
    };
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let places = Places { repository: root, home: environment.home(), variable: &variable };
    let config = datastore::parse_environment(text, &places)?;
    let named = block.and_then(|block| block.get("namespace")?.as_str().map(str::to_owned));
    if let (None, Some(namespace)) = (&config.namespace, named.filter(|name| !name.is_empty())) {
        warn!(%namespace, "`SWAMP_DATASTORE` replaces the datastore block, also its namespace; name it in the JSON");
    }
    Ok(config)
}

/// Checks a datastore block as the marker of the repository at `root` would hold it; no block is the default place.
pub fn parse_block(
    root: &Path,
    block: Option<&Map<String, Value>>,
    environment: &Environment,
) -> Result<DatastoreConfig, ConfigError> {
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let places = Places { repository: root, home: environment.home(), variable: &variable };
    match block {
        Some(block) => DatastoreConfig::from_block(block, &places),
        None => Ok(DatastoreConfig::default_for(&places)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn location(variable: Option<&str>, block: Option<Value>) -> String {
        let variables = variable.map(|text| ("SWAMP_DATASTORE".to_owned(), text.to_owned()));
        let environment = Environment::new(variables.into_iter().collect::<BTreeMap<_, _>>(), PathBuf::from("/"));
        let mut marker = Marker::default();
        if let Some(Value::Object(block)) = block {
            marker.set_datastore(&block);
        }
        resolve_datastore(Path::new("/r"), &marker, &environment).expect("a datastore").backend.location()
    }

    #[test]
    fn the_environment_comes_before_the_marker_and_the_marker_before_the_default() {
        let block = || Some(serde_json::json!({"type": "filesystem", "path": "/srv"}));

        assert_eq!(location(Some("s3:team/p"), block()), "s3://team/p");
        assert_eq!(location(None, block()), "/srv");
        assert_eq!(location(None, None), "/r/.swamp");
    }
}
