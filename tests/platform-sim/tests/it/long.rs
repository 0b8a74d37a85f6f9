//! Long runs on the simulator's clock, and ingest over TLS.

use std::time::Duration;

use media::rtmp::tls::Trust;
use platform_sim::{Limits, Options};
use serde_json::json;

use crate::{
    client::{Client, GOOGLE, until},
    media::{Live, Shape},
    youtube::Channel,
};

#[tokio::test]
async fn a_broadcast_of_a_day_can_be_polled_and_counted() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let details = json!({"enableAutoStart": true, "monitorStream": {"enableMonitorStream": false}});
    let (id, _, server, key) = channel.prepare(details).await;
    let live = Live::start(&server, &key, Shape::default()).await.unwrap();
    channel.until_life(&id, "live").await;
    let spent = || client.sim.state()["youtube"]["quota"]["total"].as_u64().unwrap();
    let before = spent();
    for _ in 0..24 {
        client.sim.advance(Duration::from_secs(3_600));
        let channel = Channel::of(&client, "alice").await; // the token has expired
        assert_eq!(channel.life(&id).await, "live");
    }
    assert_eq!(spent() - before, 24);
    live.finish().await.unwrap();
}

#[tokio::test]
async fn ingest_over_tls() {
    let client = Client::with(Options { rtmps: true, ..Options::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, client.sim.ca_pem().unwrap()).unwrap();
    let channel = Channel::of(&client, "alice").await;
    let (_, stream, server, key) = channel.prepare(json!({})).await;
    assert!(server.starts_with("rtmps://localhost:"), "{server}");
    assert!(Live::start(&server, &key, Shape::default()).await.is_err(), "nobody trusts this authority by itself");
    let live = Live::trusting(Trust::system(Some(&file)).unwrap(), &server, &key, Shape::default()).await.unwrap();
    channel.until_flow(&stream, "active").await;
    assert!(client.sim.publishes().iter().all(|publish| publish.tls));
    live.finish().await.unwrap();
}

#[tokio::test]
async fn a_second_publisher_of_a_key_takes_over() {
    let client = Client::start().await;
    let channel = Channel::of(&client, "alice").await;
    let (_, stream, server, key) = channel.prepare(json!({})).await;
    let first = Live::start(&server, &key, Shape::default()).await.unwrap();
    channel.until_flow(&stream, "active").await;
    let second = Live::start(&server, &key, Shape::default()).await.unwrap();
    assert!(first.ended().await.is_err());
    client.sim.advance(Duration::from_secs(1));
    let flow = async || channel.stream(&stream).await["streamStatus"].clone();
    until("the stream", flow, |flow| flow == "active").await;
    second.finish().await.unwrap();
}

#[tokio::test]
async fn the_hundred_and_first_refresh_token_kills_the_first_and_the_journal_is_bounded() {
    let limits = Limits { journal: 100, ..Limits::default() };
    let client = Client::with(Options { limits, ..Options::default() }).await;
    let mut tokens = Vec::new();
    for _ in 0..101 {
        tokens.push(client.google("alice").await["refresh_token"].as_str().unwrap().to_owned());
    }
    assert_eq!(client.sim.journal().len(), 100);
    for (token, status) in [(&tokens[0], 400), (&tokens[1], 200)] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        client.form("/google-oauth/token", &[&form[..], GOOGLE].concat()).await.is(status);
    }
    assert_eq!(client.sim.state()["oauth"], json!({"refreshes": {"google": 1}}));
}
