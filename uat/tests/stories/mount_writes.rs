//! What is written in a mount reaches the datastore or is refused, and what has not reached it yet is told.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time, plain files")]

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use swamp_testbed::counters::Kind;
use swamp_testbed::faults::{Fault, Rule};
use swamp_uat::{Mounted, Scene, on_every_backend, on_every_server};

on_every_server!(
    an_unreachable_datastore_keeps_the_own_namespace_working_and_the_queue_full,
    a_mapped_write_after_close_is_pushed_eventually,
    every_name_of_a_file_is_pushed,
);

on_every_backend!(
    ordinary_tools_work_in_the_own_namespace,
    what_cannot_be_pushed_is_refused_with_a_reason,
    what_belongs_to_the_datastore_itself_cannot_be_removed,
    a_directory_is_not_moved_to_where_its_files_have_no_place,
    editors_temporary_files_stay_here,
    rows_follow_at_once,
    commands_talk_to_the_mount,
);

const SOON: [&str; 4] = ["--push-delay", "100ms", "--push-max-delay", "500ms"];

/// Runs a shell script in the own namespace of a mount; it must succeed.
fn shell(mount: &Mounted, script: &str) -> String {
    let output =
        Command::new("sh").args(["-euc", script]).current_dir(mount.path("infra")).output().expect("sh is there");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ordinary_tools_work_in_the_own_namespace(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);

    shell(
        &mount,
        "mkdir -p files/a/b; seq 1000 > files/a/numbers; cp -a files/a files/copy; mv files/copy/numbers files/n2",
    );
    shell(
        &mount,
        "tar cf files/a.tar -C files a; mkdir files/x; tar xf files/a.tar -C files/x; diff -r files/a files/x/a",
    );
    shell(
        &mount,
        "git init -q files/g; cd files/g; git config user.email a@b; git config user.name a; cp ../n2 f; git add f; git commit -qm one; git fsck",
    );
    shell(
        &mount,
        "sqlite3 files/db.sqlite 'create table t(x); insert into t values (42); select x from t' | grep -qx 42",
    );
    shell(
        &mount,
        "sed -i s/^7$/seven/ files/n2; dd if=/dev/zero of=files/hole bs=1 count=1 seek=100000 status=none; truncate -s 10 files/hole",
    );
    mount.flushed();

    let objects = scene.datastore().objects();
    let n2 = objects.get("infra/files/n2").expect("it was pushed");
    assert!(String::from_utf8_lossy(n2).contains("seven"));
    assert_eq!(objects.get("infra/files/hole").map(Vec::len), Some(10));
    let clone = scene.machine("ben").clone_of(&repository);
    if scene.is_remote() {
        clone.pull();
    }
    let mounted = Mounted::new(&clone, &[]);
    shell(
        &mounted,
        "git -C files/g fsck; test \"$(sqlite3 files/db.sqlite 'select x from t')\" = 42; test $(wc -l < files/a/numbers) = 1000",
    );
    mounted.flushed();
}

fn what_cannot_be_pushed_is_refused_with_a_reason(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    let errno = |result: std::io::Result<()>| result.expect_err("it is refused").raw_os_error();

    let stray = errno(fs::write(mount.path("infra/notes.txt"), b"x"));
    fs::create_dir(mount.path("infra/files")).expect("own");
    let link = errno(std::os::unix::fs::symlink("target", mount.path("infra/files/link")));

    // EPERM
    assert_eq!((stray, link), (Some(1), Some(1)));
    let errors = mount.report("errors");
    assert!(errors.contains("notes.txt") && errors.contains("EPERM"), "{errors}");
    assert!(errors.contains("files/link"), "{errors}");
    mount.flushed();
}

fn what_belongs_to_the_datastore_itself_cannot_be_removed(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    let objects = scene.datastore().objects();
    // Where the datastore is a directory, its own files lie beside ours.
    let mut shown = mount.names("infra");
    shown.retain(|name| name.starts_with('.'));
    assert!(scene.is_remote() || shown.contains(&".namespace.json".to_owned()), "{shown:?}");

    for name in shown {
        let refused = fs::remove_file(mount.path(&format!("infra/{name}"))).expect_err("it is refused");
        assert_eq!((refused.raw_os_error(), mount.report("errors").contains(&name)), (Some(1), true), "{name}");
    }

    assert_eq!(scene.datastore().objects(), objects);
    mount.flushed();
}

fn a_directory_is_not_moved_to_where_its_files_have_no_place(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);

    shell(
        &mount,
        "mkdir -p files/proj outputs; echo x > files/proj/file; ! mv files/proj outputs/proj; mv files/proj files/moved",
    );

    assert_eq!(mount.read("infra/files/moved/file"), b"x\n");
    mount.flushed();
    assert_eq!(scene.datastore().objects().get("infra/files/moved/file"), Some(&b"x\n".to_vec()));
}

