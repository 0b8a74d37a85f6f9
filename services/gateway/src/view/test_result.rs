//! The answer of a connection test.

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::destination::FaultView;

/// What a connection test found.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestResult {
    /// Whether every step went well.
    pub ok: bool,
    /// In order, up to and including the one that failed.
    pub steps: Vec<Step>,
}

/// One step of a connection test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestStep)]
pub struct Step {
    /// resolve, connect, tls, rtmp_connect or publish.
    #[schema(example = "connect")]
    pub name: String,
    /// Whether it went well.
    pub ok: bool,
    /// In ms.
    pub took_ms: u32,
    /// Why it failed.
    pub error: Option<FaultView>,
}

impl From<v1::TestDestinationResponse> for TestResult {
    fn from(response: v1::TestDestinationResponse) -> Self {
        let step = |s: v1::TestStep| Step {
            name: s.name,
            ok: s.ok,
            took_ms: s.took_ms,
            error: s.fault.and_then(FaultView::of),
        };
        Self { ok: response.ok, steps: response.steps.into_iter().map(step).collect() }
    }
}
