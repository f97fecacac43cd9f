//! What may follow the beginning of an expression, for shells.

use super::field::FIELDS;
use super::vocabulary::{DATA_FUNCTIONS, FUNCTIONS, Function, METHODS, SPACES};

/// What an expression that is being written is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The fields of rows.
    Rows,
    /// The data, through its functions.
    Data,
}

/// A way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The whole beginning, with its last name completed.
    pub text: String,
    /// What the name means, or how it is used.
    pub about: &'static str,
}

/// Returns the names that the last word of `beginning` may become; none within a text.
pub fn completions(beginning: &str, subject: Subject) -> Vec<Completion> {
    // A shell may hand over the quote that starts the word, and wants it neither back nor closed.
    let source = match beginning.strip_prefix(['"', '\'']) {
        Some(rest) if is_within_text(beginning) => rest,
        Some(_) | None => beginning,
    };
    if is_within_text(source) {
        return Vec::new();
    }
    let before = source.trim_end_matches(is_of_name);
    let word = source.strip_prefix(before).unwrap_or_default();
    let mut names: Vec<_> = match owner(before) {
        Some(owner) => owned(owner, subject),
        None => at_root(subject),
    };
    names.retain(|(name, _)| name.starts_with(word));
    names.into_iter().map(|(name, about)| Completion { text: format!("{before}{name}"), about }).collect()
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Returns what stands before the dot that a text ends with: a name, or nothing where it is no name.
fn owner(before: &str) -> Option<&str> {
    let receiver = before.strip_suffix('.').or_else(|| before.strip_suffix(".?"))?;
    receiver.strip_prefix(receiver.trim_end_matches(is_of_name))
}

fn owned(owner: &str, subject: Subject) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<_> =
        functions(subject).filter_map(|function| Some((in_space(function, owner)?, function.usage))).collect();
    if found.is_empty() && !SPACES.contains(&owner) {
        found = METHODS.iter().map(|function| (function.name, function.usage)).collect();
    }
    found
}

/// Returns the name of a function after that of its space.
fn in_space(function: &Function, space: &str) -> Option<&'static str> {
    function.name.strip_prefix(space)?.strip_prefix('.')
}

fn at_root(subject: Subject) -> Vec<(&'static str, &'static str)> {
    let fields = FIELDS.iter().filter(|_| subject == Subject::Rows).map(|field| (field.name, field.about));
    fields.chain(functions(subject).map(|function| (function.name, function.usage))).collect()
}

fn functions(subject: Subject) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().chain(DATA_FUNCTIONS.iter().filter(move |_| subject == Subject::Data))
}

/// Returns whether a text starts in `source` and does not end.
fn is_within_text(source: &str) -> bool {
    let mut quote = None;
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (Some(_) | None, _) => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::{Subject, completions};

    fn texts(beginning: &str, subject: Subject) -> Vec<String> {
        completions(beginning, subject).into_iter().map(|completion| completion.text).collect()
    }

    #[test]
    fn the_last_name_is_completed() {
        assert_eq!(texts("workflowN", Subject::Rows), ["workflowName"]);
        assert_eq!(texts("size > 3 && !(isL", Subject::Rows), ["size > 3 && !(isLatest"]);
        assert_eq!(texts("model", Subject::Rows), ["modelId", "modelName", "modelType"]);
        assert_eq!(texts("timest", Subject::Rows), ["timestamp"]);
        assert!(texts("", Subject::Rows).contains(&"attributes".to_owned()));
    }

    #[test]
    fn functions_of_a_value_follow_a_dot() {
        assert_eq!(texts("name.starts", Subject::Rows), ["name.startsWith"]);
        assert_eq!(texts("name.trim().le", Subject::Rows), Vec::<String>::new());
        assert_eq!(texts("tags.?env.orV", Subject::Rows), ["tags.?env.orValue"]);
        assert_eq!(texts("optional.", Subject::Rows), ["optional.none", "optional.of", "optional.ofNonZeroValue"]);
    }

    #[test]
    fn expressions_name_functions_of_the_data_and_no_fields() {
        assert_eq!(texts("data.l", Subject::Data), ["data.latest", "data.listVersions"]);
        assert_eq!(texts("dat", Subject::Data).first().map(String::as_str), Some("data.findBySpec"));
        assert_eq!(texts("modelN", Subject::Data), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_completed_within_a_text() {
        assert_eq!(texts("tags.env == \"na", Subject::Rows), Vec::<String>::new());
        assert_eq!(texts("tags.env == \"a\\\"b\" && strea", Subject::Rows), ["tags.env == \"a\\\"b\" && streaming"]);
        assert_eq!(texts("'tags.env == \"a\" && strea", Subject::Rows), ["tags.env == \"a\" && streaming"]);
        assert_eq!(texts("'tags.env == \"strea", Subject::Rows), Vec::<String>::new());
    }
}
