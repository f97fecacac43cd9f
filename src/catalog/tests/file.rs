//! The file: versions, damage, several users, interrupted writes.

use std::fs;
use std::process::Command;

use rusqlite::Connection;

use super::*;

#[test]
fn an_opened_catalog_has_what_was_written_before() {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &[record(Some(&infra()), "a", 1)]);
    let Fixture { directory, catalog } = fixture;
    drop(catalog);

    let catalog = Catalog::open(&directory.path().join("state/catalog.db")).expect("opened");
    let again = Fixture { directory, catalog };

    assert_eq!(again.rows(), ["infra/a@1 latest newest"]);
    assert!(again.catalog.is_complete(Some(&infra())).expect("read"));
}

#[test]
fn a_file_of_another_version_is_made_again() {
    let fixture = Fixture::new();
    fixture.rebuild(Some(&infra()), &[record(Some(&infra()), "a", 1)]);
    let raw = Connection::open(fixture.path()).expect("opened");
    raw.execute_batch("CREATE TABLE \"of \"\"later\"\"\" (x); PRAGMA user_version = 99").expect("changed");

    let catalog = Catalog::open(&fixture.path()).expect("opened");

    assert_eq!(catalog.count("1", &[]).expect("counted"), 0);
    assert!(!catalog.is_complete(Some(&infra())).expect("read"));
    let refused = catalog.export(&infra(), &mut Vec::new()).expect_err("nothing is known");
    assert_eq!(refused.to_string(), "the catalog does not know everything of namespace `infra` yet");
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("catalog.db");
    let garbage = b"this is not a database, whatever its name says ".repeat(100);
    crate::fsutil::write_atomic(&path, &garbage, directory.path(), crate::fsutil::Durability::Relaxed)
        .expect("written");

    let catalog = Catalog::open(&path).expect("made again");

    assert_eq!(catalog.count("1", &[]).expect("counted"), 0);
    assert_eq!(fs::read(directory.path().join("catalog.db.damaged")).expect("kept"), garbage);
}

#[test]
fn a_cut_file_is_made_again() {
    let Fixture { directory, catalog } = Fixture::new();
    let path = directory.path().join("state/catalog.db");
    let scans = scans(&golden(INFRA_AFTER_WRITES)).into_iter().map(Ok::<_, CatalogError>);
    catalog.replace_all(Some(&infra()), scans).expect("filled");
    drop(catalog);
    let length = fs::metadata(&path).expect("there").len();
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    file.set_len(length / 2).expect("cut");

    let catalog = Catalog::open(&path).expect("made again");

    assert_eq!(catalog.count("1", &[]).expect("counted"), 0);
    assert!(!catalog.is_complete(Some(&infra())).expect("read"));
}

#[test]
fn an_interrupted_write_leaves_the_last_commit() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);
    let crashed = tempfile::tempdir().expect("a directory");
    let mut scans = scans(&golden(INFRA_AFTER_WRITES)).into_iter().map(Ok::<_, CatalogError>);

    // What a crash in the middle of the transaction would leave is what is on disk at that moment.
    let copying = std::iter::from_fn(|| {
        let next = scans.next();
        if next.is_none() {
            for name in ["catalog.db", "catalog.db-wal"] {
                fs::copy(fixture.directory.path().join("state").join(name), crashed.path().join(name)).expect("copied");
            }
        }
        next
    });
    fixture.catalog.replace_all(Some(&ns), copying).expect("filled");

    let catalog = Catalog::open(&crashed.path().join("catalog.db")).expect("opened");
    let survivor = Fixture { directory: crashed, catalog };
    assert_eq!(survivor.rows(), ["infra/a@1 latest newest"]);
    assert!(survivor.catalog.is_complete(Some(&ns)).expect("read"));
}

