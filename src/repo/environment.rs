//! The process's environment, read once; nothing else in the library looks at variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RepoError;
use crate::fsutil::FileError;

/// How long one direction of a synchronisation may take unless told otherwise.
const SYNC_TIMEOUT: Duration = Duration::from_mins(5);

/// How long to wait for a lock unless told otherwise.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// The variables that hold milliseconds.
const TIMEOUTS: [&str; 4] = [
    "SWAMP_LOCK_TIMEOUT_MS",
    "SWAMP_DATASTORE_SYNC_TIMEOUT_MS",
    "SWAMP_S3_REQUEST_TIMEOUT_MS",
    "SWAMP_GCS_REQUEST_TIMEOUT_MS",
];

/// Variables and working directory of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    directory: PathBuf,
}

impl Environment {
    /// Reads the environment of this process; variables that are not UTF-8 do not exist for us.
    pub fn from_process() -> Result<Self, FileError> {
        let directory = std::env::current_dir().map_err(FileError::at("find", Path::new(".")))?;
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Ok(Self { variables: std::env::vars_os().filter_map(readable).collect(), directory })
    }

    /// Returns an environment with these variables, for tests and embedding.
    pub fn new(variables: BTreeMap<String, String>, directory: PathBuf) -> Self {
        Self { variables, directory }
    }

    /// Returns a variable; an empty one is an absent one.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns where a program is found, as a shell would find it.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let directories = self.variable("PATH").unwrap_or_default();
        std::env::split_paths(directories).map(|directory| directory.join(name)).find(|path| path.is_file())
    }

    /// Returns the working directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the user's home directory.
    pub fn home(&self) -> Option<&Path> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(Path::new)
    }

    /// Returns where swamp keeps what belongs to the user: `SWAMP_HOME`, else `~/.swamp`.
    pub fn swamp_home(&self) -> Result<PathBuf, RepoError> {
        if let Some(directory) = self.variable("SWAMP_HOME") {
            return Ok(self.directory.join(directory));
        }
        self.home().map(|home| self.directory.join(home).join(".swamp")).ok_or(RepoError::NoHome)
    }

    /// Returns where Google's application default credentials are: the file that `GOOGLE_APPLICATION_CREDENTIALS` names,
    /// else the one that `gcloud auth application-default login` writes, if it is there.
    pub fn google_credentials(&self) -> Option<PathBuf> {
        if let Some(file) = self.variable("GOOGLE_APPLICATION_CREDENTIALS") {
            return Some(self.directory.join(file));
        }
        let file = self.home()?.join(".config/gcloud/application_default_credentials.json");
        file.is_file().then_some(file)
    }

    /// Returns the user's name, for lock bodies.
    pub fn user(&self) -> &str {
        self.variable("USER").or_else(|| self.variable("USERNAME")).unwrap_or("unknown")
    }

    /// Returns how long to wait for a lock (`SWAMP_LOCK_TIMEOUT_MS`).
    pub fn lock_timeout(&self) -> Duration {
        self.milliseconds("SWAMP_LOCK_TIMEOUT_MS").unwrap_or(LOCK_TIMEOUT)
    }

    /// Returns how long one direction of a synchronisation may take (`SWAMP_DATASTORE_SYNC_TIMEOUT_MS`).
    pub fn sync_timeout(&self) -> Duration {
        self.milliseconds("SWAMP_DATASTORE_SYNC_TIMEOUT_MS").unwrap_or(SYNC_TIMEOUT)
    }

    /// Returns the request timeout that a variable sets over the configuration; out of 1 s to 600 s it is ignored.
    pub fn request_timeout(&self, name: &str) -> Option<Duration> {
        let allowed = Duration::from_secs(1)..=Duration::from_mins(10);
        self.milliseconds(name).filter(|timeout| allowed.contains(timeout))
    }

    /// Returns which timeouts are set to something that is ignored.
    pub fn ignored(&self) -> impl Iterator<Item = &'static str> {
        let is_used = |name: &str| match name {
            "SWAMP_LOCK_TIMEOUT_MS" | "SWAMP_DATASTORE_SYNC_TIMEOUT_MS" => self.milliseconds(name).is_some(),
            _ => self.request_timeout(name).is_some(),
        };
        TIMEOUTS.into_iter().filter(move |name| self.variable(name).is_some() && !is_used(name))
    }

    /// Returns a positive number of milliseconds; anything else is ignored, as the contract says.
    fn milliseconds(&self, name: &str) -> Option<Duration> {
        let milliseconds = self.variable(name)?.trim().parse::<u64>().ok().filter(|number| *number > 0)?;
        Some(Duration::from_millis(milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Environment::new(variables, PathBuf::from("/work"))
    }

    #[test]
    fn swamp_home_replaces_the_directory_below_home() {
        assert_eq!(environment(&[("HOME", "/home/a")]).swamp_home().expect("a home"), Path::new("/home/a/.swamp"));
        assert_eq!(environment(&[("SWAMP_HOME", "/s"), ("HOME", "/h")]).swamp_home().expect("a home"), Path::new("/s"));
        assert!(matches!(environment(&[]).swamp_home(), Err(RepoError::NoHome)));
    }

    #[test]
    fn credentials_of_google_are_where_gcloud_puts_them_unless_named() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join(".config/gcloud/application_default_credentials.json");
        let home = home.path().to_str().expect("text");
        let before = environment(&[("HOME", home)]).google_credentials();
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        crate::fsutil::write_atomic(&file, b"{}", Path::new(home), crate::fsutil::Durability::Relaxed).expect("made");

        assert_eq!(before, None);
        assert_eq!(environment(&[("HOME", home)]).google_credentials(), Some(file));
        let named = environment(&[("HOME", home), ("GOOGLE_APPLICATION_CREDENTIALS", "key.json")]);
        assert_eq!(named.google_credentials(), Some(PathBuf::from("/work/key.json")));
    }

    #[test]
    fn unusable_timeouts_are_ignored() {
        for text in ["", "0", "-5", "soon"] {
            assert_eq!(environment(&[("SWAMP_LOCK_TIMEOUT_MS", text)]).lock_timeout(), LOCK_TIMEOUT, "{text:?}");
        }
        assert_eq!(environment(&[("SWAMP_LOCK_TIMEOUT_MS", "250")]).lock_timeout(), Duration::from_millis(250));
        assert_eq!(environment(&[("T", "999")]).request_timeout("T"), None);
    }

    #[test]
    fn what_is_ignored_can_be_told() {
        let variables = [
            ("SWAMP_LOCK_TIMEOUT_MS", "soon"),
            ("SWAMP_DATASTORE_SYNC_TIMEOUT_MS", "999"),
            ("SWAMP_S3_REQUEST_TIMEOUT_MS", "999"),
            ("SWAMP_GCS_REQUEST_TIMEOUT_MS", ""),
        ];

        let ignored: Vec<_> = environment(&variables).ignored().collect();

        assert_eq!(ignored, ["SWAMP_LOCK_TIMEOUT_MS", "SWAMP_S3_REQUEST_TIMEOUT_MS"]);
    }
}
