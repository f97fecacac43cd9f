//! Reading typed values out of a JSON-like block, with refusals that name key, value and rule.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ConfigError;

/// What relative paths, `~` and `$VAR` mean.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The repository's root: relative paths start here.
    pub repository: &'a Path,
    /// The user's home directory, if there is one.
    pub home: Option<&'a Path>,
    /// Returns the value of an environment variable.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, home, variable: _ } = self;
        f.debug_struct("Places").field("repository", repository).field("home", home).finish_non_exhaustive()
    }
}

/// A block and the name under which its owner knows it.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    owner: String,
    values: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(owner: &str, values: &'a Map<String, Value>) -> Self {
        Self { owner: owner.to_owned(), values }
    }

    /// Returns a key with its owner, as messages spell it.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.owner)
    }

    pub(super) fn refused(&self, key: &str, value: &Value, rule: impl Into<String>) -> ConfigError {
        ConfigError::Setting { key: self.name(key), value: shown(value), rule: rule.into() }
    }

    pub(super) fn missing(&self, key: &str, meaning: &'static str) -> ConfigError {
        ConfigError::Missing { key: self.name(key), meaning }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            // YAML reads an unquoted bucket called 2024 as a number; the reader of the contract takes its text.
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.refused(key, other, "use a text")),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.refused(key, other, "use `true` or `false`")),
        }
    }

    pub(super) fn number(&self, key: &str, range: &RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let rule = || format!("use a whole number from {} to {}", range.start(), range.end());
        let number = value.as_u64().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| self.refused(key, value, rule()))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let refused = || self.refused(key, value, "use a list of texts");
        let items = value.as_array().ok_or_else(refused)?;
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(refused))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Returns the block below `key`, empty if it is absent.
    pub(super) fn block(&self, key: &str) -> Result<Option<Self>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(Self { owner: self.name(key), values })),
            Some(other) => Err(self.refused(key, other, "use a map of settings")),
        }
    }
}

/// Returns a value as it may stand in a message: short.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Expands `~`, `$VAR` and `${VAR}` and resolves the result against the repository.
pub fn expand(text: &str, places: &Places<'_>) -> Result<PathBuf, ConfigError> {
    let unset = |name: &str| ConfigError::UnsetVariable { name: name.to_owned(), text: text.to_owned() };
    let mut expanded = String::new();
    let mut rest = text;
    if let Some(below) = rest.strip_prefix('~')
        && (below.is_empty() || below.starts_with('/'))
    {
        let home = places.home.and_then(Path::to_str).ok_or_else(|| unset("HOME"))?;
        expanded.push_str(home);
        rest = below;
    }
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, remaining) = variable_name(after);
        if name.is_empty() {
            expanded.push('$');
        } else {
            let value = (places.variable)(name).filter(|value| !value.is_empty());
            expanded.push_str(&value.ok_or_else(|| unset(name))?);
        }
        rest = remaining;
    }
    expanded.push_str(rest);
    Ok(places.repository.join(expanded))
}

/// Splits the text after a `$` into the variable's name, empty if there is none, and what follows it.
fn variable_name(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
        return (name, rest);
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = text.find(|letter| !is_name(letter)).unwrap_or(text.len());
    if text.starts_with(|letter: char| letter.is_ascii_digit()) { ("", text) } else { text.split_at(end) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        (name == "DATA").then(|| "/srv".to_owned())
    }

    /// Returns a repository at `/r`, a home at `/home/ana`, and `DATA=/srv`.
    pub(in super::super) fn places() -> Places<'static> {
        Places { repository: Path::new("/r"), home: Some(Path::new("/home/ana")), variable: &variable }
    }

    fn expanded(text: &str) -> String {
        match expand(text, &places()) {
            Ok(path) => path.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn paths_are_expanded_and_start_at_the_repository() {
        assert_eq!(expanded("~/d"), "/home/ana/d");
        assert_eq!(expanded("~"), "/home/ana");
        assert_eq!(expanded("$DATA/x"), "/srv/x");
        assert_eq!(expanded("${DATA}x"), "/srvx");
        assert_eq!(expanded("../shared"), "/r/../shared");
        assert_eq!(expanded("a~b$"), "/r/a~b$");
    }

    #[test]
    fn an_unset_variable_is_refused_by_name() {
        assert_eq!(expanded("$NOPE/x"), "variable `NOPE` in path `$NOPE/x` is not set");
    }
}
