//! What is asked of a datastore, and where the answers go.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use swamp_mount::Opened;

use super::*;

const TEXT: &str = r#"{"secret": "never on any disk"}"#;

#[test]
fn looking_at_everything_asks_nothing() {
    let mounted = Mounted::new();
    let mut records = Vec::new();
    for name in 0..500 {
        records.extend((1..=2).map(|version| record("security", &format!("name-{name}"), version, TEXT)));
    }
    mounted.pull(&records);

    let files = mounted.walk("security");

    // `raw` and `metadata.yaml` and the history's file of each version, `latest` and the newest of each name.
    assert_eq!(files.len(), 1000 * 3 + 500 * 2);
    let attributes = mounted.walk(".swamp/meta");
    assert_eq!(attributes.len(), 1000);
    for path in attributes.keys() {
        let Ok(Opened::Bytes(bytes)) = mounted.tree.open(mounted.node(path)) else { panic!("no bytes") };
        let attributes: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(attributes["namespace"], "security");
    }
    assert_eq!(mounted.server.counters().total(), 0);
}

#[test]
fn a_small_file_is_one_request() {
    let mounted = Mounted::new();
    mounted.pull(&[record("security", "state", 1, TEXT)]);
    mounted.server.put(&key("security", "state", "1/raw"), TEXT);

    let fetched = mounted.read("security/models/web/state.json").expect("read");

    assert_eq!((&fetched.bytes[..], fetched.size), (TEXT.as_bytes(), TEXT.len() as u64));
    assert_eq!((mounted.server.counters().get, mounted.server.counters().total()), (1, 1));
}

#[test]
fn parts_of_a_file_are_of_one_version() {
    let mounted = Mounted::new();
    mounted.pull(&[record("security", "state", 1, "0123456789")]);
    mounted.server.put(&key("security", "state", "1/raw"), "0123456789");
    let node = mounted.node("security/models/web/state.json");
    let part =
        |bytes, version: &Option<String>| mounted.tree.fetch(node, &Part::Range { bytes, version: version.clone() });

    let first = part(0..4, &None).expect("read");
    let last = part(8..20, &first.version).expect("read");
    let beyond = part(10..20, &first.version).expect("read");

    assert_eq!((&first.bytes[..], &last.bytes[..], &beyond.bytes[..]), (&b"0123"[..], &b"89"[..], &b""[..]));
    assert_eq!([first.size, last.size, beyond.size], [10; 3]);
    mounted.server.put(&key("security", "state", "1/raw"), "abcdefghij");
    assert_eq!(part(4..8, &first.version), Err(TreeError::Stale));
}

#[test]
fn a_growing_file_has_the_size_it_has_now() {
    let mounted = Mounted::new();
    mounted.pull(&[Record { streaming: true, ..record("security", "log", 1, "short") }]);
    mounted.server.put(&key("security", "log", "1/raw"), "longer than it was");

    let fetched = mounted.read("security/models/web/log.json").expect("read");

    assert_eq!(fetched.size, 18);
}

#[test]
fn sizes_of_metadata_are_known_once_one_of_the_model_was_read() {
    let mounted = Mounted::new();
    mounted.pull(&[record("security", "state", 1, TEXT), record("security", "plan", 1, TEXT)]);
    mounted.server.put(&key("security", "state", "1/metadata.yaml"), "name: state\n");
    let entry = |name: &str, size: u64| {
        let path = format!("data/aws/ec2/0bc79a8f/{name}/1/metadata.yaml");
        (path.clone(), serde_json::json!({"key": path, "size": size, "lastModified": "x"}))
    };
    let entries: serde_json::Map<_, _> = [entry("state", 12), entry("plan", 77)].into_iter().collect();
    let shard = serde_json::json!({"version": 1, "entries": entries}).to_string();
    mounted.server.put("security/_index/data--aws--ec2--0bc79a8f.json", &shard);
    let size = |name: &str| mounted.at(&key("security", name, "1/metadata.yaml")).expect("there").1.size;

    assert_eq!((size("state"), size("plan")), (None, None));
    let fetched = mounted.read(&key("security", "state", "1/metadata.yaml")).expect("read");

    assert_eq!((&fetched.bytes[..], size("state")), (&b"name: state\n"[..], Some(12)));
    let patience = Instant::now() + PATIENCE;
    while size("plan").is_none() && Instant::now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(size("plan"), Some(77));
    mounted.read(&key("security", "state", "1/metadata.yaml")).expect("read");
    assert_eq!(mounted.server.counters().total(), 3, "the file twice and its shard once");
}

#[test]
fn metadata_that_were_written_again_have_the_size_and_bytes_they_have_now() {
    let mounted = Mounted::new();
    let (path, before) = (key("security", "state", "1/metadata.yaml"), record("security", "state", 1, TEXT));
    mounted.pull(std::slice::from_ref(&before));
    mounted.server.put(&path, "name: state\n");
    mounted.read(&path).expect("read");
    assert_eq!(mounted.at(&path).expect("there").1.size, Some(12));

    mounted.server.put(&path, "name: state\nmine: 1\n");
    let tags = [("type".to_owned(), "resource".to_owned()), ("mine".to_owned(), "1".to_owned())].into();
    mounted.pull(&[Record { tags, ..before }]);
    let unread = mounted.at(&path).expect("there").1.size;
    let fetched = mounted.read(&path).expect("read");

    assert_eq!((unread, &fetched.bytes[..]), (None, &b"name: state\nmine: 1\n"[..]));
    assert_eq!(mounted.at(&path).expect("there").1.size, Some(20));
}

#[test]
fn our_own_content_is_read_from_its_place_or_fetched() {
    let mounted = Mounted::new();
    mounted.scan(&[record("infra", "here", 1, TEXT), record("infra", "away", 1, TEXT)]);
    let local = mounted.directory.path().join("tree/data/aws/ec2/0bc79a8f/here/1");
    fs::create_dir_all(&local).expect("made");
    fs::write(local.join("raw"), TEXT).expect("written");
    mounted.server.put(&key("infra", "away", "1/raw"), TEXT);
    let models = mounted.tree.overlay().swap_remove(0).1;
    let (web, _) = mounted.tree.lookup(models, "web").expect("a model");
    let node = |name: &str| mounted.tree.lookup(web, name).expect("there").0;

    let Ok(Opened::File(mut file)) = mounted.tree.open(node("here.json")) else { panic!("not a file") };
    let mut text = String::new();
    file.read_to_string(&mut text).expect("read");

    assert_eq!(text, TEXT);
    assert!(matches!(mounted.tree.open(node("away.json")), Ok(Opened::Remote)));
    let fetched = mounted.tree.fetch(node("away.json"), &Part::Whole).expect("read");
    assert_eq!(fetched.bytes, TEXT);
    assert_eq!(mounted.server.counters().total(), 1);
}

#[test]
fn what_is_fetched_is_on_no_disk() {
    let mounted = Mounted::new();
    mounted.pull(&[record("security", "state", 1, TEXT)]);
    mounted.server.put(&key("security", "state", "1/raw"), TEXT);
    mounted.server.put(&key("security", "state", "1/metadata.yaml"), TEXT);

    mounted.read("security/models/web/state.json").expect("read");
    mounted.read(&key("security", "state", "1/metadata.yaml")).expect("read");

    assert_eq!(files_with(mounted.directory.path(), TEXT.as_bytes()), [""; 0]);
}

/// Returns the files below a directory that contain `needle`.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if fs::read(&path).expect("read").windows(needle.len()).any(|window| window == needle) {
            found.push(path.display().to_string());
        }
    }
    found
}
