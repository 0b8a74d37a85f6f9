//! What relays ask and tell: may this encoder publish, and what comes in.

use bus::EventKind;
use domain::{
    ids::{Epoch, PublishId, StreamId},
    plan::AUTO_START_QUIET_MS,
    source::SourceInfo,
};
use serde_json::{Value, json};
use wire::v1::{self, authorize_publish_response::Decision};

use super::respond::check_digest;
use crate::{
    ctx::Ctx,
    db::Tx,
    error::Error,
    rows::{SourceRow, SourceState, StreamRow, signed, unsigned},
    settle::{settle, tell},
    store::{
        epochs,
        sources::{self, Beat, Publish},
        streams,
    },
    world::World,
};

/// Lets one publisher in per stream. The same publish asked again gets the same answer.
#[tracing::instrument(name = "orchestrator.authorize_publish", skip_all, fields(relay = r.relay_id, stream))]
pub(super) async fn authorize(
    ctx: &Ctx,
    r: v1::AuthorizePublishRequest,
) -> Result<v1::AuthorizePublishResponse, Error> {
    check_digest(&r.key_sha256)?;
    let publish = publish_id(&r.publish_id)?;
    ctx.db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let Some(stream) = streams::by_key(&mut tx, &r.key_sha256).await? else {
                return Ok(refused(Decision::UnknownKey));
            };
            tracing::Span::current().record("stream", tracing::field::display(stream.id()));
            let known = sources::get(&mut tx, stream.id()).await?;
            if let Some(same) = known.as_ref().filter(|s| is_same(s, publish)) {
                return Ok(accepted(&stream, unsigned(same.epoch)));
            }
            if !r.takeover && known.as_ref().is_some_and(|s| is_alive(s, ctx, now_ms)) {
                return Ok(refused(Decision::AlreadyLive));
            }
            let epoch = epochs::next(&mut tx).await?;
            if let Some(old) = known.filter(|s| now_ms - s.gone_at_ms.unwrap_or(s.last_seen_ms) < AUTO_START_QUIET_MS) {
                sources::same_visit(&mut tx, stream.id(), Epoch(unsigned(old.epoch)), epoch).await?;
            }
            let new = Publish { stream: stream.id(), id: publish, relay_id: &r.relay_id, relay_http: "", epoch };
            sources::admit(&mut tx, new, now_ms).await?;
            tx.commit().await?;
            Ok(accepted(&stream, epoch.0))
        })
        .await
}

fn publish_id(text: &str) -> Result<PublishId, Error> {
    text.parse().map_err(|_| Error::field("invalid_request", "publish_id", "The publish's id must be a UUID."))
}

fn is_same(source: &SourceRow, publish: PublishId) -> bool {
    source.publish_id == publish.0 && source.state() != SourceState::Gone
}

fn is_alive(source: &SourceRow, ctx: &Ctx, now_ms: i64) -> bool {
    source.state() != SourceState::Gone && now_ms - source.last_seen_ms < ctx.options.publisher_alive_ms
}

fn refused(decision: Decision) -> v1::AuthorizePublishResponse {
    v1::AuthorizePublishResponse { decision: decision.into(), ..Default::default() }
}

fn accepted(stream: &StreamRow, source_epoch: u64) -> v1::AuthorizePublishResponse {
    v1::AuthorizePublishResponse {
        decision: Decision::Accepted.into(),
        stream_id: stream.id.to_string(),
        tenant_id: stream.tenant_id.clone(),
        source_epoch,
    }
}

/// Idempotent by (publish, sequence). `superseded` tells the relay to cut the publisher.
pub(super) async fn report(ctx: &Ctx, r: v1::ReportSourceRequest) -> Result<v1::ReportSourceResponse, Error> {
    let (Ok(stream), publish) = (r.stream_id.parse::<StreamId>(), publish_id(&r.publish_id)?) else {
        return Ok(v1::ReportSourceResponse { superseded: true });
    };
    let info = SourceInfo::from(r.info.clone().unwrap_or_default());
    let beat = Beat {
        stream,
        publish,
        epoch: Epoch(r.source_epoch),
        sequence: signed(r.sequence),
        relay_http: &r.relay_http,
        info: &info,
    };
    let told = ctx.db.bounded(async {
        let now_ms = ctx.now_ms();
        let mut tx = ctx.db.begin().await?;
        if r.connected && sources::beat(&mut tx, &beat, now_ms).await? {
            tx.commit().await?;
            return Ok(Told::Nothing);
        }
        let mut tx = again(ctx, tx).await?;
        let told = if r.connected {
            connect(&mut tx, ctx, &beat, &r.relay_id, now_ms).await?
        } else if leave(&mut tx, ctx, stream, Some(&beat), &r.reason, |_| true).await? {
            Told::Change
        } else {
            Told::Nothing
        };
        tx.commit().await?;
        Ok(told)
    });
    let told = told.await?;
    if told == Told::Change {
        ctx.wake.reconcile(stream);
    }
    Ok(v1::ReportSourceResponse { superseded: told == Told::Superseded })
}

