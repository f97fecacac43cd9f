//! One run of the program: started with a clean environment, ended by a deadline, judged by its exit code.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::transcript::Transcript;

/// Seconds after which a command counts as hanging: more than waiting for a lock of a dead holder takes.
pub const COMMAND_SECONDS_MAX: u64 = 100;

/// A finished command.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it took.
    pub wall: Duration,
}

impl Outcome {
    /// Returns standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns standard output as the one JSON document it must be.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document ({error}): {:?}", self.text()))
    }

    /// Returns the one JSON document that an error is with `--json`: the end of standard error, after whatever was logged.
    pub fn error(&self) -> Value {
        let start = self.stderr.find("\n{").map_or(0, |end| end + 1);
        serde_json::from_str(&self.stderr[start..])
            .unwrap_or_else(|error| panic!("stderr is not one JSON document ({error}): {:?}", self.stderr))
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    started: Instant,
    place: String,
    line: String,
    transcript: Transcript,
}

impl Running {
    pub(crate) fn start(mut command: Command, stdin: &[u8], place: &str, transcript: &Transcript) -> Self {
        let line = spelled(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        let stdout = drain(child.stdout.take().expect("piped above"));
        let stderr = drain(child.stderr.take().expect("piped above"));
        let mut pipe = child.stdin.take().expect("piped above");
        let stdin = stdin.to_vec();
        thread::spawn(move || {
            // A program that does not read its input closes the pipe, which is its right.
            let _ignored = pipe.write_all(&stdin);
        });
        Self { child, stdout, stderr, started, place: place.to_owned(), line, transcript: transcript.clone() }
    }

    /// Returns the process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; hanging fails the story.
    pub fn finish(self) -> Outcome {
        self.finish_within(Duration::from_secs(COMMAND_SECONDS_MAX))
    }

    /// Waits for the end at most this long.
    pub fn finish_within(mut self, patience: Duration) -> Outcome {
        let deadline = self.started + patience;
        // Streams end with the program: waiting for them is waiting for it, with a deadline.
        let left = || deadline.saturating_duration_since(Instant::now());
        let streams =
            self.stdout.recv_timeout(left()).and_then(|stdout| Ok((stdout, self.stderr.recv_timeout(left())?)));
        let Ok((stdout, stderr)) = streams else {
            self.child.kill().expect("our own child can be killed");
            self.transcript.command(&self.place, &self.line, "killed: hangs", [("", b""), ("", b"")]);
            panic!("`{}` did not end within {} s\n{}", self.line, patience.as_secs(), self.transcript.text());
        };
        let status = self.child.wait().expect("our own child can be waited for");
        self.outcome(status, stdout, &stderr)
    }

    /// Kills the command at once, as `kill -9` does, unless it has ended already.
    pub fn kill(mut self) -> Outcome {
        self.child.kill().expect("our own child can be killed");
        let status = self.child.wait().expect("our own child can be waited for");
        let stdout = self.stdout.recv().unwrap_or_default();
        let stderr = self.stderr.recv().unwrap_or_default();
        self.outcome(status, stdout, &stderr)
    }

    /// Waits this long, then kills the command unless it has ended by itself.
    pub fn kill_after(self, delay: Duration) -> Outcome {
        match self.stdout.recv_timeout(delay) {
            Ok(stdout) => {
                let (sender, receiver) = mpsc::channel();
                sender.send(stdout).expect("the receiver is alive");
                Self { stdout: receiver, ..self }.finish()
            }
            Err(_still_running) => self.kill(),
        }
    }

    /// Waits this long, then interrupts the command as Ctrl-C does, and waits for its end.
    pub fn interrupt_after(self, delay: Duration) -> Outcome {
        if let Ok(stdout) = self.stdout.recv_timeout(delay) {
            let (sender, receiver) = mpsc::channel();
            sender.send(stdout).expect("the receiver is alive");
            return Self { stdout: receiver, ..self }.finish();
        }
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "our own child can be interrupted");
        self.finish()
    }

    fn outcome(self, status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Outcome {
        let wall = self.started.elapsed();
        let code = status.code();
        let ending =
            format!("{} after {} ms", code.map_or("killed".to_owned(), |code| code.to_string()), wall.as_millis());
        self.transcript.command(&self.place, &self.line, &ending, [("out", &stdout), ("err", stderr)]);
        Outcome { code, stdout, stderr: String::from_utf8_lossy(stderr).into_owned(), wall }
    }
}

/// Reads a stream to its end on a thread of its own.
fn drain(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What arrived before an error is all there is to see.
        let _ignored = stream.read_to_end(&mut bytes);
        let _receiver_gone = sender.send(bytes);
    });
    receiver
}

fn spelled(command: &Command) -> String {
    let words = command.get_args().map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '{', '"']) || word.is_empty() { format!("'{word}'") } else { word.into_owned() }
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}