fn editors_temporary_files_stay_here(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    fs::create_dir_all(mount.path("infra/files")).expect("own");

    fs::write(mount.path("infra/files/.report.txt.swp"), b"vim").expect("allowed");
    fs::write(mount.path("infra/files/report.txt~"), b"emacs").expect("allowed");
    fs::write(mount.path("infra/files/report.txt"), b"saved").expect("allowed");

    mount.wait_until("only local files are left", || mount.report("queue").contains(".report.txt.swp"));
    mount.flushed();
    let keys: Vec<String> = scene.datastore().objects().into_keys().collect();
    assert!(keys.contains(&"infra/files/report.txt".to_owned()));
    if scene.is_remote() {
        let files: Vec<&String> = keys.iter().filter(|key| key.contains("/files/")).collect();
        assert_eq!(files, ["infra/files/report.txt"]);
    }
}

fn rows_follow_at_once(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    repository.put("vault", "motd", b"first");
    let mount = Mounted::new(&repository, &["--no-push"]);

    shell(
        &mount,
        "cd data/*/*/motd 2>/dev/null || cd \"$(dirname \"$(find data -name latest)\")\"; cp -r 1 2; \
        sed -i 's/^version: .*/version: 2/' 2/metadata.yaml; printf 2 > latest",
    );

    mount.wait_until("the row is there", || repository.versions("vault", "motd") == [2, 1]);
    mount.wait_until("the view shows it", || mount.names("infra/history/vault/motd").len() == 2);
    mount.flushed();
}

fn commands_talk_to_the_mount(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &["--push-delay", "1h", "--push-max-delay", "1h"]);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");
    if scene.is_remote() {
        assert!(mount.report("queue").contains("files"));
    }

    repository.push();
    repository.ok(&["datastore", "catalog", "pull"]);

    assert_eq!(scene.datastore().objects().get("infra/files/report.txt").map(Vec::as_slice), Some(&b"written"[..]));
    mount.flushed();
}

fn an_unreachable_datastore_keeps_the_own_namespace_working_and_the_queue_full(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    repository.push();
    let mount = Mounted::new(&repository, &SOON);
    scene.datastore().server().faults(Rule::new(Fault::Denied).kind(Kind::Put));
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/report.txt"), b"written").expect("own");

    mount.wait_until("the failure is told", || mount.report("errors").contains("denied"));
    assert_eq!(mount.read("infra/files/report.txt"), b"written");
    let (unmount, ended) = mount.unmount(&["--timeout", "2s"]);

    assert_eq!(unmount.code, Some(75), "{}", unmount.stderr);
    assert!(unmount.stderr.contains("files"), "{}", unmount.stderr);
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    scene.datastore().server().clear_faults();
    let again = Mounted::new(&repository, &SOON);
    again.wait_until("the next mount resumes", || scene.datastore().objects().contains_key("infra/files/report.txt"));
    again.flushed();
}

fn a_mapped_write_after_close_is_pushed_eventually(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    fs::create_dir_all(mount.path("infra/files")).expect("own");
    fs::write(mount.path("infra/files/mapped"), [b'a'; 4096]).expect("own");
    let pushed = |byte: u8| {
        let objects = scene.datastore().objects();
        objects.get("infra/files/mapped").is_some_and(|bytes| bytes.first() == Some(&byte))
    };
    mount.wait_until("the first content is pushed", || pushed(b'a'));

    // The descriptor is closed long before the mapping is written to.
    let script = "import mmap,os,sys,time\n\
        f=os.open(sys.argv[1],os.O_RDWR)\nm=mmap.mmap(f,4096)\nos.close(f)\nprint('mapped',flush=True)\n\
        for byte in b'bc':\n  sys.stdin.readline()\n  m[0]=byte\nsys.stdin.readline()\n";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .arg(mount.path("infra/files/mapped"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python is there");
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).expect("it maps");
    // Several pushes pass: the directory counts as clean when the write comes.
    mount.wait_until("the queue is empty", || !mount.report("queue").contains("dirty"));
    std::thread::sleep(Duration::from_secs(2));
    child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it waits");

    mount.wait_until("the mapped write is pushed", || pushed(b'b'));
    // Nothing was asked of the kernel: the page is as dirty as it was, and the time of the file stays what it is.
    child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it waits");
    mount.wait_until("the next one as well", || pushed(b'c'));
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    mount.flushed();
}

fn every_name_of_a_file_is_pushed(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let mount = Mounted::new(&repository, &SOON);
    shell(&mount, "mkdir -p files/a files/b files/c files/d; echo one > files/a/x; ln files/a/x files/b/x");
    mount.flushed();

    // The second mount has not seen one name, and sees another removed.
    let mount = Mounted::new(&repository, &SOON);
    shell(&mount, "echo two >> files/a/x; echo one > files/c/x; ln files/c/x files/d/y; rm files/c/x");
    mount.wait_until("the queue is empty", || !mount.report("queue").contains("dirty"));
    shell(&mount, "echo two >> files/d/y");
    mount.flushed();

    let objects = scene.datastore().objects();
    let written = ["a/x", "b/x", "d/y"].map(|name| objects.get(&format!("infra/files/{name}")).cloned());
    assert_eq!(written, [(); 3].map(|()| Some(b"one\ntwo\n".to_vec())));
}