/// A change is flushed to disk at its commit, unlike a beat.
async fn again(ctx: &Ctx, tx: Tx) -> Result<Tx, Error> {
    tx.rollback().await?;
    ctx.db.begin().await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Change,
    Superseded,
}

async fn connect(tx: &mut Tx, ctx: &Ctx, beat: &Beat<'_>, relay_id: &str, now_ms: i64) -> Result<Told, Error> {
    let stream = match streams::lock_any(tx, beat.stream).await? {
        Some(stream) if stream.deleted_at_ms.is_none() => stream,
        _ => return Ok(Told::Superseded),
    };
    let known = sources::get(tx, beat.stream).await?;
    let known_epoch = known.as_ref().map_or(Epoch(0), |s| Epoch(unsigned(s.epoch)));
    if beat.epoch < known_epoch {
        return Ok(Told::Superseded);
    }
    let same = known.as_ref().filter(|s| s.publish_id == beat.publish.0 && beat.epoch == known_epoch);
    if same.is_some_and(|s| s.sequence >= beat.sequence) {
        return Ok(Told::Nothing);
    }
    if known.is_none() || beat.epoch > known_epoch {
        // A pull, whose epoch is its session's; or a publish from before we lost our memory.
        let relay_http = beat.relay_http;
        let new = Publish { stream: beat.stream, id: beat.publish, relay_id, relay_http, epoch: beat.epoch };
        sources::admit(tx, new, now_ms).await?;
    }
    let was_connected = known.as_ref().is_some_and(|s| s.state() == SourceState::Connected);
    let was_announced = was_connected && known.as_ref().is_some_and(|s| s.announced);
    let since = known.as_ref().filter(|_| was_connected).and_then(|s| s.connected_at_ms).unwrap_or(now_ms);
    let announced = was_announced || is_known(beat.info) || now_ms - since >= ctx.options.announce_ms;
    sources::connect(tx, beat, relay_id, announced, now_ms).await?;
    if was_connected && announced == was_announced {
        return Ok(Told::Nothing);
    }
    let world = World::load(tx, stream).await?;
    if announced && !was_announced {
        tell(tx, &world, None, EventKind::StreamSourceConnected, describe(beat.info), now_ms).await?;
    }
    settle(tx, &world, ctx.options.errors_per_run, now_ms).await?;
    Ok(Told::Change)
}

/// Enough to tell people what comes in.
fn is_known(info: &SourceInfo) -> bool {
    !info.video_codec.is_empty() && info.width > 0 && info.height > 0
}

fn describe(info: &SourceInfo) -> Value {
    json!({
        "videoCodec": info.video_codec,
        "videoProfile": info.video_profile,
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "gopMs": info.gop_ms,
        "videoKbps": info.video_kbps,
        "audioCodec": info.audio_codec,
        "audioRateHz": info.audio_rate_hz,
        "audioChannels": info.audio_channels,
        "audioKbps": info.audio_kbps,
    })
}

/// Notes that the latest publish is over, if it is the one meant and `still` holds. Returns whether that was news. The
/// caller commits and wakes.
pub(crate) async fn leave(
    tx: &mut Tx,
    ctx: &Ctx,
    stream: StreamId,
    said: Option<&Beat<'_>>,
    reason: &str,
    still: impl FnOnce(&SourceRow) -> bool,
) -> Result<bool, Error> {
    let now_ms = ctx.now_ms();
    let Some(row) = streams::lock_any(tx, stream).await? else { return Ok(false) };
    let Some(source) = sources::get(tx, stream).await?.filter(still) else { return Ok(false) };
    let meant = said.is_none_or(|s| s.publish.0 == source.publish_id && signed(s.epoch.0) == source.epoch);
    if !meant || source.state() == SourceState::Gone {
        return Ok(false);
    }
    sources::leave(tx, stream, said.map_or(0, |s| s.sequence), now_ms).await?;
    let world = World::load(tx, row).await?;
    if source.announced {
        let reason = if reason.is_empty() { "closed" } else { reason };
        tell(tx, &world, None, EventKind::StreamSourceDisconnected, json!({ "reason": reason }), now_ms).await?;
    }
    settle(tx, &world, ctx.options.errors_per_run, now_ms).await?;
    Ok(true)
}
