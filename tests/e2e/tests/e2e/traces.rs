//! One start is one trace, from the HTTP request to the FFmpeg process, and no span holds a secret.

use e2e::{
    Scene,
    scene::{PATIENCE, flows, key},
};
use serde_json::json;
use testkit::{
    sink::Sink,
    stack::{self, Service, TENANT},
    wait,
};

use crate::{
    collector::{Collector, Span},
    leaks::pieces,
};

/// Of a caller that traces too.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What one start must show: who, and which span (the end of its name).
const STORY: [(&str, &str); 9] = [
    ("gateway", "/start"),
    ("orchestrator", "orchestrator.start"),
    ("orchestrator", "orchestrator.place"),
    ("encoder-worker", "session.start"),
    ("orchestrator", "orchestrator.claim_session"),
    ("credentials", "/GetPublishTarget"),
    ("encoder-worker", "ffmpeg.spawn"),
    ("encoder-worker", "sink.connect"),
    ("orchestrator", "/CheckOwner"),
];

fn options(collector: &Collector) -> stack::Options {
    let mut options = stack::Options {
        log_filter: "info,gateway=debug,orchestrator=debug,service_kit=debug,encoder_worker=debug".to_owned(),
        ..stack::Options::default()
    };
    for service in Service::ALL {
        options = options.env(service, "OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env(
            service,
            "OTEL_BSP_SCHEDULE_DELAY",
            "200",
        );
    }
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn one_start_is_one_trace_without_secrets() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let scene = Scene::open_with(options(&collector), &testkit::live_source::Options::default()).await?;
    let sink = Sink::start().await?;
    scene.send_to(&sink, "traced", json!({})).await?;

    start(&scene, Some(format!("00-{TRACE}-{PARENT}-01"))).await?;
    flows(&sink, 100_000, PATIENCE).await?;
    let spans = whole(&collector, TRACE).await?;
    let root = spans.iter().find(|span| span.service == "gateway" && span.name.ends_with("/start")).unwrap();
    assert_eq!(root.parent, PARENT, "the caller's span is the parent");
    for service in [Service::Gateway, Service::Orchestrator] {
        let log = scene.stack.log(service, 0);
        assert!(log.contains(TRACE), "the log of {service} does not name the trace");
    }
    let workers = [0, 1].map(|number| scene.stack.log(Service::EncoderWorker, number));
    assert!(workers.iter().any(|log| log.contains(TRACE)), "no worker's log names the trace");

    scene.api.stop(&scene.stream.id).await?;
    scene.api.wait_destinations(&scene.stream.id, PATIENCE, &["ended"]).await?;
    let known: Vec<String> = traces_of_starts(&collector.spans());
    start(&scene, None).await?;
    let own = wait::until("the trace of a start without a caller's", PATIENCE, async || {
        traces_of_starts(&collector.spans()).into_iter().find(|trace| !known.contains(trace))
    })
    .await?;
    whole(&collector, &own).await?;

    clean(&scene, &collector.spans());
    scene.close().await
}

async fn start(scene: &Scene, traceparent: Option<String>) -> anyhow::Result<()> {
    let url = format!("{}/api/simulcast/{}/start", scene.stack.gateway_url(), scene.stream.id);
    let mut request = reqwest::Client::new().post(url).bearer_auth(scene.stack.token(TENANT)).json(&json!({}));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    request.send().await?.error_for_status()?;
    Ok(())
}

fn traces_of_starts(spans: &[Span]) -> Vec<String> {
    let starts = spans.iter().filter(|span| span.service == "gateway" && span.name.ends_with("/start"));
    starts.map(|span| span.trace.clone()).collect()
}

/// Waits until the trace tells the whole story.
async fn whole(collector: &Collector, trace: &str) -> anyhow::Result<Vec<Span>> {
    let told = async || {
        let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        let has = |(service, name): &(&str, &str)| {
            spans.iter().any(|span| span.service == *service && span.name.ends_with(name))
        };
        STORY.iter().all(has).then_some(spans)
    };
    wait::until("the whole story in one trace", PATIENCE, told).await.map_err(|error| {
        let mut names: Vec<String> = collector
            .spans()
            .iter()
            .map(|span| format!("{} {} {}", span.trace.get(..6).unwrap_or_default(), span.service, span.name))
            .collect();
        names.sort();
        names.dedup();
        error.context(format!("wanted in {trace}: {STORY:?}; came: {names:#?}"))
    })
}

fn clean(scene: &Scene, spans: &[Span]) {
    let token = scene.stack.token(TENANT);
    // How a JWT (`{"alg":`) and a relay's ticket (`{"stream"`) begin.
    let mut secrets = vec!["eyJhbGciOi".to_owned(), "eyJzdHJlYW0i".to_owned()];
    for secret in [key("traced"), scene.stream.stream_key.clone(), token] {
        secrets.extend(pieces(&secret));
    }
    secrets.extend(scene.stack.secrets().all().iter().flat_map(|secret| pieces(secret)));
    assert!(spans.len() > 30, "only {} spans", spans.len());
    for span in spans {
        for secret in &secrets {
            let found = span.bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            let text = String::from_utf8_lossy(&span.bytes);
            assert!(!found, "`{secret}`, a piece of a secret, is in {} {}: {text:?}", span.service, span.name);
        }
    }
}
