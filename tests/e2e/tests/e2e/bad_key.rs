//! A refused key is final, is said in words, and hurts nobody else.

use e2e::{
    Scene,
    scene::{FED, PATIENCE, key},
};
use serde_json::json;
use testkit::{
    NginxRtmp, api,
    sink::{Behaviour, Sink},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_an_error_with_a_next_step() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let good = Sink::start().await?;
    let picky = Sink::start().await?;
    picky.set(Behaviour::refuse_key());
    let nginx = NginxRtmp::start().await?;
    nginx.refuse(&key("nginx"))?;
    let good_id = scene.send_to(&good, "good", json!({})).await?;
    let bad =
        [scene.send_to(&picky, "picky", json!({})).await?, scene.send_to_url(&nginx.url(), "nginx", json!({})).await?];
    scene.api.start(&scene.stream.id).await?;
    for id in &bad {
        let status = scene.destination_is(id, PATIENCE, &["error"]).await?;
        let one = status["destinations"].as_array().unwrap().iter().find(|one| one["id"] == json!(id)).unwrap();
        assert_eq!(one["error"]["code"], "publish_refused", "{one}");
        assert!(one["error"]["message"].as_str().unwrap().len() > 20, "{one}");
    }
    let status = scene.destination_is(&good_id, PATIENCE, &FED).await?;
    assert_eq!(status["stream"]["status"], "live");
    assert_eq!(picky.seen().len(), 1, "a refused key is not tried again");
    let health = scene.api.health(&scene.stream.id).await?;
    assert_eq!(health["destinations"][&bad[0]]["health"], "error");
    assert_eq!(api::destination_status(&status, &bad[0]), "error");
    scene.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_test_names_the_step_that_fails() -> anyhow::Result<()> {
    let scene = Scene::open().await?;
    let good = Sink::start().await?;
    let id = scene.send_to(&good, "good", json!({})).await?;
    let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
    assert_eq!(answer["ok"], json!(true), "{answer}");
    assert_eq!(good.seen()[0].count(media::flv::TagKind::Video), 0, "a test sends no media");

    good.set(Behaviour::refuse_key());
    let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
    assert_eq!(failed_step(&answer), Some(("publish", "publish_refused")), "{answer}");

    good.go_down().await?;
    let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
    assert_eq!(failed_step(&answer).map(|(step, _)| step), Some("connect"), "{answer}");
    scene.close().await
}

fn failed_step(answer: &serde_json::Value) -> Option<(&str, &str)> {
    let step = answer["steps"].as_array()?.iter().find(|step| step["ok"] == json!(false))?;
    Some((step["name"].as_str()?, step["error"]["code"].as_str()?))
}
