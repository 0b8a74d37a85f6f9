//! P12: no five-character piece of a key is anywhere but in the vault and in a worker's memory.

use std::fs;

use e2e::{
    Scene,
    platforms::{SOON, Stage},
    scene::{PATIENCE, flows, key},
};
use futures::StreamExt;
use platform_sim::{Action, Fault};
use serde_json::json;
use sqlx::{Connection, Row};
use testkit::{
    sink::{Answer, Behaviour, Sink},
    stack::{self, Service},
};

/// A piece of a key that can't appear by chance: from its random tail.
pub(crate) fn pieces(key: &str) -> Vec<String> {
    let tail = &key[key.len() - 10..];
    (0..=tail.len() - 5).map(|at| tail[at..at + 5].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_nowhere() -> anyhow::Result<()> {
    let options = stack::Options { log_filter: "debug".to_owned(), ..stack::Options::default() };
    let scene = Scene::open_with(options, &testkit::live_source::Options::default()).await?;
    let (good, loud) = (Sink::start().await?, Sink::start().await?);
    loud.set(Behaviour::answer(Answer::RefuseKey {
        code: "NetStream.Publish.BadName".into(),
        description: "the key {key} is wrong".into(),
    }));
    let good_id = scene.send_to(&good, "good", json!({})).await?;
    let loud_id = scene.send_to(&loud, "loud", json!({})).await?;
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let mut everything = nats.subscribe("live.>").await?;
    scene.api.start(&scene.stream.id).await?;
    scene.destination_is(&loud_id, PATIENCE, &["error"]).await?;
    flows(&good, 500_000, PATIENCE).await?;

    let places = everywhere(&scene, &[&good_id, &loud_id], &mut everything).await?;
    for (name, secret) in [("good", key("good")), ("loud", key("loud")), ("ingest", scene.stream.stream_key.clone())] {
        assert_absent(name, &secret, &places);
    }
    scene.close().await
}

/// The play path of an `inputSource` may be a key as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_a_pulled_source_is_nowhere() -> anyhow::Result<()> {
    let options = stack::Options { log_filter: "debug".to_owned(), ..stack::Options::default() };
    let scene = Scene::open_with(options, &testkit::live_source::Options::default()).await?;
    scene.source.kill();
    scene.source_is(false).await?;
    let origin = testkit::NginxRtmp::start().await?;
    let _far = testkit::LiveSource::start(&origin.stream_url(&key("far")))?;
    let sink = Sink::start().await?;
    let id = scene.send_to(&sink, "good", json!({})).await?;
    let nats = async_nats::connect(scene.stack.nats.url()).await?;
    let mut everything = nats.subscribe("live.>").await?;
    let body = json!({"inputSource": origin.stream_url(&key("far"))});
    scene.api.post(&format!("/api/simulcast/{}/start", scene.stream.id), &body).await?.data()?;
    flows(&sink, 300_000, PATIENCE).await?;

    let places = everywhere(&scene, &[&id], &mut everything).await?;
    assert_absent("far", &key("far"), &places);
    scene.close().await
}

/// Neither a token, nor a client secret, nor a key of a platform is anywhere, at debug level too.
#[tokio::test(flavor = "multi_thread")]
async fn platform_secrets_are_nowhere() -> anyhow::Result<()> {
    let options = stack::Options { log_filter: "debug".to_owned(), ..stack::Options::default() };
    let stage = Stage::open_with(options, platform_sim::Options::default()).await?;
    let (api, stream) = (stage.scene.api.clone(), stage.scene.stream.clone());
    let nats = async_nats::connect(stage.scene.stack.nats.url()).await?;
    let mut everything = nats.subscribe("live.>").await?;
    let ids = stage.on_all_four(&api, &stream.id, "alice").await?;
    api.start(&stream.id).await?;
    api.wait_destinations(&stream.id, SOON, &["live"]).await?;
    // Errors speak, too: expired and revoked tokens, refused calls.
    stage.sim.act(&Action::ExpireTokens { provider: "google".into(), account: "alice".into() })?;
    stage.sim.fault(Fault { path: "/graph/*".into(), ..Fault::default() }.answer(400, json!({"error": {"code": 190}})));
    for id in ids.values() {
        api.post(&format!("/api/destinations/{id}/refresh-token"), &json!({})).await?;
    }
    let destinations: Vec<&str> = ids.values().map(String::as_str).collect();
    let mut places = everywhere(&stage.scene, &destinations, &mut everything).await?;
    // The vault alone is given the applications' secrets, in its environment.
    let vault = stage.scene.stack.process(Service::Credentials, 0)?.pid();
    places.retain(|(place, _)| *place != format!("environ of {vault}"));
    let secrets = stage.sim.secrets();
    assert!(secrets.len() > 10, "only {} secrets", secrets.len());
    for (number, secret) in secrets.into_iter().enumerate() {
        // A piece from the middle: prefixes are the platforms' own, and Cloudflare's keys end with the input's public id.
        let from = secret.len() / 4;
        let piece = &secret[from..(from + 12).min(secret.len())];
        for (place, bytes) in &places {
            let found = bytes.windows(piece.len()).position(|window| window == piece.as_bytes());
            assert!(found.is_none(), "secret {number} ({}…) is in {place}", &secret[..4.min(secret.len())]);
        }
    }
    stage.close().await
}

/// What can be read of a running stack from outside, each piece with its place.
async fn everywhere(
    scene: &Scene,
    ids: &[&str],
    messages: &mut async_nats::Subscriber,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut places = Vec::new();
    processes(scene, &mut places)?;
    answers(scene, ids, &mut places).await?;
    redis(scene, &mut places).await?;
    postgres(scene, &mut places).await?;
    for process in scene.stack.processes() {
        places.push((format!("metrics of {}", process.service()), process.metrics().await?.into_bytes()));
        let log = scene.stack.log(process.service(), process.number());
        places.push((format!("log of {}", process.service()), log.into_bytes()));
    }
    while let Ok(Some(message)) = tokio::time::timeout(std::time::Duration::from_millis(200), messages.next()).await {
        places.push((format!("NATS {}", message.subject), message.payload.to_vec()));
    }
    assert!(places.len() > 30, "looked in only {} places", places.len());
    Ok(places)
}

fn assert_absent(name: &str, secret: &str, places: &[(String, Vec<u8>)]) {
    for piece in pieces(secret) {
        for (place, bytes) in places {
            let found = bytes.windows(piece.len()).position(|window| window == piece.as_bytes());
            assert!(found.is_none(), "a piece of the {name} key is in {place}");
        }
    }
}

fn processes(scene: &Scene, places: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let ours = scene.stack.processes().iter().map(testkit::stack::Process::pid);
    let ffmpegs = scene.stack.ffmpegs();
    assert!(!ffmpegs.is_empty());
    for pid in ours.chain(ffmpegs) {
        for file in ["cmdline", "environ"] {
            places.push((format!("{file} of {pid}"), fs::read(format!("/proc/{pid}/{file}"))?));
        }
    }
    Ok(())
}

async fn answers(scene: &Scene, ids: &[&str], places: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let stream = &scene.stream.id;
    let mut paths = vec!["/api/streams".to_owned(), "/api/destinations".to_owned(), format!("/api/streams/{stream}")];
    paths.extend(["status", "health", "metrics"].map(|what| format!("/api/simulcast/{stream}/{what}")));
    paths.extend(ids.iter().map(|id| format!("/api/destinations/{id}")));
    for path in paths {
        let answer = scene.api.get(&path).await?;
        places.push((path, serde_json::to_vec(&answer.body)?));
    }
    Ok(())
}

async fn redis(scene: &Scene, places: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let mut connection = redis::Client::open(scene.stack.redis.url())?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
    assert!(!keys.is_empty());
    for key in keys {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap_or_default();
        places.push((format!("Redis {key}"), [key.as_bytes(), &dump].concat()));
    }
    Ok(())
}

async fn postgres(scene: &Scene, places: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let mut db = sqlx::PgConnection::connect(&scene.stack.postgres.url()).await?;
    let tables = sqlx::query(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables \
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut db)
    .await?;
    assert!(tables.len() >= 4, "only {} tables", tables.len());
    for table in tables {
        let table: String = table.get(0);
        let query = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut db).await?;
        // A bytea column prints as hex: look at its bytes too.
        let bytes: Vec<u8> = rows
            .split("\\x")
            .skip(1)
            .flat_map(|part| {
                let hex: Vec<u8> = part.bytes().take_while(u8::is_ascii_hexdigit).collect();
                hex.chunks_exact(2)
                    .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect::<Vec<u8>>()
            })
            .collect();
        places.push((format!("Postgres {table}"), [rows.as_bytes(), &bytes].concat()));
    }
    Ok(())
}
