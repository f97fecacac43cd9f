//! The `data` directory of a foreign namespace: the layout of the datastore, from rows.
//!
//! A path below `data` says by its length alone what it may be: the beginning of a type, a type, a model, an artifact, a
//! version. Several at once are possible where types lie below each other (`aws/ec2` and `aws/ec2/vpc`), also on
//! purpose; such a directory shows all of them, in this order of precedence: types, models, artifacts, versions, files.
//! A directory hides a file of its name. Names beyond 255 bytes are not shown here: no datastore directory could hold
//! them; the views have them.
//!
//! Only where a path can be nothing else, an artifact or version has a node made of its row.

use swamp_mount::TreeError;

use super::glance::{Found, Glance, Page};
use super::node::Role;
use crate::catalog::{Leaf, Name};
use crate::clock::Timestamp;
use crate::data::layout::{LATEST_FILE, METADATA_FILE, RAW_FILE};
use crate::data::name::SEGMENT_BYTES_MAX;

/// What sorts directly after `/` and separates a subtree from what follows it.
const AFTER_SEPARATOR: char = '0';

/// A directory below `data` that is not made of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataDirectory<'a> {
    pub(super) number: u64,
    pub(super) namespace: &'a str,
    /// Relative to `data`, which is the empty path.
    pub(super) path: &'a str,
}

/// What may be in a directory, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Types,
    Models,
    Names,
    Versions,
    Files,
}

impl Section {
    const ALL: [Self; 5] = [Self::Types, Self::Models, Self::Names, Self::Versions, Self::Files];

    /// The first character of the cursors of its entries; they sort as the sections do.
    fn letter(self) -> char {
        match self {
            Self::Types => 'a',
            Self::Models => 'b',
            Self::Names => 'c',
            Self::Versions => 'd',
            Self::Files => 'e',
        }
    }
}

impl<'a> DataDirectory<'a> {
    /// Type and id, if the path is that of a model.
    fn model(&self) -> Option<(&'a str, &'a str)> {
        self.path.rsplit_once('/')
    }

    /// The artifact whose directory this is, if the path is that of one.
    fn artifact(&self) -> Option<Name> {
        let (model, data_name) = self.path.rsplit_once('/')?;
        let (model_type, model_id) = model.rsplit_once('/')?;
        Some(name_of((model_type, model_id), data_name))
    }

    /// The artifact and version whose directory this is, if the path is that of one.
    fn version(&self) -> Option<(Name, u64)> {
        let (path, version) = self.path.rsplit_once('/')?;
        Some((DataDirectory { path, ..*self }.artifact()?, parse_version(version)?))
    }

