//! A destination must not lead into our own network: not by its text, and not by what its name resolves to.

use std::{
    net::{IpAddr, ToSocketAddrs},
    process::Command,
};

use e2e::{Scene, scene::PATIENCE};
use serde_json::json;
use testkit::{
    live_source,
    sink::Sink,
    stack::{Options, Service},
};

const OFF: &str = "false";

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_in_every_spelling() -> anyhow::Result<()> {
    let options = Options::default().env(Service::Gateway, "ALLOW_PRIVATE_DESTINATIONS", OFF).env(
        Service::EncoderWorker,
        "ALLOW_PRIVATE_DESTINATIONS",
        OFF,
    );
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "localhost.",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
    ];
    for host in hosts {
        let body = json!({
            "stream_id": scene.stream.id, "platform": "rtmp_custom", "name": "inside",
            "rtmp_url": format!("rtmp://{host}:1935/live"), "stream_key": "key-inside-q7XvR2mLw9",
        });
        let answer = scene.api.post("/api/destinations", &body).await?;
        assert_eq!(answer.status.as_u16(), 422, "{host}: {answer:?}");
        assert!(answer.body.to_string().contains("address_not_allowed"), "{host}: {answer:?}");
    }
    let all = scene.api.get("/api/destinations").await?.data()?;
    assert!(!all.to_string().contains("inside"), "nothing was stored: {all}");
    scene.close().await
}

/// A name of this machine that resolves to the loopback interface and does not say so.
fn innocent_name() -> Option<String> {
    let name = String::from_utf8(Command::new("hostname").output().ok()?.stdout).ok()?.trim().to_owned();
    let mut addresses = (name.as_str(), 1935).to_socket_addrs().ok()?;
    let inside = !name.is_empty() && name != "localhost" && addresses.all(|one| IpAddr::is_loopback(&one.ip()));
    inside.then_some(name)
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
async fn a_name_that_resolves_to_a_private_address_is_not_connected_to() -> anyhow::Result<()> {
    let Some(name) = innocent_name() else {
        eprintln!("SKIPPED, nothing was tested: this machine's name does not resolve to the loopback interface");
        return Ok(());
    };
    // The gateway looks at the text alone (and takes a short name only in a lab); the worker looks at the address.
    let options = Options::default().env(Service::EncoderWorker, "ALLOW_PRIVATE_DESTINATIONS", OFF);
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    // A port that strangers may name. Whether somebody listens there does not matter: nobody is asked.
    let id = scene.send_to_url(&format!("rtmp://{name}/live"), "inside", json!({})).await?;
    let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
    let steps = answer["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["ok"] == json!(false)).unwrap();
    assert_eq!((&failed["name"], &failed["error"]["code"]), (&json!("resolve"), &json!("address_not_allowed")));
    assert!(steps.iter().all(|step| step["ok"] == json!(false) || step["name"] == "resolve"), "{answer}");
    scene.api.start(&scene.stream.id).await?;
    let status = scene.destination_is(&id, PATIENCE, &["error"]).await?;
    assert_eq!(status["destinations"][0]["error"]["code"], "address_not_allowed", "{status}");

    // And where somebody listens, on a port that strangers may not name, no connection comes either.
    let sink = Sink::start().await?;
    let id = scene.send_to(&sink, "port", json!({})).await?;
    let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
    assert_eq!(answer["ok"], json!(false), "{answer}");
    assert_eq!(sink.seen().len(), 0, "not even a connection: {:?}", sink.seen());
    scene.close().await
}
