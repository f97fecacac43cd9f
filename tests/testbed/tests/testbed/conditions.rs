//! Conditional writes are atomic and answer as AWS does.

use aws_sdk_s3::Client;
use swamp_testbed::faults::Plan;
use tokio::task::JoinSet;

use crate::support::{body, code, get, put, start};

const RACERS: usize = 64;

async fn create(client: Client, text: String) -> Option<String> {
    let request = client.put_object().bucket("testbed").key("lock").if_none_match("*").body(body(&text));
    match request.send().await {
        Ok(_) => Some(text),
        Err(error) => {
            assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
            None
        }
    }
}

#[tokio::test]
async fn exactly_one_of_many_creators_wins() {
    let (server, client) = start();

    let racers: JoinSet<_> = (0..RACERS).map(|racer| create(client.clone(), format!("racer {racer}"))).collect();
    let winners: Vec<String> = racers.join_all().await.into_iter().flatten().collect();

    assert_eq!(winners.len(), 1);
    assert_eq!(server.get("lock").unwrap(), winners[0].as_bytes());
}

async fn increment(client: Client) {
    loop {
        let current = client.get_object().bucket("testbed").key("counter").send().await.unwrap();
        let etag = current.e_tag.clone().unwrap();
        let count: usize = String::from_utf8(current.body.collect().await.unwrap().to_vec()).unwrap().parse().unwrap();
        let request = client.put_object().bucket("testbed").key("counter").if_match(etag);
        if request.body(body(&(count + 1).to_string())).send().await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn compare_and_swap_loses_no_update() {
    let (server, client) = start();
    server.put("counter", "0");

    let racers: JoinSet<_> = (0..16).map(|_| increment(client.clone())).collect();
    racers.join_all().await;

    assert_eq!(server.get("counter").unwrap(), b"16");
}

#[tokio::test]
async fn if_match_needs_the_present_state() {
    let (server, client) = start();
    let etag = put(&client, "a", "one").await;
    server.put("a", "two");

    let stale = client.put_object().bucket("testbed").key("a").if_match(&etag).body(body("three")).send().await;
    let absent = client.put_object().bucket("testbed").key("b").if_match(&etag).body(body("three")).send().await;
    let stale_delete = client.delete_object().bucket("testbed").key("a").if_match(&etag).send().await;
    let absent_delete = client.delete_object().bucket("testbed").key("b").if_match(&etag).send().await;

    assert_eq!(code(&stale).as_deref(), Some("PreconditionFailed"));
    assert_eq!(code(&absent).as_deref(), Some("NoSuchKey"));
    assert_eq!(code(&stale_delete).as_deref(), Some("PreconditionFailed"));
    assert_eq!(code(&absent_delete).as_deref(), Some("NoSuchKey"));
    assert_eq!(server.get("a").unwrap(), b"two");
}

#[tokio::test]
async fn conditional_delete_removes_the_named_state() {
    let (server, client) = start();
    let etag = put(&client, "a", "one").await;

    client.delete_object().bucket("testbed").key("a").if_match(etag).send().await.unwrap();

    assert_eq!(server.get("a"), None);
}

#[tokio::test]
async fn a_server_can_ignore_conditions() {
    let (server, client) = start();
    server.put("a", "one");
    server.faults(Plan::ignoring_conditions());

    client.put_object().bucket("testbed").key("a").if_none_match("*").body(body("two")).send().await.unwrap();
    client.put_object().bucket("testbed").key("a").if_match("\"other\"").body(body("three")).send().await.unwrap();

    assert_eq!(get(&client, "a").await, "three");
}
