//! Machines that share nothing but the datastore, and the repositories on them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binary::swamp;
use crate::command::{Outcome, Running};
use crate::datastore::Datastore;
use crate::files::files_below;
use crate::transcript::Transcript;

/// A computer: a home, a cache and an environment of its own.
#[derive(Clone, Debug)]
pub struct Machine {
    name: String,
    root: PathBuf,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    transcript: Transcript,
}

impl Machine {
    pub(crate) fn new(name: &str, root: PathBuf, environment: Vec<(String, String)>, transcript: &Transcript) -> Self {
        for directory in ["home", "swamp-home", "tmp"] {
            fs::create_dir_all(root.join(directory)).expect("the scene is writable");
        }
        Self { name: name.to_owned(), root, environment, wrapper: Vec::new(), transcript: transcript.clone() }
    }

    /// Returns the directory below which everything on this machine lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns this machine with a variable set or replaced for everything it runs.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns this machine running everything through another program, as `time` is used.
    #[must_use]
    pub fn through(mut self, wrapper: &[String]) -> Self {
        self.wrapper = wrapper.to_vec();
        self
    }

    /// Makes a repository with `swamp repo init`.
    pub fn repository(&self, name: &str) -> Repository {
        let repository = Repository { machine: self.clone(), path: self.directory(name) };
        repository.ok(&["repo", "init"]);
        repository
    }

    /// Returns a directory of this machine that is no repository, made when missing.
    pub fn plain_directory(&self, name: &str) -> Repository {
        Repository { machine: self.clone(), path: self.directory(name) }
    }

    /// Brings another machine's repository here, as version control does: everything but `.swamp/`.
    pub fn clone_of(&self, original: &Repository) -> Repository {
        let name = original.path.file_name().expect("repositories have names").to_string_lossy();
        let path = self.directory(&name);
        for (relative, bytes) in files_below(&original.path) {
            if !relative.starts_with(".swamp/") {
                let target = path.join(&relative);
                fs::create_dir_all(target.parent().expect("below the repository")).expect("the scene is writable");
                fs::write(target, bytes).expect("the scene is writable");
            }
        }
        Repository { machine: self.clone(), path }
    }

    fn directory(&self, name: &str) -> PathBuf {
        let path = self.root.join("repositories").join(name);
        fs::create_dir_all(&path).expect("the scene is writable");
        path
    }

    fn command(&self, directory: &Path, args: &[impl AsRef<OsStr>]) -> Command {
        let words: Vec<OsString> = self.wrapper.iter().map(OsString::from).chain([swamp().into_os_string()]).collect();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(args)
            .current_dir(directory)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.root.join("home"))
            .env("SWAMP_HOME", self.root.join("swamp-home"))
            .env("TMPDIR", self.root.join("tmp"))
            .env("USER", &self.name)
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A repository on a machine.
#[derive(Clone, Debug)]
pub struct Repository {
    machine: Machine,
    path: PathBuf,
}

impl Repository {
    /// Returns the machine it is on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the same repository on a machine with a variable set.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self { machine: self.machine.clone().with(name, value), path: self.path.clone() }
    }

    /// Returns the same repository with everything run through another program.
    #[must_use]
    pub fn through(&self, wrapper: &[String]) -> Self {
        Self { machine: self.machine.clone().through(wrapper), path: self.path.clone() }
    }

    /// Returns the same repository on a machine that differs in its environment.
    #[must_use]
    pub fn on(&self, machine: &Machine) -> Self {
        Self { machine: machine.clone(), path: self.path.clone() }
    }

    /// Returns the text of `.swamp.yaml`.
    pub fn marker(&self) -> String {
        fs::read_to_string(self.path.join(".swamp.yaml")).expect("a repository has a marker")
    }

    /// Replaces the text of `.swamp.yaml`.
    pub fn write_marker(&self, text: &str) {
        fs::write(self.path.join(".swamp.yaml"), text).expect("the scene is writable");
    }

