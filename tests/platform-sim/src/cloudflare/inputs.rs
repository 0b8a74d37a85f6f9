//! Live inputs.

use serde_json::{Value, json};

use super::{Call, Outcome, bad, model::Input, not_found, ok};
use crate::{http::Answer, world::World};

/// The caller's live input.
pub(super) fn find<'w>(world: &'w World, call: &Call<'_>, uid: &str) -> Result<&'w Input, Answer> {
    let mut inputs = world.cloudflare.inputs.iter();
    inputs.find(|input| input.uid == uid && input.person == call.person).ok_or_else(not_found)
}

pub(super) fn change(world: &mut World, uid: &str, change: impl FnOnce(&mut Input)) {
    let now = world.now;
    if let Some(input) = world.cloudflare.inputs.iter_mut().find(|input| input.uid == uid) {
        input.modified_at = now;
        change(input);
    }
}

pub(super) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    let mine = world.cloudflare.inputs.iter().filter(|input| input.person == call.person);
    let inputs: Vec<Value> = mine.rev().map(Input::listed).collect();
    let mut result = json!({ "liveInputs": inputs });
    if call.request.query("include_counts") == Some("true") {
        (result["range"], result["total"]) = (inputs.len().into(), inputs.len().into());
    }
    ok(&result)
}

pub(super) fn create(world: &mut World, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let uid = world.ids.hex(32);
    let (key, srt) = (format!("{}k{uid}", world.ids.hex(32)), format!("{}k{uid}", world.ids.hex(32)));
    let mut input = Input {
        person: call.person.clone(),
        created_at: world.now,
        modified_at: world.now,
        rotated_at: None,
        enabled: true,
        low_latency: false,
        meta: json!({}),
        delete_after_days: Value::Null,
        default_creator: None,
        mode: "off".to_owned(),
        signed: false,
        origins: Value::Null,
        timeout_s: 0,
        hide_viewers: false,
        key: world.ids.secret(key),
        srt: world.ids.secret(srt),
        outputs: Vec::new(),
        status: None,
        live_since: None,
        uid,
    };
    apply(&mut input, &body)?;
    let answer = ok(&input.full(world));
    world.cloudflare.inputs.push(input);
    Ok(answer)
}

/// Writes the members that are there; the others stay.
fn apply(input: &mut Input, body: &Value) -> Result<(), Answer> {
    if let Some(meta) = body.get("meta") {
        if !meta.is_object() {
            return Err(bad("meta must be an object"));
        }
        input.meta = meta.clone();
    }
    if let Some(days) = body.get("deleteRecordingAfterDays") {
        if !(days.is_null() || days.as_u64().is_some_and(|days| (30..=1_096).contains(&days))) {
            return Err(bad("deleteRecordingAfterDays must be between 30 and 1096"));
        }
        input.delete_after_days = days.clone();
    }
    if let Some(creator) = body.get("defaultCreator").and_then(Value::as_str) {
        input.default_creator = Some(creator.to_owned());
    }
    let flag = |value: Option<&Value>, old: bool| value.and_then(Value::as_bool).unwrap_or(old);
    input.enabled = flag(body.get("enabled"), input.enabled);
    input.low_latency = flag(body.get("preferLowLatency"), input.low_latency);
    if let Some(recording) = body.get("recording") {
        if let Some(mode) = recording.get("mode").and_then(Value::as_str) {
            if !["off", "automatic"].contains(&mode) {
                return Err(bad("recording.mode must be off or automatic"));
            }
            mode.clone_into(&mut input.mode);
        }
        input.signed = flag(recording.get("requireSignedURLs"), input.signed);
        input.hide_viewers = flag(recording.get("hideLiveViewerCount"), input.hide_viewers);
        if let Some(origins) = recording.get("allowedOrigins") {
            input.origins = origins.clone();
        }
        if let Some(seconds) = recording.get("timeoutSeconds").and_then(Value::as_u64) {
            input.timeout_s = u32::try_from(seconds).map_err(|_| bad("recording.timeoutSeconds is too large"))?;
        }
    }
    Ok(())
}

pub(super) fn get(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    Ok(ok(&find(world, call, uid)?.full(world)))
}

pub(super) fn update(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    let mut changed = find(world, call, uid)?.clone();
    apply(&mut changed, &call.body()?)?;
    let (enabled, owner) = (changed.enabled, changed.owner());
    change(world, uid, |input| *input = changed);
    if !enabled {
        world.ingests.cut(&owner);
    }
    get(world, call, uid)
}

pub(super) fn delete(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    let owner = find(world, call, uid)?.owner();
    world.ingests.cut(&owner);
    world.cloudflare.inputs.retain(|input| input.uid != uid);
    Ok(Answer::empty(200))
}

pub(super) fn rotate(world: &mut World, call: &Call<'_>, uid: &str) -> Outcome {
    let owner = find(world, call, uid)?.owner();
    let now = world.now;
    let (key, srt) = (format!("{}k{uid}", world.ids.hex(32)), format!("{}k{uid}", world.ids.hex(32)));
    let (key, srt) = (world.ids.secret(key), world.ids.secret(srt));
    change(world, uid, |input| (input.key, input.srt, input.rotated_at) = (key, srt, Some(now)));
    world.ingests.cut(&owner);
    get(world, call, uid)
}
