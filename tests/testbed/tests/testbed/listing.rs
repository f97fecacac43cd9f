//! Listings: order, pages, delimiters.

use crate::support::{code, start};

#[tokio::test]
async fn pages_follow_each_other_in_byte_order() {
    let (server, client) = start();
    for number in 0..2500 {
        server.put(&format!("data/{number:04}"), "x");
    }
    server.put("other", "x");

    let mut pages = client.list_objects_v2().bucket("testbed").prefix("data/").into_paginator().send();
    let mut sizes = Vec::new();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.contents().len());
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }

    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(keys, server.keys("data/"));
    assert_eq!(server.counters().list, 3);
}

#[tokio::test]
async fn delimiters_fold_keys_into_common_prefixes() {
    let (server, client) = start();
    for key in ["a", "a/1", "a/2", "b/c/1", "d"] {
        server.put(key, "hello");
    }

    let page = client.list_objects_v2().bucket("testbed").delimiter("/").send().await.unwrap();

    let keys: Vec<_> = page.contents().iter().map(|object| object.key().unwrap()).collect();
    let prefixes: Vec<_> = page.common_prefixes().iter().map(|common| common.prefix().unwrap()).collect();
    assert_eq!((keys, prefixes), (vec!["a", "d"], vec!["a/", "b/"]));
    assert_eq!(page.contents()[0].e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(page.contents()[0].size(), Some(5));
    assert_eq!(page.key_count(), Some(4));
}

#[tokio::test]
async fn a_listing_starts_after_a_key_and_stops_at_max_keys() {
    let (server, client) = start();
    for key in ["a", "b", "c", "d"] {
        server.put(key, "x");
    }

    let page = client.list_objects_v2().bucket("testbed").start_after("a").max_keys(2).send().await.unwrap();

    let keys: Vec<_> = page.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!((keys, page.is_truncated()), (vec!["b", "c"], Some(true)));
    let wrong = client.list_objects_v2().bucket("testbed").continuation_token("?").send().await;
    assert_eq!(code(&wrong).as_deref(), Some("InvalidArgument"));
}
