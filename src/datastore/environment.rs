//! The `SWAMP_DATASTORE` form of a datastore block (formats.md 1.4).

use serde_json::{Map, Value, json};

use super::{ConfigError, DatastoreConfig, Places};

/// The variable's name, as messages spell it.
const VARIABLE: &str = "SWAMP_DATASTORE";

/// Parses `filesystem:{path}`, `{type}:{json}` or `s3:{bucket}[/{prefix}]`.
///
/// The form has no place for directories or exclude, and it replaces the block of `.swamp.yaml` as a whole: without
/// `"namespace"` in the JSON, a namespaced repository works in solo layout. The caller warns of that.
pub fn parse_environment(text: &str, places: &Places<'_>) -> Result<DatastoreConfig, ConfigError> {
    parse(text, places).map_err(|cause| ConfigError::Variable { cause: Box::new(cause) })
}

fn parse(text: &str, places: &Places<'_>) -> Result<DatastoreConfig, ConfigError> {
    let Some((kind, rest)) = text.split_once(':') else {
        return Err(refused(text, "use `filesystem:PATH`, `s3:BUCKET/PREFIX` or `@scope/type:{…JSON…}`"));
    };
    let block = match kind {
        "filesystem" => json!({"type": kind, "path": rest}),
        "s3" => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            json!({"type": kind, "bucket": bucket, "prefix": prefix})
        }
        _ => from_json(kind, rest, text)?,
    };
    let block = block.as_object().cloned().unwrap_or_default();
    DatastoreConfig::from_block(&block, places)
}

fn from_json(kind: &str, rest: &str, text: &str) -> Result<Value, ConfigError> {
    let rest = if rest.trim().is_empty() { "{}" } else { rest };
    let parsed: Result<Map<String, Value>, _> = serde_json::from_str(rest);
    let mut config =
        parsed.map_err(|error| refused(text, &format!("the part after `:` is not a JSON object ({error})")))?;
    let mut block = Map::new();
    block.insert("type".to_owned(), Value::from(kind));
    for key in ["hydrationStrategy", "namespace"] {
        if let Some(value) = config.shift_remove(key) {
            block.insert(key.to_owned(), value);
        }
    }
    block.insert("config".to_owned(), Value::Object(config));
    Ok(Value::Object(block))
}

fn refused(text: &str, rule: &str) -> ConfigError {
    let value = format!("`{}`", text.chars().take(120).collect::<String>());
    ConfigError::Setting { key: VARIABLE.to_owned(), value, rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datastore::fields::tests::places;
    use crate::datastore::{Backend, Hydration};
    use crate::error::Failure as _;

    fn parsed(text: &str) -> DatastoreConfig {
        parse_environment(text, &places()).expect("a block")
    }

    #[test]
    fn all_three_forms_are_understood() {
        assert_eq!(parsed("filesystem:$DATA/a:b").backend.location(), "/srv/a:b");
        assert_eq!(parsed("s3:team/some/prefix").backend.location(), "s3://team/some/prefix");
        assert_eq!(parsed(r#"@swamp/s3-datastore:{"bucket":"team"}"#).backend.location(), "s3://team");
    }

    #[test]
    fn namespace_and_hydration_may_stand_in_the_json() {
        let config = parsed(r#"@swamp/s3-datastore:{"bucket":"team","namespace":"infra","hydrationStrategy":"lazy"}"#);

        assert_eq!(config.namespace.map(|namespace| namespace.to_string()).as_deref(), Some("infra"));
        assert_eq!(config.hydration, Hydration::Lazy);
        assert!(matches!(config.backend, Backend::S3(_)));
    }

    #[test]
    fn what_is_wrong_is_put_right_in_the_variable() {
        let hint = |text| parse_environment(text, &places()).expect_err("a refusal").hint().expect("a remedy");

        assert!(hint("s3:").starts_with("correct `SWAMP_DATASTORE`"), "{}", hint("s3:"));
        assert!(hint("ftp:{}").starts_with("use `filesystem`"), "{}", hint("ftp:{}"));
    }

    #[test]
    fn a_text_without_a_colon_is_refused_with_the_grammar() {
        let refusal = parse_environment("nonsense", &places()).expect_err("a refusal").to_string();

        assert!(refusal.starts_with("`SWAMP_DATASTORE` is `nonsense`: use `filesystem:PATH`"), "{refusal}");
    }
}
