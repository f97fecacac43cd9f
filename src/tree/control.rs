//! The directory `.swamp`: reports, and below `meta` the attributes of every version of every namespace, arranged as the
//! view `history` is.

use swamp_mount::TreeError;

use super::MountedTree;
use super::glance::{Found, Glance, Page};
use super::places::META;

impl MountedTree {
    /// Returns what a name in the directory is; a report called as the directory of attributes is not shown.
    pub(super) fn in_control(&self, glance: &Glance<'_>, number: u64, name: &str) -> Result<Found, TreeError> {
        let found = if name == META {
            glance.place(number, META, self.memory.started)
        } else if self.parts.reports.names().iter().any(|known| known == name) {
            self.memory.places.child(number, name).map(|node| (node, glance.report()))
        } else {
            return Err(TreeError::NotFound);
        };
        found.ok_or(TreeError::Input)
    }

    /// Lists the directory, by name.
    pub(super) fn list_control(&self, glance: &Glance<'_>, number: u64, page: &mut Page<'_>) -> Result<(), TreeError> {
        let mut names = self.parts.reports.names();
        names.retain(|name| name != META);
        names.push(META.to_owned());
        names.sort();
        for name in names {
            if !page.is_full() && page.after.is_none_or(|after| name.as_str() > after) {
                let found = self.in_control(glance, number, &name)?;
                page.push(&name, name.clone(), Some(found));
            }
        }
        Ok(())
    }
}

impl Glance<'_> {
    /// Returns what a name in `.swamp/meta` is: a namespace, our own tree by the name it has at the root.
    pub(super) fn in_meta(&self, number: u64, name: &str) -> Result<Found, TreeError> {
        if name == self.memory.own_name() {
            return self.attributes_directory(number, &self.memory.own);
        }
        if name.is_empty() || self.browser.foreign(name)?.is_none() {
            return Err(TreeError::NotFound);
        }
        self.attributes_directory(number, name)
    }

    fn attributes_directory(&self, number: u64, namespace: &str) -> Result<Found, TreeError> {
        self.place(number, namespace, self.time_of(Some(namespace))?).ok_or(TreeError::Input)
    }

    /// Lists `.swamp/meta`: our own tree, then foreign namespaces by name.
    pub(super) fn list_meta(&self, number: u64, page: &mut Page<'_>) -> Result<(), TreeError> {
        let own = self.memory.own_name();
        if page.after.is_none() && !page.is_full() {
            page.push(own, String::new(), Some(self.attributes_directory(number, &self.memory.own)?));
        }
        let mut last = page.after.unwrap_or_default().to_owned();
        while !page.is_full() {
            let Some((namespace, _)) = self.browser.next_foreign(&last)? else { return Ok(()) };
            if namespace != own {
                let found = self.attributes_directory(number, &namespace)?;
                page.push(&namespace, namespace.clone(), Some(found));
            }
            last = namespace;
        }
        Ok(())
    }
}
