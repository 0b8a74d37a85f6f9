//! Faults on purpose, and what the journal says of them.

use std::time::Duration;

use platform_sim::{Fault, Reset};
use serde_json::{Value, json};

use crate::{
    client::{Client, broadcast, until},
    youtube::Channel,
};

const INSERT: &str = "/liveBroadcasts?part=id,snippet,contentDetails,status";
const PATH: &str = "/youtube/v3/liveBroadcasts";

#[tokio::test]
async fn a_write_can_be_applied_although_the_caller_never_learns() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let count = || client.sim.state()["youtube"]["broadcasts"].as_array().unwrap().len();
    let insert = async || {
        let url = format!("{}/youtube/v3{INSERT}", client.sim.http());
        let body = broadcast(&client, json!({}));
        client.http.post(url).bearer_auth(&channel.token).json(&body).timeout(Duration::from_millis(300)).send().await
    };
    client.sim.fault(Fault::on("POST", PATH).reset(Reset::Before));
    assert!(insert().await.is_err());
    assert_eq!(count(), 0);
    client.sim.fault(Fault::on("POST", PATH).reset(Reset::After));
    assert!(insert().await.is_err());
    assert_eq!(count(), 1);
    client.sim.fault(Fault::on("POST", PATH).delay(Duration::ZERO, Duration::from_secs(1)));
    assert!(insert().await.unwrap_err().is_timeout());
    assert_eq!(count(), 2);
    // It happens also when the caller has gone before it is applied.
    client.sim.fault(Fault::on("POST", PATH).delay(Duration::from_millis(600), Duration::ZERO));
    assert!(insert().await.unwrap_err().is_timeout());
    assert_eq!(count(), 2);
    until("the late write", async || count(), |count| *count == 3).await;

    let journal = client.sim.calls("POST", PATH);
    let applied: Vec<bool> = journal.iter().map(|entry| entry.applied).collect();
    assert_eq!(applied, [false, true, true, true]);
    assert!(journal.iter().all(|entry| entry.fault.is_some()));
    assert!(client.sim.faults().iter().all(|(_, used)| *used == 1));
}

#[tokio::test]
async fn answers_can_be_replaced_and_cut() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let list = async || channel.call("GET", "/liveBroadcasts?part=id&mine=true", Value::Null).await;
    let mut slow_down = Fault::on("GET", "/youtube/*").answer(503, json!({"error": {"code": 503}})).nth(2).times(2);
    slow_down.headers.insert("retry-after".to_owned(), "7".to_owned());
    client.sim.fault(slow_down);
    let statuses = [list().await.status, list().await.status, list().await.status, list().await.status];
    assert_eq!(statuses, [200, 503, 503, 200]);
    client.sim.fault(Fault { truncate: true, ..Fault::on("GET", "/youtube/*") });
    let cut = list().await.is(200);
    assert_eq!(cut.body, Value::Null, "not JSON any more");
    let last = client.sim.journal().pop().unwrap();
    assert!(last.applied && last.response_body["bytes"].as_u64() > Some(0));
}
