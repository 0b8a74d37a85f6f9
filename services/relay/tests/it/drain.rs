//! SIGTERM.

use testkit::wait;

use crate::{
    rig::{DEADLINE, End, KEY, Rig},
    script,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_moves_everybody_and_reports_the_end() {
    let rig = Rig::new().await;
    let directory = rig.directory().await;
    let mut publisher = rig.publish(KEY).await.unwrap();
    script::headers(&mut publisher).await.unwrap();
    script::frames(&mut publisher, 0..3).await.unwrap();
    let mut reader = rig.read().await;
    wait::until("announced", DEADLINE, async || directory.find(rig.stream).await.unwrap()).await.unwrap();
    rig.shutdown.trigger();
    assert_eq!(reader.until_end().await, End::Aborted, "not the end of the stream: look elsewhere");
    assert!(tokio::time::timeout(DEADLINE, rig.shutdown.drained()).await.unwrap());
    assert!(!rig.shutdown.hard.is_cancelled(), "within the grace");
    let reports = rig.orchestrator.state().reports.clone();
    assert!(reports.iter().any(|report| !report.connected && report.reason == "error"));
    assert!(directory.find(rig.stream).await.unwrap().is_none());
    assert!(directory.relays().await.unwrap().is_empty());
    assert!(script::frame(&mut publisher, 9).await.is_err() || script::frame(&mut publisher, 10).await.is_err());
}
