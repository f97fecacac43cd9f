//! Commands talk to the process that serves a cache.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use swamp::clock::SystemClock;
use swamp::error::{Failure as _, Kind};
use swamp::mounting::control::{self, Answer, ControlError, Verb};
use swamp::mounting::{Flushed, Keeper, Leave};
use tokio::sync::mpsc;

use super::rig::{Rig, wait};

const FILE: &str = "outputs/swamp/file/run/x.yaml";

fn listening(rig: &mut Rig) -> (Keeper, PathBuf, mpsc::Receiver<Leave>) {
    let state = &rig.machine.engine().parts().state;
    let socket = swamp::mounting::socket_path(state, None);
    let listener = swamp::mounting::listen(&socket).expect("listening");
    let mut keeper = rig.keeper();
    let (leaves, left) = mpsc::channel(1);
    keeper.listen(listener, Arc::clone(&rig.clock), leaves).expect("serving");
    (keeper, socket, left)
}

fn ask(socket: &Path, verb: Verb) -> Result<Answer, ControlError> {
    wait(control::ask(&SystemClock::new(), socket, verb, Duration::from_secs(10)))
}

#[test]
fn a_command_pushes_through_the_socket() {
    let mut rig = Rig::waiting();
    let (_keeper, socket, _left) = listening(&mut rig);
    rig.write(FILE, "one");

    let Answer::Pushed(pushed) = ask(&socket, Verb::Push).expect("pushed") else { panic!("another answer") };

    assert_eq!(pushed.uploaded, 1);
}

#[test]
fn a_command_is_told_why_something_failed() {
    let mut rig = Rig::waiting();
    let (_keeper, socket, _left) = listening(&mut rig);
    rig.world.deny(&format!("infra/{FILE}"));
    rig.write(FILE, "one");

    let refused = ask(&socket, Verb::Push).expect_err("refused");

    assert_eq!(refused.kind(), Kind::Denied);
}

#[test]
fn a_command_learns_how_things_are() {
    let mut rig = Rig::waiting();
    let (_keeper, socket, _left) = listening(&mut rig);

    assert_eq!(ask(&socket, Verb::Status).expect("told"), Answer::Status(serde_json::json!({"is": "mounted"})));
}

#[test]
fn whoever_wants_the_mount_to_end_hears_what_is_left() {
    let mut rig = Rig::waiting();
    let (_keeper, socket, mut leaves) = listening(&mut rig);
    let flushed = Flushed { left: vec!["outputs".to_owned()], ..Flushed::default() };
    let told = flushed.clone();
    let process = std::thread::spawn(move || {
        let leave = leaves.blocking_recv().expect("asked");
        assert_eq!(leave.timeout, Duration::from_millis(7));
        leave.reply.send(Ok(told)).expect("heard");
    });

    let answer = ask(&socket, Verb::Unmount { timeout_ms: 7 }).expect("told");

    assert_eq!(answer, Answer::Flushed(flushed));
    process.join().expect("ended");
}

#[test]
fn another_protocol_is_refused_in_words() {
    let mut rig = Rig::waiting();
    let (_keeper, socket, _left) = listening(&mut rig);
    let mut stream = UnixStream::connect(socket).expect("connected");

    stream.write_all(b"{\"protocol\":2,\"ask\":\"push\"}\n").expect("asked");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("answered");

    assert!(line.contains("version 2 of the protocol"), "{line}");
}

#[test]
fn nobody_answers_where_the_process_is_gone() {
    let mut rig = Rig::waiting();
    let (keeper, socket, _left) = listening(&mut rig);
    keeper.finish();

    assert_eq!(ask(&socket, Verb::Status).expect_err("gone").kind(), Kind::Unavailable);
}
