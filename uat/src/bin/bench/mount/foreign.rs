//! A foreign namespace: how fast it is walked, and what reading it costs beyond the wire.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use swamp_testbed::proxy::Proxy;
use swamp_uat::{Backend, Mounted, Scene};

use super::{Line, Numbers, median, rate, resident_mib, timed};
use crate::catalog;

/// Small files that are read one after the other.
const SMALL_FILES: u64 = 1_000;

/// The models they belong to.
const MODELS: u64 = 20;

/// Random requests of 4 KiB into the large object.
const RANDOM_REQUESTS: u64 = 50;

/// Measures starting on a catalog of `rows` rows, walking it for the first time, and the memory: medians of `repeat`
/// mounts.
pub(super) fn walk(rows: u64, repeat: usize) -> Vec<Line> {
    let filled = catalog::fill(rows);
    let mounts: Vec<[(String, f64, &str); 6]> = (0..repeat).map(|_| walk_once(&filled)).collect();
    let line = |index: usize| {
        let (operation, _, unit) = &mounts[0][index];
        let value = median(mounts.iter().map(|mount| mount[index].1).collect());
        Line { rtt_ms: 0, operation: format!("{rows} rows: {operation}"), value, unit, requests: 0 }
    };
    (0..6).map(line).collect()
}

fn walk_once(filled: &catalog::Filled) -> [(String, f64, &'static str); 6] {
    let started = std::time::Instant::now();
    let mounted = Mounted::new(&filled.reader, &["--no-push", "--refresh", "1h"]);
    let start = ("start".to_owned(), started.elapsed().as_secs_f64() * 1000.0, "ms");
    let memory = |when: &str| (format!("memory {when}"), resident_mib(mounted.pid()), "MiB");
    let before = memory("at start");
    let [models, history, data] = ["bench/models", "bench/history", "bench/data"].map(|place| {
        let mut entries = 0;
        let cold = timed(|| entries = find(&mounted, place));
        (format!("find {place}, cold"), rate(entries, cold), "entries/s")
    });
    let after = memory("after find");
    drop(mounted.kill());
    [start, before, models, history, data, after]
}

fn find(mounted: &Mounted, place: &str) -> u64 {
    let output = Command::new("find").arg(mounted.path(place)).output().expect("find is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// Measures reading small files and one large object at one round-trip time.
pub(super) fn read(rtt_ms: u64, object_mib: u64) -> Vec<Line> {
    let scene = Scene::new(Backend::S3);
    let server = scene.datastore().server();
    let proxy = (rtt_ms > 0).then(|| {
        Proxy::start(scene.datastore().address(), Duration::from_millis(rtt_ms))
            .expect("a free port of the loopback interface")
    });
    let owner = scene.repository("owner", "bench");
    for number in 0..SMALL_FILES {
        let content = format!("{{\"number\":{number}}}\n").repeat(20);
        owner.put(&format!("model-{:02}", number % MODELS), &format!("artifact-{number:04}"), content.as_bytes());
    }
    let large = large(object_mib);
    owner.put("large", "object", &large);
    owner.push();
    let reader = scene.repository("reader", "reader");
    reader.ok(&["datastore", "catalog", "pull"]);
    if let Some(proxy) = &proxy {
        reader.write_marker(&reader.marker().replace(&scene.datastore().endpoint(), &proxy.endpoint()));
        reader.ok(&["datastore", "catalog", "pull"]);
    }
    let mounted = Mounted::new(&reader, &["--no-push", "--refresh", "1h"]);
    mounted.wait_until("it has settled", || mounted.status()["sync"]["lastRefreshed"] != serde_json::Value::Null);
    let mut lines = Vec::new();
    let mut measure = |operation: &str, unit: &'static str, units: u64, work: &mut dyn FnMut()| {
        server.reset_counters();
        let taken = timed(work);
        let value = if unit == "ms each" { 1000.0 / rate(units, taken) } else { rate(units, taken) };
        lines.push(Line { rtt_ms, operation: operation.to_owned(), value, unit, requests: server.counters().total() });
    };
    let small = small_files(&mounted);
    let count = small.len() as u64;
    let read_all = || small.iter().for_each(|path| drop(fs::read(path).expect("it can be fetched")));
    measure(&format!("{count} small files, cold"), "ms each", count, &mut || read_all());
    measure(&format!("{count} small files, warm"), "ms each", count, &mut || read_all());
    let object = object(&mounted);
    measure(&format!("{object_mib} MiB object, sequential"), "MiB/s", object_mib, &mut || {
        let mut chunk = vec![0_u8; 1 << 20];
        let mut file = File::open(&object).expect("it opens");
        let mut length = 0_u64;
        loop {
            let read = file.read(&mut chunk).expect("it can be fetched");
            length += read as u64;
            if read == 0 {
                break;
            }
        }
        assert_eq!(length, object_mib << 20);
    });
    measure("random 4 KiB in it", "ms each", RANDOM_REQUESTS, &mut || {
        let file = File::open(&object).expect("it opens");
        let mut numbers = Numbers(3);
        let mut block = [0_u8; 4096];
        for _ in 0..RANDOM_REQUESTS {
            file.read_exact_at(&mut block, numbers.below((object_mib << 20) / 4096) * 4096).expect("it can be fetched");
        }
    });
    lines.push(Line {
        rtt_ms,
        operation: "memory then".to_owned(),
        value: resident_mib(mounted.pid()),
        unit: "MiB",
        requests: 0,
    });
    drop(mounted.kill());
    lines
}

fn large(mebibytes: u64) -> Vec<u8> {
    let mut numbers = Numbers(4);
    let words = usize::try_from(mebibytes << 17).expect("it fits into memory");
    (0..words).flat_map(|_| numbers.below(u64::MAX).to_le_bytes()).collect()
}

fn small_files(mounted: &Mounted) -> Vec<PathBuf> {
    let models = fs::read_dir(mounted.path("bench/models")).expect("it is mounted");
    let mut files: Vec<PathBuf> = models
        .map(|model| model.expect("readable").path())
        .filter(|model| !model.ends_with("large"))
        .flat_map(|model| fs::read_dir(model).expect("a model").map(|entry| entry.expect("readable").path()))
        .collect();
    files.sort();
    files
}

fn object(mounted: &Mounted) -> PathBuf {
    mounted.path("bench/models/large").join(mounted.names("bench/models/large").remove(0))
}
