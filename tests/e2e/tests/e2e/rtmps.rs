//! RTMPS: a good certificate carries the stream, a bad one is refused before the key is sent.

use std::sync::Arc;

use e2e::{
    Scene,
    scene::{FED, PATIENCE, flows},
};
use serde_json::{Value, json};
use testkit::{
    ffprobe_bytes, live_source,
    sink::{Certificate, Options, Sink, TestCa},
    stack::{self, Service},
};

async fn server(ca: &Arc<TestCa>, certificate: Certificate) -> anyhow::Result<Sink> {
    Sink::start_with(Options { tls: Some((ca.clone(), certificate)), ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_certificate_gets_the_key() -> anyhow::Result<()> {
    let ca = TestCa::new()?;
    let trust = ca.file().display().to_string();
    let options = stack::Options::default().env(Service::EncoderWorker, "RTMPS_CA_FILE", trust);
    let scene = Scene::open_with(options, &live_source::Options::default()).await?;
    let good = server(&ca, Certificate::Valid).await?;
    let good_id = scene.send_to(&good, "good", json!({})).await?;
    let mut bad = Vec::new();
    for (certificate, code) in [
        (Certificate::SelfSigned, "tls_untrusted"),
        (Certificate::Expired, "tls_untrusted"),
        (Certificate::WrongHost, "tls_wrong_host"),
    ] {
        let sink = server(&ca, certificate).await?;
        let id = scene.send_to(&sink, "badcert", json!({})).await?;
        bad.push((sink, id, code));
    }
    scene.api.start(&scene.stream.id).await?;
    for (sink, id, code) in &bad {
        let status = scene.destination_is(id, PATIENCE, &["error"]).await?;
        let one = status["destinations"].as_array().unwrap().iter().find(|one| one["id"] == json!(id)).unwrap();
        assert_eq!(one["error"]["code"], json!(code), "{one}");
        assert_key_kept(sink);
        let answer = scene.api.post(&format!("/api/destinations/{id}/test"), &json!({})).await?.data()?;
        let failed = answer["steps"].as_array().unwrap().iter().find(|step| step["ok"] == json!(false)).unwrap();
        assert_eq!((&failed["name"], &failed["error"]["code"]), (&json!("tls"), &json!(code)), "{answer}");
        assert_key_kept(sink);
    }
    let status: Value = scene.destination_is(&good_id, PATIENCE, &FED).await?;
    assert_eq!(status["stream"]["status"], "live");
    flows(&good, 500_000, PATIENCE).await?;
    let seen = good.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(ffprobe_bytes(&seen[0].flv()).await?.video().unwrap().codec_name, "h264");
    scene.close().await
}

fn assert_key_kept(sink: &Sink) {
    let seen = sink.seen();
    assert!(!seen.is_empty(), "the server was asked");
    for one in seen {
        assert!(one.bytes == 0 && one.key_sha256.is_empty() && one.published_at.is_none(), "{one:?}");
    }
}
