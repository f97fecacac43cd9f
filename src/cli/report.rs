//! How a command ends: text or JSON on stderr, and an exit status that says what to do next.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use swamp::error::{Failure, Kind};

use super::output::Format;

/// What a command returns.
pub(crate) type Outcome = Result<(), Failed>;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something failed; here is what to tell.
    Report(Box<Report>),
    /// The arguments make no sense; this was told already.
    Usage,
    /// It did its work and found failures, which its output tells.
    Findings,
    /// Nobody reads stdout any more, which is fine.
    BrokenPipe,
    /// Another process of ours has told, and ended with this status.
    Told(u8),
    /// The user stopped it.
    Interrupted,
}

/// A failure, in words.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    error: String,
    code: &'static str,
    caused_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    status: u8,
}

impl<E: Failure> From<E> for Failed {
    fn from(error: E) -> Self {
        let kind = error.kind();
        let mut caused_by = Vec::new();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            caused_by.push(source.to_string());
            cause = source.source();
        }
        let (code, status) = classify(kind);
        let code = error.code().unwrap_or(code);
        Self::Report(Box::new(Report { error: error.to_string(), code, caused_by, hint: error.hint(), status }))
    }
}

/// Returns the code for scripts and the exit status of a kind of failure.
fn classify(kind: Kind) -> (&'static str, u8) {
    match kind {
        Kind::Invalid => ("invalid", 2),
        Kind::NotFound => ("not_found", 1),
        Kind::Conflict => ("conflict", 1),
        Kind::Unavailable => ("unavailable", 75),
        Kind::Denied => ("denied", 1),
        Kind::Corrupt => ("corrupt", 1),
    }
}

/// Prints help, version or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error, wants_json: bool) -> Outcome {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => Ok(()),
            Err(broken) if broken.kind() == io::ErrorKind::BrokenPipe => Err(Failed::BrokenPipe),
            Err(_) => Err(Failed::Usage),
        };
    }
    if !wants_json {
        // A stderr that nobody reads changes nothing about the exit status.
        drop(error.print());
        return Err(Failed::Usage);
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let mut message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if message.ends_with(':') {
        // What it is about is in the lines that follow.
        while let Some(line) = lines.next_if(|line| !line.starts_with("Usage:") && !line.starts_with("tip: ")) {
            message.push(' ');
            message.push_str(line);
        }
    }
    let hint = lines.filter_map(|line| line.strip_prefix("tip: ")).next_back().map(str::to_owned);
    Err(Failed::Report(Box::new(Report { error: message, code: "usage", caused_by: Vec::new(), hint, status: 2 })))
}

/// Tells the outcome and returns the exit status.
pub(crate) fn finish(outcome: Outcome, format: Format) -> ExitCode {
    let failed = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failed) => failed,
    };
    match failed {
        Failed::Report(report) => {
            let text = match format {
                Format::Human => report.to_text(),
                Format::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
            };
            // There is nowhere left to complain.
            drop(io::stderr().write_all(text.as_bytes()));
            ExitCode::from(report.status)
        }
        Failed::Usage => ExitCode::from(2),
        Failed::Findings => ExitCode::from(1),
        Failed::BrokenPipe => ExitCode::SUCCESS,
        Failed::Told(status) => ExitCode::from(status),
        Failed::Interrupted => ExitCode::from(130),
    }
}

impl Report {
    fn to_text(&self) -> String {
        let error = format!("error: {}\n", self.error);
        let causes = self.caused_by.iter().map(|cause| format!("  caused by: {cause}\n"));
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}\n"));
        std::iter::once(error).chain(causes).chain(hint).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read shard `a`")]
    struct Outer(#[source] io::Error);

    impl Failure for Outer {
        fn kind(&self) -> Kind {
            Kind::Unavailable
        }

        fn hint(&self) -> Option<String> {
            Some("try again".to_owned())
        }
    }

    fn report() -> Report {
        match Failed::from(Outer(io::Error::other("no route"))) {
            Failed::Report(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_person_reads_message_causes_and_hint() {
        assert_eq!(report().to_text(), "error: cannot read shard `a`\n  caused by: no route\nhint: try again\n");
    }

    #[test]
    fn a_script_reads_the_same_with_a_code() {
        assert_eq!(
            serde_json::to_value(report()).expect("JSON"),
            serde_json::json!({"error": "cannot read shard `a`", "code": "unavailable", "caused_by": ["no route"], "hint": "try again"})
        );
    }

    #[test]
    fn a_script_reads_which_argument_is_missing() {
        let command = clap::Command::new("release").arg(clap::Arg::new("force").long("force").required(true));
        let refused = command.try_get_matches_from(["release"]).expect_err("an argument is missing");

        let Err(Failed::Report(report)) = usage(&refused, true) else { panic!("no report") };

        assert_eq!(report.error, "the following required arguments were not provided: --force <force>");
    }

    #[test]
    fn a_lock_that_stays_held_has_a_code_of_its_own() {
        let key = swamp::lock::global_key(None);
        let timeout = swamp::lock::LockError::Timeout { key, body: None, waited: std::time::Duration::from_secs(1) };

        let Failed::Report(report) = Failed::from(swamp::repo::RepoError::from(timeout)) else { panic!("no report") };

        assert_eq!((report.code, report.status), ("lock_timeout", 75));
    }

    #[test]
    fn every_kind_has_the_exit_status_of_the_contract() {
        let kinds = [Kind::Invalid, Kind::NotFound, Kind::Conflict, Kind::Unavailable, Kind::Denied, Kind::Corrupt];

        assert_eq!(kinds.map(|kind| classify(kind).1), [2, 1, 1, 75, 1, 1]);
    }
}