#[test]
fn threads_and_connections_take_turns() {
    let fixture = Fixture::new();
    let ns = infra();
    let other = Catalog::open(&fixture.path()).expect("opened again");

    std::thread::scope(|scope| {
        for (catalog, prefix) in [(&fixture.catalog, "a"), (&fixture.catalog, "b"), (&other, "c"), (&other, "d")] {
            let ns = &ns;
            scope.spawn(move || {
                for version in 1..=25 {
                    let _stored = catalog.upsert_new_version(&record(Some(ns), prefix, version)).expect("stored");
                    catalog.versions(Some(ns), &name(prefix)).expect("read meanwhile");
                }
            });
        }
    });

    assert_eq!(other.count("1", &[]).expect("counted"), 100);
    assert_eq!(other.generation(Some(&ns)).expect("read"), 100);
    assert_eq!(other.count("is_latest = 1", &[]).expect("counted"), 4);
}

#[test]
fn a_reader_sees_the_last_commit_while_somebody_writes() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);

    let scans =
        ["b", "c"].map(|data_name| Ok::<_, CatalogError>(scan(data_name, vec![live(record(Some(&ns), data_name, 1))])));
    let mut seen = Vec::new();
    let watching = scans.into_iter().inspect(|_| seen.push(fixture.rows()));
    fixture.catalog.replace_all(Some(&ns), watching).expect("replaced");

    assert_eq!(seen, [["infra/a@1 latest newest"], ["infra/a@1 latest newest"]]);
    assert_eq!(fixture.rows(), ["infra/b@1 latest newest", "infra/c@1 latest newest"]);
}

#[test]
fn whoever_tells_of_a_change_waits_for_a_look_at_the_name() {
    let fixture = Fixture::new();
    let ns = infra();
    fixture.rebuild(Some(&ns), &[record(Some(&ns), "a", 1)]);
    let other = Catalog::open(&fixture.path()).expect("opened again");
    let seen = vec![live(record(Some(&ns), "a", 1))];

    std::thread::scope(|scope| {
        let (other, ns) = (&other, &ns);
        let looking = std::iter::once_with(|| {
            scope.spawn(move || other.upsert_new_version(&record(Some(ns), "a", 2)).expect("stored"));
            // Long enough for the other to be done if nothing kept it.
            std::thread::park_timeout(std::time::Duration::from_millis(200));
            Ok::<_, CatalogError>(scan("a", seen))
        });
        fixture.catalog.replace_names(Some(ns), looking).expect("replaced");
    });

    assert_eq!(fixture.rows(), ["infra/a@1", "infra/a@2 latest newest"]);
}

/// The other process of the next test: writes to the catalog in its working directory if there is one.
#[test]
#[ignore = "a part of `processes_take_turns`, which runs it"]
fn writes_as_another_process() {
    let path = std::path::Path::new("catalog-of-two.db");
    if !path.exists() {
        return;
    }
    let catalog = Catalog::open(path).expect("opened");
    for version in 1..=50 {
        let _stored = catalog.upsert_new_version(&record(Some(&infra()), "theirs", version)).expect("stored");
    }
}

#[test]
fn processes_take_turns() {
    let directory = tempfile::tempdir().expect("a directory");
    let catalog = Catalog::open(&directory.path().join("catalog-of-two.db")).expect("a catalog");
    let program = std::env::current_exe().expect("this program");
    let mut other = Command::new(program);
    other.current_dir(directory.path());
    other.args(["--exact", "--ignored", "--quiet", "catalog::tests::file::writes_as_another_process"]);
    other.stdout(std::process::Stdio::null());

    let mut child = other.spawn().expect("started");
    for version in 1..=50 {
        let _stored = catalog.upsert_new_version(&record(Some(&infra()), "ours", version)).expect("stored");
    }

    assert!(child.wait().expect("ended").success());
    assert_eq!(catalog.count("1", &[]).expect("counted"), 100);
    assert_eq!(catalog.generation(Some(&infra())).expect("read"), 100);
}