    fn child(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

fn name_of((model_type, model_id): (&str, &str), data_name: &str) -> Name {
    let [type_normalized, model_id, data_name] = [model_type, model_id, data_name].map(str::to_owned);
    Name { type_normalized, model_id, data_name }
}

/// Reads a version as it is spelled in paths.
pub(super) fn parse_version(text: &str) -> Option<u64> {
    text.parse().ok().filter(|version: &u64| *version > 0 && version.to_string() == text)
}

impl Glance<'_> {
    /// Whether a path below `data` exists.
    pub(super) fn has_data(&self, namespace: &str, path: &str) -> Result<bool, TreeError> {
        if path.is_empty() {
            return self.is_known(namespace);
        }
        let at = DataDirectory { number: 0, namespace, path };
        if self.has_types_within(namespace, path)? {
            return Ok(true);
        }
        if let Some((model_type, model_id)) = at.model()
            && self.browser.has_model(namespace, model_type, model_id)?
        {
            return Ok(true);
        }
        Ok(self.artifact_at(&at)?.is_some() || self.version_at(&at)?.is_some())
    }

    /// Whether a path is a type or leads to one.
    fn has_types_within(&self, namespace: &str, path: &str) -> Result<bool, TreeError> {
        if self.browser.next_type(namespace, path)?.as_deref() == Some(path) {
            return Ok(true);
        }
        self.has_types_below(namespace, path)
    }

    fn has_types_below(&self, namespace: &str, path: &str) -> Result<bool, TreeError> {
        let below = format!("{path}/");
        Ok(self.browser.next_type(namespace, &below)?.is_some_and(|next| next.starts_with(&below)))
    }

    fn artifact_at(&self, at: &DataDirectory<'_>) -> Result<Option<Leaf>, TreeError> {
        let Some(name) = at.artifact() else { return Ok(None) };
        Ok(self.browser.newest(at.namespace, &name)?)
    }

    fn version_at(&self, at: &DataDirectory<'_>) -> Result<Option<Leaf>, TreeError> {
        let Some((name, version)) = at.version() else { return Ok(None) };
        Ok(self.browser.version(at.namespace, &name, version)?)
    }

    /// Returns what a name in a directory is.
    pub(super) fn in_data(&self, at: &DataDirectory<'_>, name: &str) -> Result<Found, TreeError> {
        if name.is_empty() || name.len() > SEGMENT_BYTES_MAX {
            return Err(TreeError::NotFound);
        }
        for section in Section::ALL {
            if let Some(found) = self.in_section(section, at, name)? {
                return Ok(found);
            }
        }
        Err(TreeError::NotFound)
    }

    fn in_section(&self, section: Section, at: &DataDirectory<'_>, name: &str) -> Result<Option<Found>, TreeError> {
        let namespace = at.namespace;
        let place = || Ok(self.place(at.number, name, self.time_of(Some(namespace))?));
        match section {
            Section::Types if self.has_types_within(namespace, &at.child(name))? => place(),
            Section::Models if self.browser.has_model(namespace, at.path, name)? => place(),
            Section::Types | Section::Models => Ok(None),
            Section::Names => {
                let Some(model) = at.model() else { return Ok(None) };
                let Some(newest) = self.browser.newest(namespace, &name_of(model, name))? else { return Ok(None) };
                self.artifact_in(at, &newest, self.is_plain(at)?)
            }
            Section::Versions => {
                let (Some(artifact), Some(version)) = (at.artifact(), parse_version(name)) else { return Ok(None) };
                let leaf = self.browser.version(namespace, &artifact, version)?;
                Ok(leaf.and_then(|leaf| self.place(at.number, name, leaf.created_at)))
            }
            Section::Files => match name {
                LATEST_FILE => Ok(self.artifact_at(at)?.and_then(|newest| self.leaf(Role::Latest, &newest))),
                RAW_FILE => Ok(self.version_at(at)?.and_then(|leaf| self.leaf(Role::Content, &leaf))),
                METADATA_FILE => Ok(self.version_at(at)?.and_then(|leaf| self.leaf(Role::Metadata, &leaf))),
                _ => Ok(None),
            },
        }
    }

    /// Whether what lies in the directory of a model can be nothing but its artifacts and their versions.
    fn is_plain(&self, at: &DataDirectory<'_>) -> Result<bool, TreeError> {
        Ok(!self.has_types_within(at.namespace, at.path)? && self.artifact_at(at)?.is_none())
    }

    fn artifact_in(&self, at: &DataDirectory<'_>, newest: &Leaf, is_plain: bool) -> Result<Option<Found>, TreeError> {
        if is_plain {
            return self.artifact_directory(Role::Name, newest);
        }
        Ok(self.place(at.number, &newest.name.data_name, newest.created_at))
    }

    /// Lists a directory.
    pub(super) fn list_data(&self, at: &DataDirectory<'_>, page: &mut Page<'_>) -> Result<(), TreeError> {
        let time = self.time_of(Some(at.namespace))?;
        let cursor = page.after.and_then(|after| Some((after.chars().next()?, after.get(1..)?)));
        let mut shadowing = Vec::new();
        for section in Section::ALL {
            if !self.may_have(section, at)? {
                continue;
            }
            let after = match cursor {
                Some((letter, _)) if section.letter() < letter => None,
                Some((letter, rest)) if section.letter() == letter => Some(rest),
                Some(_) | None => Some(""),
            };
            if let Some(after) = after {
                self.list_section(&Listed { section, shadowing: &shadowing, time }, at, after, page)?;
            }
            shadowing.push(section);
        }
        Ok(())
    }

    /// Whether a section has anything in a directory.
    fn may_have(&self, section: Section, at: &DataDirectory<'_>) -> Result<bool, TreeError> {
        match section {
            Section::Types => Ok(at.path.is_empty() || self.has_types_below(at.namespace, at.path)?),
            Section::Models => Ok(self.browser.next_type(at.namespace, at.path)?.as_deref() == Some(at.path)),
            Section::Names => match at.model() {
                Some((model_type, model_id)) => Ok(self.browser.has_model(at.namespace, model_type, model_id)?),
                None => Ok(false),
            },
            Section::Versions => Ok(self.artifact_at(at)?.is_some()),
            Section::Files => Ok(true),
        }
    }

    fn list_section(
        &self,
        listed: &Listed<'_>,
        at: &DataDirectory<'_>,
        after: &str,
        page: &mut Page<'_>,
    ) -> Result<(), TreeError> {
        let mut last = after.to_owned();
        while !page.is_full() {
            let next = match listed.section {
                Section::Names => return self.list_names(listed, at, after, page),
                Section::Versions => return self.list_versions_of_place(listed, at, after, page),
                Section::Types => self.next_segment(at.namespace, at.path, &last)?,
                Section::Models => self.browser.next_model(at.namespace, at.path, &last)?,
                Section::Files => {
                    let mut names = [LATEST_FILE, METADATA_FILE, RAW_FILE].into_iter();
                    names.find(|name| *name > last.as_str()).map(str::to_owned)
                }
            };
            let Some(name) = next else { return Ok(()) };
            let found = match listed.section {
                Section::Files => self.in_section(Section::Files, at, &name)?,
                _ => self.place(at.number, &name, listed.time),
            };
            self.push_visible(listed, at, (&name, found), page)?;
            last = name;
        }
        Ok(())
    }

    fn list_names(
        &self,
        listed: &Listed<'_>,
        at: &DataDirectory<'_>,
        after: &str,
        page: &mut Page<'_>,
    ) -> Result<(), TreeError> {
        let Some(model) = at.model() else { return Ok(()) };
        let is_plain = self.is_plain(at)?;
        let mut last = after.to_owned();
        while !page.is_full() {
            let names = self.browser.names(at.namespace, model, &last, page.room())?;
            let Some(end) = names.last() else { return Ok(()) };
            last.clone_from(&end.name.data_name);
            for newest in &names {
                let found = self.artifact_in(at, newest, is_plain)?;
                self.push_visible(listed, at, (&newest.name.data_name, found), page)?;
            }
        }
        Ok(())
    }

    fn list_versions_of_place(
        &self,
        listed: &Listed<'_>,
        at: &DataDirectory<'_>,
        after: &str,
        page: &mut Page<'_>,
    ) -> Result<(), TreeError> {
        let Some(artifact) = at.artifact() else { return Ok(()) };
        let mut last = parse_version(after).unwrap_or(0);
        while !page.is_full() {
            let versions = self.browser.versions(at.namespace, &artifact, last, page.room())?;
            let Some(end) = versions.last() else { return Ok(()) };
            last = end.version;
            for leaf in &versions {
                let name = leaf.version.to_string();
                let found = self.place(at.number, &name, leaf.created_at);
                self.push_visible(listed, at, (&name, found), page)?;
            }
        }
        Ok(())
    }

    /// Adds an entry unless an earlier section has its name.
    fn push_visible(
        &self,
        listed: &Listed<'_>,
        at: &DataDirectory<'_>,
        (name, found): (&str, Option<Found>),
        page: &mut Page<'_>,
    ) -> Result<(), TreeError> {
        for section in listed.shadowing {
            if self.in_section(*section, at, name)?.is_some() {
                return Ok(());
            }
        }
        page.push(name, format!("{}{name}", listed.section.letter()), found);
        Ok(())
    }

    /// Returns the first directory of a type below `path` whose name sorts after `after`.
    ///
    /// Types sort as texts, where `a-b` comes between `a` and `a/b`: the subtree of a name lies apart from the name.
    fn next_segment(&self, namespace: &str, path: &str, after: &str) -> Result<Option<String>, TreeError> {
        let base = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut from = format!("{base}{after}");
        if !after.is_empty() {
            // No text with a NUL is in the catalog, so that nothing lies between a text and this one.
            from.push('\u{1}');
        }
        loop {
            let next = self.browser.next_type(namespace, &from)?;
            let Some(rest) = next.as_deref().and_then(|next| next.strip_prefix(&base)) else { return Ok(None) };
            let segment = rest.split('/').next().unwrap_or_default();
            if segment <= after {
                from = format!("{base}{segment}{AFTER_SEPARATOR}");
                continue;
            }
            // A shorter name sorts before this one although its subtree comes later.
            for (end, character) in segment.char_indices().skip(1) {
                let shorter = segment.get(..end).unwrap_or_default();
                if character < '/' && shorter > after && self.has_types_below(namespace, &format!("{base}{shorter}"))? {
                    return Ok(Some(shorter.to_owned()));
                }
            }
            return Ok(Some(segment.to_owned()));
        }
    }

    /// Returns what a name in the directory of an artifact is.
    pub(super) fn in_artifact(&self, namespace: &str, artifact: &Name, name: &str) -> Result<Found, TreeError> {
        if name == LATEST_FILE {
            let newest = self.browser.newest(namespace, artifact)?;
            return newest.and_then(|newest| self.leaf(Role::Latest, &newest)).ok_or(TreeError::NotFound);
        }
        let version = parse_version(name).ok_or(TreeError::NotFound)?;
        let leaf = self.browser.version(namespace, artifact, version)?;
        leaf.and_then(|leaf| self.leaf(Role::Version, &leaf)).ok_or(TreeError::NotFound)
    }

    /// Lists the directory of an artifact: versions ascending, then `latest`.
    pub(super) fn list_artifact(&self, namespace: &str, artifact: &Name, page: &mut Page<'_>) -> Result<(), TreeError> {
        if page.after == Some(LATEST_FILE) {
            return Ok(());
        }
        let after = page.after.and_then(parse_version).unwrap_or(0);
        let versions = self.browser.versions(namespace, artifact, after, page.room())?;
        for leaf in &versions {
            let name = leaf.version.to_string();
            page.push(&name, name.clone(), self.leaf(Role::Version, leaf));
        }
        if !page.is_full()
            && let Some(newest) = self.browser.newest(namespace, artifact)?
        {
            page.push(LATEST_FILE, LATEST_FILE.to_owned(), self.leaf(Role::Latest, &newest));
        }
        Ok(())
    }

    /// Returns what a name in the directory of a version is.
    pub(super) fn in_version(&self, leaf: &Leaf, name: &str) -> Result<Found, TreeError> {
        let role = match name {
            RAW_FILE => Role::Content,
            METADATA_FILE => Role::Metadata,
            _ => return Err(TreeError::NotFound),
        };
        self.leaf(role, leaf).ok_or(TreeError::NotFound)
    }

    /// Lists the directory of a version.
    pub(super) fn list_version(&self, leaf: &Leaf, page: &mut Page<'_>) {
        for (name, role) in [(METADATA_FILE, Role::Metadata), (RAW_FILE, Role::Content)] {
            if !page.is_full() && page.after.is_none_or(|after| name > after) {
                page.push(name, name.to_owned(), self.leaf(role, leaf));
            }
        }
    }
}

/// A section while it is listed.
#[derive(Clone, Copy, Debug)]
struct Listed<'a> {
    section: Section,
    /// Those that come before it and have entries.
    shadowing: &'a [Section],
    /// The time of directories that have none of their own.
    time: Timestamp,
}
