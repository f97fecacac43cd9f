//! Completion of commands, options and expressions, by a shell at a terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use swamp_uat::{Backend, Scene, swamp};

/// Types lines into bash at a terminal, in which `echo` is completed as our program is, and returns what that prints.
fn typed(scene: &Scene, lines: &[&str]) -> String {
    let binaries = swamp().parent().expect("the binary is in a directory").display().to_string();
    let mut shell = Command::new("timeout")
        .args(["60", "script", "-qec", "bash --norc --noprofile -i", "/dev/null"])
        .env_clear()
        .env("PATH", format!("{binaries}:/usr/bin:/bin"))
        .env("HOME", scene.machine("ana").root())
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("util-linux is part of the system");
    let mut input = "source <(swamp completions bash); complete -o nospace -F _clap_complete_swamp echo\n".to_owned();
    for line in lines {
        input.push_str(line);
        input.push('\n');
    }
    input.push_str("exit\n");
    shell.stdin.take().expect("piped above").write_all(input.as_bytes()).expect("the terminal takes it");
    let output = shell.wait_with_output().expect("the shell ends");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
fn bash_completes_fields_functions_commands_and_options() {
    let scene = Scene::new(Backend::Directory);

    let printed = typed(
        &scene,
        &[
            "echo query workflowN\t",
            "echo query 'tags.env == \"prod\" && isL\t",
            "echo query name.starts\t",
            "echo query true --select contentT\t",
            "echo data query \"timesta\t",
            "echo eval data.late\t",
            "echo query --expl\t",
            "echo datast\t",
        ],
    );

    for expected in [
        "query workflowName",
        "query tags.env == \"prod\" && isLatest",
        "query name.startsWith",
        "query true --select contentType",
        "data query timestamp",
        "eval data.latest",
        "query --explain",
        "datastore",
    ] {
        assert!(printed.lines().any(|line| line == expected), "`{expected}` is not in:\n{printed}");
    }
}

#[test]
fn every_shell_has_a_script() {
    let scene = Scene::new(Backend::Directory);
    let reader = scene.machine("ana").plain_directory("nowhere");

    for (shell, mark) in [
        ("bash", "complete -o nospace"),
        ("zsh", "#compdef swamp"),
        ("fish", "complete --keep-order"),
        ("elvish", "edit:completion:arg-completer"),
    ] {
        let script = reader.ok(&["completions", shell]).text();

        assert!(script.contains(mark) && script.contains("SWAMP_COMPLETE"), "{script}");
    }
}