    /// Starts a command with nothing to read.
    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, b"")
    }

    /// Starts a command that reads `stdin`; its arguments need not be text.
    pub fn start_with(&self, args: &[impl AsRef<OsStr>], stdin: &[u8]) -> Running {
        let place = format!("{}:{}", self.machine.name, self.path.file_name().unwrap_or_default().to_string_lossy());
        Running::start(self.machine.command(&self.path, args), stdin, &place, &self.machine.transcript)
    }

    /// Runs a command to its end, whatever that is.
    pub fn run(&self, args: &[&str]) -> Outcome {
        self.start(args).finish()
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, args: &[&str]) -> Outcome {
        self.expect(self.run(args), 0)
    }

    /// Runs a command with `--json` that must succeed, and returns its document.
    pub fn json(&self, args: &[&str]) -> Value {
        self.ok(&[args, &["--json"]].concat()).json()
    }

    /// Runs a command that must fail with this exit code.
    pub fn fails(&self, code: i32, args: &[&str]) -> Outcome {
        self.expect(self.run(args), code)
    }

    /// Runs a command with `--json` that must fail with this exit code, and returns the error document.
    pub fn error(&self, code: i32, args: &[&str]) -> Value {
        let outcome = self.fails(code, &[args, &["--json"]].concat());
        assert_eq!(outcome.text(), "", "stdout of a failed command is empty");
        outcome.error()
    }

    /// Runs `swamp datastore setup` for this datastore with more arguments, to whatever end.
    pub fn set_up(&self, datastore: &Datastore, args: &[&str]) -> Outcome {
        let words = datastore.setup_args();
        let words: Vec<&str> = words.iter().map(String::as_str).chain(args.iter().copied()).collect();
        self.run(&words)
    }

    /// Puts `bytes` as a new version of `name`, and returns what the program says about it.
    pub fn put(&self, model: &str, name: &str, bytes: &[u8]) -> Value {
        self.put_with(model, name, bytes, &[])
    }

    /// Puts `bytes` with more arguments.
    pub fn put_with(&self, model: &str, name: &str, bytes: &[u8], args: &[&str]) -> Value {
        let args = [&["data", "put", model, name, "-", "--json"], args].concat();
        self.expect(self.start_with(&args, bytes).finish(), 0).json()
    }

    /// Returns the bytes of an artifact's latest version.
    pub fn get(&self, model: &str, name: &str) -> Vec<u8> {
        self.ok(&["data", "get", model, name]).stdout
    }

    /// Returns the bytes of one version.
    pub fn get_version(&self, model: &str, name: &str, version: u64) -> Vec<u8> {
        self.ok(&["data", "get", model, name, "--version", &version.to_string()]).stdout
    }

    /// Returns names and versions that `data list` shows of a model, sorted.
    pub fn listed(&self, model: &str) -> Vec<(String, u64)> {
        let listing = self.json(&["data", "list", model]);
        let groups = listing["groups"].as_array().expect("a listing has groups");
        let items = groups.iter().flat_map(|group| group["items"].as_array().expect("a group has items"));
        let mut names: Vec<_> = items.map(|item| (text(&item["name"]), number(&item["version"]))).collect();
        names.sort();
        names
    }

    /// Returns the version numbers that `data versions` shows, in its order.
    pub fn versions(&self, model: &str, name: &str) -> Vec<u64> {
        let listing = self.json(&["data", "versions", model, name]);
        listing["versions"]
            .as_array()
            .expect("an artifact has versions")
            .iter()
            .map(|one| number(&one["version"]))
            .collect()
    }

    /// Pushes, and returns the report.
    pub fn push(&self) -> Value {
        self.json(&["datastore", "sync", "--push"])
    }

    /// Pulls, and returns the report.
    pub fn pull(&self) -> Value {
        self.json(&["datastore", "sync", "--pull"])
    }

    /// Checks the exit code, showing the transcript when it is another.
    pub fn expect(&self, outcome: Outcome, code: i32) -> Outcome {
        if outcome.code == Some(code) {
            return outcome;
        }
        panic!("exit code {:?} instead of {code}\n{}", outcome.code, self.machine.transcript.text());
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}
