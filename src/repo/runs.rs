//! Whether workflow runs are still recorded (formats.md 2.10): data that lives as long as its run is deleted after it.

use std::path::PathBuf;

use super::Repo;
use crate::path::RelPath;

/// The subdirectory of the records.
const RUNS_DIRECTORY: &str = "workflow-runs";

/// Where runs of workflows are recorded.
#[derive(Clone, Debug)]
pub struct Runs {
    places: [PathBuf; 2],
}

impl Runs {
    /// Whether a run is recorded; `None` if that cannot be told.
    pub fn exists(&self, workflow_id: &str, run_id: &str) -> Option<bool> {
        let record = format!("{RUNS_DIRECTORY}/{workflow_id}/workflow-run-{run_id}.yaml").parse::<RelPath>().ok()?;
        if record.segments().count() != 3 {
            return None;
        }
        let mut is_recorded = false;
        for place in &self.places {
            is_recorded |= record.under(place).try_exists().ok()?;
        }
        Some(is_recorded)
    }
}

impl Repo {
    /// Returns where runs of workflows are recorded.
    ///
    /// Both places are looked at, whichever the datastore block names: changing the block moves no record, and data that
    /// is kept too long does no harm.
    pub fn runs(&self) -> Runs {
        Runs { places: [self.namespaced(), self.paths.local()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_in_either_place_and_what_is_no_id_is_unknown() {
        let root = tempfile::tempdir().expect("a directory");
        let runs = Runs { places: ["tree", "local"].map(|name| root.path().join(name)) };
        for (place, run) in [("tree", "1"), ("local", "2")] {
            let directory = root.path().join(place).join("workflow-runs/w");
            std::fs::create_dir_all(&directory).expect("made");
            std::fs::File::create(directory.join(format!("workflow-run-{run}.yaml"))).expect("made");
        }

        let found = ["1", "2", "3", "../1"].map(|run| runs.exists("w", run));

        assert_eq!(found, [Some(true), Some(true), Some(false), None]);
        assert_eq!(runs.exists("..", "1"), None);
        assert_eq!(runs.exists("", "1"), None);
    }
}
