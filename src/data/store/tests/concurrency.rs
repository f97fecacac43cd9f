//! Many at once: distinct versions, a true `latest`, no half versions, no failures.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use crate::data::testing::{Bed, artifact, draft, number};

use super::super::*;

const THREADS: u8 = 8;

#[test]
fn concurrent_savers_get_distinct_versions() {
    let bed = Bed::new();

    let numbers = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (bed, numbers) = (&bed, &numbers);
            scope.spawn(move || {
                for round in 0..5 {
                    let number = bed.save(&artifact("state"), &[thread, round]).metadata.version.get();
                    assert!(numbers.lock().expect("not poisoned").insert(number), "{number} was given twice");
                }
            });
        }
    });

    assert_eq!(numbers.into_inner().expect("not poisoned"), (1..=40).collect());
    let found = bed.store.versions(&artifact("state")).expect("listed");
    assert_eq!((found.readable().count(), found.marker), (40, Some(number(40))));
    assert_eq!(bed.staged(), 0);
}

#[test]
fn saving_and_deleting_at_once_never_fails() {
    let bed = Bed::new();
    for _ in 0..50 {
        thread::scope(|scope| {
            for thread in 0..3 {
                let bed = &bed;
                scope.spawn(move || bed.save(&artifact("state"), &[thread]));
            }
            scope.spawn(|| match bed.store.delete_all(&artifact("state")) {
                Ok(_) | Err(StoreError::NameNotFound { .. }) => {}
                Err(error) => panic!("{error:?}"),
            });
            scope.spawn(|| match bed.store.delete_version(&artifact("state"), number(1)) {
                Ok(_) | Err(StoreError::NameNotFound { .. } | StoreError::VersionNotFound { .. }) => {}
                Err(error) => panic!("{error:?}"),
            });
        });

        let found = bed.store.versions(&artifact("state")).expect("listed");
        assert_eq!(found.readable().count(), found.versions.len(), "half a version was left");
        assert_eq!(found.marker, found.latest().map(|metadata| metadata.version));
    }
    assert_eq!(bed.staged(), 0);
}

#[test]
fn concurrent_appends_are_all_recorded() {
    let bed = Bed::new();
    let mut streaming = draft();
    streaming.streaming = true;
    bed.store.save(&artifact("log"), &streaming, Content::Bytes(b"")).expect("saved");

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| bed.store.append(&artifact("log"), b"12345").expect("appended"));
        }
    });

    let latest = bed.store.latest(&artifact("log")).expect("read").expect("there");
    assert_eq!(latest.size, Some(5 * u64::from(THREADS)));
}
