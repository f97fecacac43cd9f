//! Which subdirectories belong to a datastore, and the patterns that take some out again (formats.md 1.3).

use globset::{GlobBuilder, GlobMatcher};

use super::ConfigError;

/// The subdirectories that belong to a datastore unless its block says otherwise, in the order of the contract.
pub const DEFAULT_DATASTORE_SUBDIRS: [&str; 15] = [
    "auto-definitions",
    "definitions-evaluated",
    "workflows-evaluated",
    "data",
    "outputs",
    "workflow-runs",
    "secrets",
    "bundles",
    "vault-bundles",
    "driver-bundles",
    "report-bundles",
    "audit",
    "telemetry",
    "logs",
    "files",
];

/// The subdirectories that stay in the repository whatever a block says.
pub const ALWAYS_LOCAL_SUBDIRS: [&str; 5] = ["secrets", "bundles", "vault-bundles", "driver-bundles", "report-bundles"];

/// Returns the subdirectories of a block without `directories`.
pub(super) fn defaults() -> Vec<String> {
    let is_shared = |name: &&&str| !ALWAYS_LOCAL_SUBDIRS.contains(name);
    DEFAULT_DATASTORE_SUBDIRS.iter().filter(is_shared).map(|name| (*name).to_owned()).collect()
}

/// Returns the subdirectories of a block, without those that are always local.
pub(super) fn effective(named: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let Some(named) = named else { return Ok(defaults()) };
    let mut kept: Vec<String> = Vec::new();
    for name in named {
        let name = name.trim_end_matches('/');
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(ConfigError::Setting {
                key: "datastore.directories".to_owned(),
                value: format!("{name:?}"),
                rule: "use names of directories below the datastore, without `/` or a leading `.`".to_owned(),
            });
        }
        if !ALWAYS_LOCAL_SUBDIRS.contains(&name) && !kept.iter().any(|known| known == name) {
            kept.push(name.to_owned());
        }
    }
    Ok(kept)
}

/// A list of gitignore-like patterns: the last one that matches decides, `!` takes a match back.
#[derive(Clone, Debug, Default)]
pub struct Exclude {
    patterns: Vec<String>,
    rules: Vec<(Effect, GlobMatcher)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Excluded,
    Included,
}

impl PartialEq for Exclude {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Exclude {}

impl Exclude {
    /// Compiles the patterns of a block; empty ones and `#` comments mean nothing.
    pub fn new(patterns: Vec<String>) -> Result<Self, ConfigError> {
        let mut rules = Vec::new();
        for written in patterns.iter().filter(|pattern| !pattern.is_empty() && !pattern.starts_with('#')) {
            let (effect, pattern) = match written.strip_prefix('!') {
                Some(pattern) => (Effect::Included, pattern),
                None => (Effect::Excluded, written.as_str()),
            };
            let glob = GlobBuilder::new(&without_alternatives(pattern)).literal_separator(true).build();
            let glob = glob.map_err(|source| ConfigError::Pattern { pattern: written.clone(), source })?;
            rules.push((effect, glob.compile_matcher()));
        }
        Ok(Self { patterns, rules })
    }

    /// Whether a path relative to the namespace is taken out of the datastore.
    pub fn matches(&self, path: &str) -> bool {
        let last = self.rules.iter().rev().find(|(_, glob)| glob.is_match(path));
        last.is_some_and(|(effect, _)| *effect == Effect::Excluded)
    }

    /// Returns the patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

/// Makes braces ordinary characters: the pattern language of the contract has no alternatives.
fn without_alternatives(pattern: &str) -> String {
    pattern.replace('{', "[{]").replace('}', "[}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclude(patterns: &[&str]) -> Exclude {
        Exclude::new(patterns.iter().map(|&pattern| pattern.to_owned()).collect()).expect("patterns")
    }

    #[test]
    fn the_pattern_language_of_the_contract_holds() {
        for (pattern, path, expected) in [
            ("outputs", "outputs", true),
            ("outputs", "outputs/a", false),
            ("out*", "outputs", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("**/b", "b", true),
            ("**/b", "x/y/b", true),
            ("a/**/b", "a/b", true),
            ("lo?s", "logs", true),
            ("[kl]ogs", "logs", true),
            ("{a,b}", "a", false),
            ("# outputs", "outputs", false),
        ] {
            assert_eq!(exclude(&[pattern]).matches(path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn the_last_match_wins() {
        let patterns = exclude(&["*", "!data", "!outputs", "outputs"]);

        assert!(patterns.matches("logs"));
        assert!(!patterns.matches("data"));
        assert!(patterns.matches("outputs"));
    }

    #[test]
    fn an_unusable_pattern_is_refused_by_name() {
        let refused = Exclude::new(vec!["[a".to_owned()]).expect_err("a refusal");

        assert_eq!(refused.to_string(), "`datastore.exclude` has the unusable pattern `[a`");
    }
}
