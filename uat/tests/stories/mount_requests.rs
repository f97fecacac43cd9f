//! What looking at a mount costs in requests: nothing, until somebody opens foreign content.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use swamp_uat::{Backend, Mounted, Repository, Scene, on_every_server};

on_every_server!(
    walking_foreign_artifacts_asks_the_datastore_nothing,
    a_small_foreign_file_costs_one_request_and_the_second_time_none,
    looking_for_news_costs_a_listing_and_a_request_per_namespace,
    an_object_of_many_blocks_is_read_in_parts_and_whole,
);

/// Publishes a catalog of many artifacts for a namespace that has one.
fn publish(scene: &Scene, owner: &Repository, artifacts: u64) {
    owner.put("vault", "motd", b"theirs");
    owner.push();
    let objects = scene.datastore().objects();
    let export = objects.get("security/.catalog-export.json").expect("a push publishes the catalog");
    let rows: serde_json::Value = serde_json::from_slice(export).expect("an export is JSON");
    let sample = rows[0].to_string();
    let mut text = format!("[{sample}");
    for number in 0..artifacts {
        let mut row: serde_json::Value = serde_json::from_str(&sample).expect("a row is JSON");
        row["model_id"] = format!("model-{:03}", number % 100).into();
        row["model_name"] = format!("model-{:03}", number % 100).into();
        row["data_name"] = format!("artifact-{number:06}").into();
        row["id"] = format!("00000000-0000-4000-8000-{number:012}").into();
        row["size"] = (number % 1000).into();
        write!(text, ",\n{row}").expect("writing to a string works");
    }
    text.push_str("]\n");
    let key = scene.datastore().server().keys("").into_iter().find(|key| key.ends_with(".catalog-export.json"));
    scene.datastore().server().put(&key.expect("it was published"), text);
}

fn lines(program: &[String], args: &[&str], mount: &Mounted) -> u64 {
    let mut command = Command::new(&program[0]);
    let child = command.args(&program[1..]).args(args).current_dir(mount.root()).stdout(Stdio::piped()).spawn();
    let output = child.and_then(std::process::Child::wait_with_output).expect("the program is there");
    assert!(output.status.success(), "{program:?} {args:?}");
    u64::try_from(output.stdout.split(|byte| *byte == b'\n').count()).expect("small")
}

/// Returns the words that keep a program on one processor. A walk is nothing but programs that wake each other, which takes
/// virtual machines several times as long from one processor to another.
fn on_one_processor() -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("it says so");
    let first: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    ["taskset", "-c", &first].map(str::to_owned).into()
}

/// Minutes of work for the kernel, which are the same whatever the datastore is.
#[test]
fn walking_a_hundred_thousand_foreign_artifacts_asks_the_datastore_nothing() {
    walk(&Scene::new(Backend::S3), 100_000);
}

fn walking_foreign_artifacts_asks_the_datastore_nothing(scene: &Scene) {
    walk(scene, 1_000);
}

fn walk(scene: &Scene, artifacts: u64) {
    let here = on_one_processor();
    let program = |name: &str| [&here[..], &[name.to_owned()]].concat();
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    publish(scene, &owner, artifacts);
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader.through(&here), &["--refresh", "1h", "--no-push"]);
    mount.wait_until("it has settled", || mount.status()["sync"]["lastRefreshed"] != serde_json::Value::Null);
    let server = scene.datastore().server();
    server.reset_counters();

    let found = lines(&program("find"), &["."], &mount);
    let listed = lines(&program("ls"), &["-lR", "security/models", "security/data"], &mount);
    let free = Command::new("df").arg(mount.root()).output().expect("df is there");

    assert!(free.status.success());
    // Per artifact: its directory, a version with two files, `latest`, two views.
    assert!(found > artifacts * 7, "find saw {found}");
    assert!(listed > artifacts * 5, "ls saw {listed}");
    assert_eq!(server.counters().total(), 0, "{:?}", server.requests());
}

fn a_small_foreign_file_costs_one_request_and_the_second_time_none(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    for number in 0..20 {
        owner.put("vault", &format!("note-{number}"), format!("content {number}").as_bytes());
    }
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader, &["--refresh", "1h", "--no-push"]);
    mount.wait_until("it has settled", || mount.status()["sync"]["lastRefreshed"] != serde_json::Value::Null);
    let server = scene.datastore().server();
    server.reset_counters();

    let names = mount.names("security/models/vault");
    let first: Vec<Vec<u8>> = names.iter().map(|name| mount.read(&format!("security/models/vault/{name}"))).collect();
    let cold = server.counters().total();
    let second: Vec<Vec<u8>> = names.iter().map(|name| mount.read(&format!("security/models/vault/{name}"))).collect();

    assert_eq!(names.len(), 20);
    assert_eq!(first, second);
    assert_eq!((cold, server.counters().total()), (20, 20), "{:?}", server.requests());
}

fn looking_for_news_costs_a_listing_and_a_request_per_namespace(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    for namespace in ["audit", "billing", "security", "web"] {
        let owner = scene.repository("ben", namespace);
        owner.put("vault", "note", b"content");
        owner.push();
    }
    let mount = Mounted::new(&reader, &["--refresh", "1h", "--no-push"]);
    mount.wait_until("it has settled", || mount.status()["sync"]["lastRefreshed"] != serde_json::Value::Null);

    let requests = scene.requests_of(|| drop(reader.ok(&["datastore", "catalog", "pull"])));

    assert_eq!(requests, 5, "{:?}", scene.datastore().server().requests());
}

fn an_object_of_many_blocks_is_read_in_parts_and_whole(scene: &Scene) {
    let reader = scene.repository("ana", "infra");
    let owner = scene.repository("ben", "security");
    let content: Vec<u8> =
        (0_u32..16 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[..1].to_vec()).collect();
    owner.put("vault", "dump", &content);
    owner.push();
    reader.ok(&["datastore", "catalog", "pull"]);
    let mount = Mounted::new(&reader, &["--cache-bytes", "8M"]);
    let name = mount.names("security/models/vault").remove(0);
    let path = mount.path(&format!("security/models/vault/{name}"));

    let mut end = [0_u8; 1000];
    let file = fs::File::open(&path).expect("it opens");
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut end, content.len() as u64 - 1000).expect("it reads");
    let whole = fs::read(&path).expect("it reads");

    assert_eq!(end[..], content[content.len() - 1000..]);
    assert!(whole == content, "{} bytes of {}", whole.len(), content.len());
    let facts = mount.status()["mount"].clone();
    assert!(facts["cacheBytes"].as_u64() <= facts["cacheBytesMax"].as_u64(), "{facts}");
    mount.flushed();
}
