//! Which ingest is taken.

use super::*;

#[tokio::test]
async fn without_the_ingest_list_the_global_ingest_is_taken() {
    let world = World::start().await;
    world.sim.fault(Fault::on("GET", "/twitch-ingest/ingests").answer(500, json!({})).times(0));
    let ready = world.prepared().await;
    assert_eq!(ready.rtmp_url, "rtmps://ingest.global-contribute.live-video.net:443/app");
}

#[tokio::test]
async fn the_ingest_that_answers_is_chosen_and_one_measurement_serves_all() {
    let world = World::start().await;
    let closed = "rtmp://127.0.0.1:1/app/{stream_key}";
    let open = format!("{}/app/{{stream_key}}", world.sim.rtmp());
    let entry = |priority: i64, url: &str| json!({"_id": priority, "availability": 1.0, "default": priority == 0, "name": "x", "priority": priority, "url_template": url});
    let list = json!({"ingests": [entry(0, closed), entry(1, &open)]});
    world.sim.fault(Fault::on("GET", "/twitch-ingest/ingests").answer(200, list).times(0));
    let ready = world.prepared().await;
    assert_eq!((ready.rtmp_url, ready.backup_urls.len()), (format!("{}/app", world.sim.rtmp()), 0));
    world.prepared().await;
    assert_eq!(world.sim.calls("GET", "/twitch-ingest/ingests").len(), 1);
}

#[tokio::test]
async fn rtmps_is_taken_where_it_is_offered() {
    let world = World::with(Options { rtmps: true, ..Options::default() }, PATIENT, Arc::new(SystemClock)).await;
    assert_eq!(world.prepared().await.rtmp_url, format!("{}/app", world.sim.rtmps().unwrap()));
}
