//! One call from client to server: trust, trace, deadline, error code.

use std::time::Duration;

use clap::Parser;
use service_kit::{CommonConfig, Shutdown, Telemetry, grpc, install_crypto, prometheus, trace};
use tonic::Code;
use tracing::Instrument;
use wire::v1::{CheckOwnerRequest, ClaimSessionRequest, FinishTestRequest, sessions_client::SessionsClient};

use crate::fixture::{Collector, ENTERED, serve_echo, token};

#[derive(Parser)]
struct Config {
    #[command(flatten)]
    common: CommonConfig,
}

fn telemetry(collector: &str) -> Telemetry {
    let args = ["test", "--internal-token", "0123456789abcdef", "--otlp-endpoint", collector, "--log-format", "json"];
    let config = Config::parse_from(args).common;
    Telemetry::init("service-kit-test", &config).expect("telemetry starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_crosses_a_call_and_reaches_the_collector() {
    let collector = Collector::default();
    let telemetry = telemetry(&collector.serve().await);
    let shutdown = Shutdown::new(Duration::from_secs(1));
    let url = serve_echo(&shutdown).await;
    let mut client = SessionsClient::new(grpc::internal_channel(&url, &token()).expect("a URL"));
    let span = tracing::info_span!("caller");
    let call = async {
        let mine = trace::trace_id().expect("a trace without any request");
        let answer = client.check_owner(grpc::deadline(5_000, CheckOwnerRequest::default())).await.expect("answers");
        (mine, answer.into_inner().tenant_id)
    };
    let (mine, theirs) = call.instrument(span).await;
    assert_eq!(mine, theirs);

    shutdown.trigger();
    drop(client);
    assert!(shutdown.drained().await);
    telemetry.shutdown();
    let spans = collector.spans();
    let find = |name: &str| spans.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"));
    let (caller, served) = (find("caller"), find("exprsn.live.v1.Sessions/CheckOwner"));
    assert_eq!(served.trace_id, caller.trace_id);
    assert_eq!(served.parent_span_id, caller.span_id);
    let metrics = prometheus::render();
    let counted = r#"grpc_server_calls_total{method="exprsn.live.v1.Sessions/CheckOwner",code="0"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn trust_error_codes_and_deadlines() {
    install_crypto();
    let shutdown = Shutdown::new(Duration::from_secs(1));
    let url = serve_echo(&shutdown).await;

    let mut stranger = SessionsClient::new(grpc::channel(&url).expect("a URL"));
    let refused = stranger.check_owner(CheckOwnerRequest::default()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);

    let mut client = SessionsClient::new(grpc::internal_channel(&url, &token()).expect("a URL"));
    let refused = client.claim_session(ClaimSessionRequest::default()).await.expect_err("refused");
    assert_eq!((grpc::error_code(&refused), grpc::error_field(&refused)), (Some("not_wanted"), Some("epoch")));

    let late = client.finish_test(grpc::deadline(100, FinishTestRequest::default())).await.expect_err("times out");
    assert!(grpc::is_unreachable(&late), "{late:?}");
    assert!(!grpc::is_unreachable(&refused), "{refused:?}");
}

#[tokio::test]
async fn a_dead_peer_is_an_error_within_its_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let mut client = SessionsClient::new(grpc::internal_channel(&url, &token()).expect("a URL"));
    // It accepts and never says a word: the deadline ends the call.
    let call = client.check_owner(grpc::deadline(200, CheckOwnerRequest::default()));
    let silent = tokio::time::timeout(Duration::from_secs(10), call).await.expect("ends").expect_err("fails");
    assert!(grpc::is_unreachable(&silent), "{silent:?}");
    drop(listener);
    let call = client.check_owner(grpc::deadline(1_000, CheckOwnerRequest::default()));
    let gone = tokio::time::timeout(Duration::from_secs(10), call).await.expect("ends").expect_err("fails");
    assert!(grpc::is_unreachable(&gone), "{gone:?}");
}

#[tokio::test]
async fn a_shutdown_waits_for_calls_but_not_for_idle_or_stuck_clients() {
    let shutdown = Shutdown::new(Duration::from_secs(60));
    let url = serve_echo(&shutdown).await;
    let mut idle = SessionsClient::new(grpc::internal_channel(&url, &token()).expect("a URL"));
    idle.check_owner(CheckOwnerRequest::default()).await.expect("answers");
    // It has a connection and answers nothing on it, like a paused process.
    let address = url.trim_start_matches("http://").to_owned();
    let stuck = tokio::net::TcpStream::connect(address).await.expect("connects");
    let mut busy = idle.clone();
    let call = tokio::spawn(async move { busy.finish_test(grpc::deadline(1_500, FinishTestRequest::default())).await });
    ENTERED.notified().await;
    let begun = std::time::Instant::now();
    shutdown.trigger();
    assert!(shutdown.drained().await);
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(750) && took < Duration::from_secs(20), "{took:?}");
    assert!(grpc::is_unreachable(&call.await.expect("joins").expect_err("its deadline ended it")));
    drop(stuck);
}
