//! The namespaces as a file system: what a writer pushed is there for ordinary tools of a reader.
#![expect(clippy::disallowed_methods, reason = "stories live outside the program: real time, plain files")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use swamp_uat::{Backend, Mounted, Scene, files_below, files_containing, on_every_backend};

on_every_backend!(
    a_reader_browses_what_a_writer_pushed,
    an_edit_in_one_mount_appears_in_the_other,
    a_new_version_in_one_mount_appears_in_the_other,
    foreign_trees_are_read_only,
    foreign_content_read_through_the_mount_leaves_no_trace,
    a_solo_repository_is_shown_as_local,
    what_is_mounted_stays_where_it_is,
);

const SECRET: &[u8] = b"zanzibar-4712-the-content-of-another-namespace";

/// Waits for less than a person would.
const SOON: [&str; 6] = ["--push-delay", "100ms", "--push-max-delay", "500ms", "--refresh", "300ms"];

/// Returns what a program prints; it must succeed.
fn output(program: &str, args: &[&str], mount: &Mounted) -> String {
    let output = Command::new(program).args(args).current_dir(mount.root()).output().expect("the program is there");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the directory of an artifact of the type `file`, below `data` of its namespace.
fn artifact(mount: &Mounted, namespace: &str, name: &str) -> String {
    let found = output("find", &[namespace, "-path", &format!("*/data/*/{name}"), "-type", "d"], mount);
    found.lines().next().expect("the artifact is listed").to_owned()
}

fn what_is_mounted_stays_where_it_is(scene: &Scene) {
    let repository = scene.repository("ana", "infra");
    let marker = repository.marker();
    let mount = Mounted::new(&repository, &[]);

    let moved = repository.run(&["datastore", "namespace", "set", "other"]);
    let left = repository.run(&["datastore", "namespace", "unset"]);
    let changed = repository.set_up(scene.datastore(), &["--namespace", "infra"]);

    for refused in [moved, left, changed] {
        let told = repository.expect(refused, 1).stderr;
        assert!(told.contains("is mounted at") && told.contains("swamp unmount"), "{told}");
    }
    assert_eq!(repository.marker(), marker);
    mount.flushed();
    let nothing = repository.fails(1, &["unmount"]).stderr;
    assert!(nothing.contains("nothing of ours is mounted"), "{nothing}");
}

#[test]
fn machines_that_share_a_directory_and_a_namespace_see_what_each_other_makes() {
    let scene = Scene::new(Backend::Directory);
    let ana = scene.repository("ana", "infra");
    ana.put("web", "first", b"1");
    let ben = scene.machine("ben").clone_of(&ana);
    let (here, there) = (Mounted::new(&ana, &SOON), Mounted::new(&ben, &SOON));
    assert!(!there.path("infra/models/db").exists());

    ana.put("db", "second", b"2");

    there.wait_until("it is listed", || there.names("infra/models").contains(&"db".to_owned()));
    there.wait_until("what is listed is found", || there.path("infra/models/db/second").exists());
    ben.ok(&["data", "delete", "db", "second", "--yes"]);
    here.wait_until("it is gone", || !here.path("infra/models/db/second").exists());
}

fn a_reader_browses_what_a_writer_pushed(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    let json = ["--content-type", "application/json", "--tag", "env=prod"];
    owner.put_with("vault", "state", br#"{"sealed":true}"#, &json);
    owner.put_with("vault", "state", br#"{"sealed":false}"#, &json);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);

    let mount = Mounted::new(&reader, &[]);
    let state = artifact(&mount, "security", "state");

    assert_eq!(mount.names(""), [".swamp", "infra", "security"]);
    assert_eq!(mount.names("security"), ["data", "history", "models"]);
    assert_eq!(mount.names("security/models/vault"), ["state.json"]);
    assert_eq!(mount.names("security/history/vault/state"), ["1.json", "2.json"]);
    assert_eq!(mount.names(&state), ["1", "2", "latest"]);
    assert_eq!(mount.read("security/models/vault/state.json"), br#"{"sealed":false}"#);
    assert_eq!(mount.read("security/history/vault/state/1.json"), br#"{"sealed":true}"#);
    assert_eq!(mount.read(&format!("{state}/latest")), b"2");
    assert_eq!(mount.read(&format!("{state}/1/raw")), br#"{"sealed":true}"#);
    let metadata = mount.read(&format!("{state}/2/metadata.yaml"));
    assert!(
        scene.datastore().objects().iter().any(|(key, bytes)| key.ends_with("2/metadata.yaml") && *bytes == metadata)
    );
    let shown = fs::metadata(mount.path(&format!("{state}/2/raw"))).expect("it is there");
    assert_eq!((shown.size(), shown.mode() & 0o7777), (16, 0o444));
    assert_eq!(
        output("grep", &["-rl", "sealed.:false", "security/models"], &mount),
        "security/models/vault/state.json\n"
    );
    mount.flushed();
}

fn an_edit_in_one_mount_appears_in_the_other(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    let ben = scene.repository("ben", "security");
    ben.put("vault", "motd", b"before");
    ben.push();
    ana.ok(&["datastore", "catalog", "pull"]);
    let here = Mounted::new(&ana, &SOON);
    let there = Mounted::new(&ben, &SOON);
    let raw = format!("{}/1/raw", artifact(&there, "security", "motd"));
    let shown = here.names("security/models/vault").remove(0);
    assert_eq!(here.read(&format!("security/models/vault/{shown}")), b"before");

    // As editors save: beside it, synced, then renamed over it.
    let aside = there.path(&format!("{raw}.swp"));
    fs::write(&aside, b"after the edit").expect("own files can be written");
    fs::File::open(&aside).and_then(|file| file.sync_all()).expect("it can be synced");
    fs::rename(&aside, there.path(&raw)).expect("it can be renamed");

    here.wait_until("the edit appears", || here.read(&format!("security/models/vault/{shown}")) == b"after the edit");
    assert_eq!(fs::metadata(here.path(&raw)).expect("it is there").size(), 14);
    here.flushed();
    there.flushed();
    assert_eq!(ben.get("vault", "motd"), b"after the edit");
}

fn a_new_version_in_one_mount_appears_in_the_other(scene: &Scene) {
    let ana = scene.repository("ana", "infra");
    let ben = scene.repository("ben", "security");
    ben.put("vault", "motd", b"first");
    ben.push();
    ana.ok(&["datastore", "catalog", "pull"]);
    let here = Mounted::new(&ana, &SOON);
    let there = Mounted::new(&ben, &SOON);
    let motd = artifact(&here, "security", "motd");

    ben.put("vault", "motd", b"second");

    here.wait_until("version 2 appears", || here.names(&motd).contains(&"2".to_owned()));
    assert_eq!(here.read(&format!("{motd}/2/raw")), b"second");
    assert_eq!(here.read(&format!("{motd}/latest")), b"2");
    assert_eq!(there.read(&format!("{motd}/2/raw")), b"second");
    here.flushed();
    there.flushed();
}

fn foreign_trees_are_read_only(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", SECRET);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader, &[]);
    let raw = mount.path(&format!("{}/1/raw", artifact(&mount, "security", "motd")));
    let errno = |result: std::io::Result<()>| result.expect_err("it is read-only").raw_os_error();

    let refusals = [
        errno(fs::write(&raw, b"x")),
        errno(fs::remove_file(&raw)),
        errno(fs::create_dir(mount.path("security/data/new"))),
        errno(fs::rename(&raw, mount.path("security/data/moved"))),
        errno(fs::OpenOptions::new().append(true).open(&raw).map(drop)),
        errno(fs::write(mount.path("security/models/new"), b"x")),
        errno(fs::write(mount.path(".swamp/queue"), b"x")),
        errno(fs::create_dir(mount.path("another"))),
    ];
    let across = errno(fs::rename(&raw, mount.path("infra/files")));

    // EROFS, EXDEV
    assert_eq!(refusals, [Some(30); 8]);
    assert_eq!(across, Some(18));
    mount.flushed();
}

fn foreign_content_read_through_the_mount_leaves_no_trace(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    owner.put("vault", "motd", SECRET);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader, &[]);
    let motd = artifact(&mount, "security", "motd");

    let read = mount.read(&format!("{motd}/1/raw"));
    let found = output("grep", &["-rl", "zanzibar-4712", "security"], &mount);

    assert_eq!(read, SECRET);
    assert_eq!(found.lines().count(), 3, "{found}");
    assert_eq!(files_containing(reader.machine().root(), SECRET), [""; 0]);
    mount.flushed();
    assert_eq!(files_containing(reader.machine().root(), SECRET), [""; 0]);
}

fn a_solo_repository_is_shown_as_local(scene: &Scene) {
    let solo = scene.solo_repository("ana");
    solo.put("vault", "motd", b"mine");
    let mount = Mounted::new(&solo, &SOON);

    let motd = artifact(&mount, "local", "motd");

    assert_eq!(mount.names(""), [".swamp", "local"]);
    assert_eq!(mount.read(&format!("{motd}/1/raw")), b"mine");
    assert_eq!(mount.names("local/models/vault").len(), 1);
    mount.flushed();
    if scene.is_remote() {
        assert!(scene.datastore().objects().keys().any(|key| key.ends_with("motd/1/raw")));
    }
    assert!(!files_below(solo.machine().root()).is_empty());
}
