//! The endpoints of the people who run it.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde::Serialize;

use crate::{Readiness, prometheus};

#[derive(Serialize)]
struct Ready {
    ready: bool,
    failing: Vec<&'static str>,
}

/// `/healthz` (the process answers), `/readyz` (503 and the failing checks' names while not ready) and `/metrics`
/// (Prometheus text).
pub fn ops_router(readiness: Readiness) -> Router {
    prometheus::install();
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, Json<Ready>) {
    let failing = readiness.failing();
    let ready = failing.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, failing }))
}

async fn metrics() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(axum::http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus::render())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("request");
        let response = router.clone().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn answers_health_readiness_and_metrics() {
        let readiness = Readiness::new();
        let router = ops_router(readiness.clone());
        metrics::counter!("ops_test_total").increment(3);
        assert_eq!(get(&router, "/healthz").await.0, StatusCode::OK);
        assert_eq!(get(&router, "/readyz").await, (StatusCode::OK, r#"{"ready":true,"failing":[]}"#.into()));
        readiness.set("nats", false);
        let not_ready = (StatusCode::SERVICE_UNAVAILABLE, r#"{"ready":false,"failing":["nats"]}"#.into());
        assert_eq!(get(&router, "/readyz").await, not_ready);
        let (status, text) = get(&router, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("ops_test_total 3"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
