//! One page of keys: prefix, delimiter, where to go on.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Sorts after every key that begins with the text before it, but for keys nobody uses.
const LAST: char = char::MAX;

/// The place in the order of keys after which a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Position {
    #[default]
    Start,
    /// At this text or after it.
    At(String),
    AfterKey(String),
    /// After every key with this prefix.
    AfterPrefix(String),
}

impl Position {
    /// Returns the position as an opaque continuation token.
    pub(crate) fn to_token(&self) -> String {
        let text = match self {
            Self::Start => String::new(),
            Self::At(text) => format!("a{text}"),
            Self::AfterKey(key) => format!("k{key}"),
            Self::AfterPrefix(prefix) => format!("p{prefix}"),
        };
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(text)
    }

    /// Returns the position of a token we gave out.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        match text.split_at_checked(1)? {
            ("a", text) => Some(Self::At(text.to_owned())),
            ("k", key) => Some(Self::AfterKey(key.to_owned())),
            ("p", prefix) => Some(Self::AfterPrefix(prefix.to_owned())),
            _ => None,
        }
    }
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) from: Position,
    pub(crate) entries_max: usize,
}

/// What is there.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) objects: Vec<(String, T)>,
    pub(crate) common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Position>,
}

/// Returns the entries after `query.from`, in byte order, objects and common prefixes counted together.
pub(crate) fn page<T: Clone>(objects: &BTreeMap<String, T>, query: &Query<'_>) -> Page<T> {
    let mut page = Page { objects: Vec::new(), common_prefixes: Vec::new(), next: None };
    if query.entries_max == 0 {
        return page;
    }
    let mut position = query.from.clone();
    while let Some((key, object)) = first_after(objects, query.prefix, &position) {
        if page.objects.len() + page.common_prefixes.len() == query.entries_max {
            page.next = Some(position);
            return page;
        }
        position = if let Some(common) = common_prefix(key, query) {
            page.common_prefixes.push(common.to_owned());
            Position::AfterPrefix(common.to_owned())
        } else {
            page.objects.push((key.clone(), object.clone()));
            Position::AfterKey(key.clone())
        };
    }
    page
}

fn first_after<'a, T>(
    objects: &'a BTreeMap<String, T>,
    prefix: &str,
    position: &Position,
) -> Option<(&'a String, &'a T)> {
    let beyond;
    let bound = match position {
        Position::At(text) if text.as_str() >= prefix => Bound::Included(text.as_str()),
        Position::AfterKey(key) if key.as_str() >= prefix => Bound::Excluded(key.as_str()),
        Position::AfterPrefix(common) if common.as_str() >= prefix => {
            beyond = format!("{common}{LAST}");
            Bound::Included(beyond.as_str())
        }
        Position::Start | Position::At(_) | Position::AfterKey(_) | Position::AfterPrefix(_) => Bound::Included(prefix),
    };
    objects
        .range::<str, _>((bound, Bound::Unbounded))
        .find(|(key, _)| !matches!(position, Position::AfterPrefix(common) if key.starts_with(common.as_str())))
        .filter(|(key, _)| key.starts_with(prefix))
}

fn common_prefix<'k>(key: &'k str, query: &Query<'_>) -> Option<&'k str> {
    let delimiter = query.delimiter?;
    let rest = &key[query.prefix.len()..];
    let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
    Some(&key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(keys: &[&str]) -> BTreeMap<String, usize> {
        keys.iter().map(|key| ((*key).to_owned(), key.len())).collect()
    }

    fn names(page: &Page<usize>) -> (Vec<&str>, Vec<&str>) {
        let keys = page.objects.iter().map(|(key, _)| key.as_str()).collect();
        (keys, page.common_prefixes.iter().map(String::as_str).collect())
    }

    #[test]
    fn pages_count_objects_and_common_prefixes_together() {
        let objects = objects(&["a", "a/1", "a/2", "a0", "b/1", "c"]);
        let query = Query { delimiter: Some("/"), entries_max: 2, ..Query::default() };

        let first = page(&objects, &query);
        let second = page(&objects, &Query { from: first.next.clone().unwrap(), ..query.clone() });
        let third = page(&objects, &Query { from: second.next.clone().unwrap(), ..query });

        assert_eq!(names(&first), (vec!["a"], vec!["a/"]));
        assert_eq!(names(&second), (vec!["a0"], vec!["b/"]));
        assert_eq!(names(&third), (vec!["c"], vec![]));
        assert_eq!(third.next, None);
    }

    #[test]
    fn a_prefix_ends_the_listing_and_exact_pages_have_no_successor() {
        let objects = objects(&["p/a", "p/b", "q"]);
        let query = Query { prefix: "p/", entries_max: 2, ..Query::default() };

        let page = page(&objects, &query);

        assert_eq!(names(&page), (vec!["p/a", "p/b"], vec![]));
        assert_eq!(page.next, None);
    }

    #[test]
    fn a_start_before_the_prefix_lists_all_of_it() {
        let objects = objects(&["p/a", "p/b"]);
        let query = Query { prefix: "p/", from: Position::AfterKey("a".into()), entries_max: 9, ..Query::default() };

        assert_eq!(names(&page(&objects, &query)), (vec!["p/a", "p/b"], vec![]));
    }

    #[test]
    fn a_start_at_a_key_includes_it() {
        let objects = objects(&["a", "b", "c"]);
        let query = Query { from: Position::At("b".into()), entries_max: 9, ..Query::default() };

        assert_eq!(names(&page(&objects, &query)), (vec!["b", "c"], vec![]));
    }

    #[test]
    fn tokens_give_back_their_position() {
        let position = Position::AfterPrefix("p/ü".into());

        assert_eq!(Position::from_token(&position.to_token()), Some(position));
        assert_eq!(Position::from_token("!"), None);
    }
}
