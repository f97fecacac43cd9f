//! What people do on machines between synchronisations: at once, and told to the oracle.

use std::time::Duration;

use swamp::data::metadata::{Owner, OwnerType};
use swamp::data::store::{Content, Draft, StoreError};
use swamp::fsutil::{self, Durability};
use swamp::path::RelPath;

use super::machine::{Machine, Seen, artifact};
use super::oracle::{Deletion, Fact, Oracle};
use super::trace::Trace;

/// Models of a namespace, and data names of a model: few, so that machines meet.
const MODELS: u8 = 2;
const NAMES: u8 = 3;

/// Files that are rewritten in place.
const FILES: [&str; 3] = ["files/notes.txt", "auto-definitions/swamp/file/m.yaml", "workflow-runs/w/run.yaml"];

/// Does things on machines, and remembers what they came to.
pub(crate) struct Doer<'a> {
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) oracle: &'a Oracle,
    pub(crate) trace: &'a Trace,
    /// Counts what was written, so that no content is like another.
    pub(crate) written: &'a mut u32,
    /// Whether writes are announced, as the contract has it.
    pub(crate) is_announcing: bool,
    /// When the machine began to synchronise last that came to an end.
    pub(crate) heard: Option<Duration>,
}

impl Doer<'_> {
    /// Does something on a machine.
    pub(crate) fn act(&mut self, machine: &Machine) {
        match self.rng.u8(0..100) {
            0..40 => self.save(machine),
            40..50 => self.append(machine),
            50..60 => self.delete_version(machine),
            60..70 => self.delete_all(machine),
            70..76 => self.rename(machine),
            76..92 => self.rewrite(machine),
            92..97 => self.remove(machine),
            _ => {
                machine.engine.parts().watermark.mark(None).expect("marked");
                self.note(machine, "marks everything");
            }
        }
    }

    fn note(&self, machine: &Machine, what: &str) {
        self.trace.note(format!("machine {} {what}", machine.who));
    }

    fn label(&mut self, machine: &Machine) -> String {
        *self.written += 1;
        format!("<{}#{}>", called(&machine.namespace), self.written)
    }

    pub(crate) fn save(&mut self, machine: &Machine) {
        let artifact = artifact(self.rng.u8(0..MODELS), self.rng.u8(0..NAMES));
        let label = self.label(machine);
        // Content that is nothing new is content that two machines may both have.
        let content =
            if self.rng.u8(0..8) == 0 { format!("<{}#> same", called(&machine.namespace)) } else { label.clone() };
        let content = format!("{content}\n");
        let tags = [("type", "file"), ("modelName", "m")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let draft = Draft {
            id: None,
            content_type: "text/plain".to_owned(),
            lifetime: "infinite".parse().expect("a lifetime"),
            garbage_collection: "10".parse().expect("a policy"),
            streaming: self.rng.u8(0..3) == 0,
            tags: tags.into_iter().collect(),
            owner: Owner::new(OwnerType::Manual, "ana"),
            lifecycle: None,
            renamed_to: None,
        };
        let saved = machine.engine.parts().store.save(&artifact, &draft, Content::Bytes(content.as_bytes()));
        let metadata = saved.expect("saved").metadata;
        self.note(machine, &format!("saves {label} as {artifact} {}", metadata.version));
        let fact = Fact { directory: artifact.directory().to_string(), id: metadata.id, is_tombstone: false };
        self.oracle.saved((machine.who, &machine.namespace), fact, &label, &content);
        machine.engine.refresh_rows(&[artifact].into()).expect("rows");
    }

    fn append(&mut self, machine: &Machine) {
        let seen = machine.seen();
        let is_latest =
            |one: &&Seen| !seen.iter().any(|other| other.artifact == one.artifact && other.number > one.number);
        let streams: Vec<&Seen> = seen
            .iter()
            .filter(is_latest)
            .filter(|seen| seen.is_streaming && !seen.fact.is_tombstone && seen.content.is_some())
            .collect();
        let Some(stream) = self.choose(&streams) else { return };
        // A version that others made anew under its number is replaced file by file. Whoever appends in between mixes the
        // two, which is a gap; nobody does here.
        if !self.oracle.is_all_of(&machine.namespace, &stream.fact, stream.content.as_deref().unwrap_or_default()) {
            return;
        }
        let piece = format!("{}\n", self.label(machine));
        machine.engine.parts().store.append(&stream.artifact, piece.as_bytes()).expect("appended");
        self.note(machine, &format!("appends {} to {} {}", piece.trim(), stream.artifact, stream.number));
        self.oracle.appended(&machine.namespace, &stream.fact, &piece);
        machine.engine.refresh_rows(&[stream.artifact.clone()].into()).expect("rows");
    }

    fn delete_version(&mut self, machine: &Machine) {
        let seen = machine.seen();
        let Some(gone) = self.choose(&seen.iter().collect::<Vec<_>>()) else { return };
        let deleted = machine.engine.parts().store.delete_version(&gone.artifact, gone.number);
        deleted.expect("deleted");
        self.note(machine, &format!("deletes {} {}", gone.artifact, gone.number));
        self.deleted(machine, &seen, |one| one.artifact == gone.artifact && one.number == gone.number);
        machine.engine.refresh_rows(&[gone.artifact.clone()].into()).expect("rows");
    }

    fn delete_all(&mut self, machine: &Machine) {
        let seen = machine.seen();
        let Some(gone) = self.choose(&seen.iter().collect::<Vec<_>>()) else { return };
        machine.engine.parts().store.delete_all(&gone.artifact).expect("deleted");
        self.note(machine, &format!("deletes {}", gone.artifact));
        self.deleted(machine, &seen, |one| one.artifact == gone.artifact);
        machine.engine.refresh_rows(&[gone.artifact.clone()].into()).expect("rows");
    }

    /// A version that still has a copy under another number may be gone or not.
    fn deleted(&self, machine: &Machine, before: &[Seen], is_gone: impl Fn(&Seen) -> bool) {
        for gone in before.iter().filter(|one| is_gone(one)) {
            let has_copy = before.iter().any(|other| other.fact == gone.fact && !is_gone(other));
            let deletion = Deletion {
                who: machine.who,
                content: gone.content.as_deref(),
                heard: self.heard,
                is_only_copy: machine.is_founded() && !has_copy,
            };
            self.oracle.deleted(&machine.namespace, &gone.fact, &deletion);
        }
    }

    fn rename(&mut self, machine: &Machine) {
        let seen = machine.seen();
        let Some(from) = self.choose(&seen.iter().collect::<Vec<_>>()) else { return };
        let source = from.artifact.clone();
        let target = source.sibling(format!("n{}", self.rng.u8(0..NAMES)).parse().expect("a name")).expect("a sibling");
        let renamed = machine.engine.parts().store.rename(&source, &target);
        // Some names cannot be renamed: they have that name, lead nowhere, or are not here.
        if matches!(renamed, Err(StoreError::Refused { .. } | StoreError::NameNotFound { .. })) {
            return;
        }
        let renamed = renamed.expect("renamed");
        let label = self.label(machine);
        self.note(machine, &format!("renames {source} to {target}, {label}"));
        for one in machine.seen() {
            let is_copy = one.artifact == target && one.number == renamed.new_version;
            let is_tombstone = one.artifact == source && renamed.source.added.contains(&one.number);
            if is_copy || is_tombstone {
                let content = one.content.clone().unwrap_or_default();
                self.oracle.saved((machine.who, &machine.namespace), one.fact, &label, &content);
            }
        }
        machine.engine.refresh_rows(&[source, target].into()).expect("rows");
    }

    fn rewrite(&mut self, machine: &Machine) {
        let path = self.any_file();
        let (label, before) = (self.label(machine), machine.file(&path));
        self.announce(machine, &path);
        let staging = &machine.engine.parts().staging;
        fsutil::write_atomic(&path.under(machine.root()), label.as_bytes(), staging, Durability::Relaxed)
            .expect("written");
        self.note(machine, &format!("writes {label} to {path}"));
        self.oracle.rewritten((machine.who, &machine.namespace), path.as_str(), before, Some(&label));
    }

    fn remove(&mut self, machine: &Machine) {
        let path = self.any_file();
        let Some(before) = machine.file(&path) else { return };
        if machine.is_fetching(&path) {
            self.oracle.may_return(&machine.namespace, path.as_str(), &before);
        }
        self.announce(machine, &path);
        fsutil::remove_file(&path.under(machine.root())).expect("removed");
        self.note(machine, &format!("removes {path}"));
        self.oracle.rewritten((machine.who, &machine.namespace), path.as_str(), Some(before), None);
    }

    fn announce(&self, machine: &Machine, path: &RelPath) {
        if self.is_announcing {
            machine.engine.parts().watermark.mark(Some(path)).expect("marked");
        }
    }

    fn any_file(&mut self) -> RelPath {
        FILES[self.rng.usize(0..FILES.len())].parse().expect("a path")
    }

    fn choose<'b, T>(&mut self, of: &[&'b T]) -> Option<&'b T> {
        self.rng.choice(of).copied()
    }
}

/// Returns what contents call a namespace.
pub(crate) fn called(namespace: &str) -> &str {
    if namespace.is_empty() { "solo" } else { namespace }
}
