//! Creating, reading, changing and deleting live videos.

use serde_json::{Value, json};

use super::{
    Call, Outcome, error, fields,
    model::{FIELDS, Live, Status},
    people,
};
use crate::{http::Answer, ingest::Owner, world::World};

const WEEK_MS: i64 = 7 * 86_400_000;

/// Whether the caller may manage live videos of `owner` (a Page, a user or `me`). Returns the owner's id.
fn manages(world: &World, call: &Call<'_>, owner: &str) -> Result<String, Answer> {
    let account = world.account(&call.access.person).ok_or_else(|| error::no_object(owner))?;
    let me = call.access.page.clone().unwrap_or_else(|| account.facebook_id.clone());
    let id = if owner == "me" { me.clone() } else { owner.to_owned() };
    if let Some(page) = account.pages.iter().find(|page| page.id == id) {
        if !page.may_create() {
            return Err(error::oauth(
                403,
                200,
                None,
                "(#200) The user hasn't authorized the application to perform this action: CREATE_CONTENT is missing",
            ));
        }
        if me != id {
            return Err(error::oauth(403, 200, None, "(#200) A Page access token is required"));
        }
        for permission in ["pages_show_list", "pages_read_engagement", "pages_manage_posts"] {
            call.need(permission)?;
        }
    } else if id == account.facebook_id {
        call.need("publish_video")?;
    } else {
        return Err(error::no_object(owner));
    }
    Ok(id)
}

pub(super) fn create(world: &mut World, call: &Call<'_>, owner: &str) -> Outcome {
    let owner = manages(world, call, owner)?;
    if world.account(&call.access.person).is_some_and(|account| account.flags.facebook_few_followers) {
        return Err(error::oauth(403, 200, Some(1_363_144), "(#200) Not enough followers to go live"));
    }
    if call.get("planned_start_time").is_some() {
        return Err(error::parameter("planned_start_time is deprecated, use event_params"));
    }
    let title = call.get("title").unwrap_or_default();
    if title.chars().count() > 254 {
        return Err(error::parameter("title must be at most 254 characters"));
    }
    let status = match call.get("status") {
        None if call.get("published") == Some("false") => Status::Unpublished,
        None | Some("LIVE_NOW") => Status::LiveNow,
        Some("UNPUBLISHED") => Status::Unpublished,
        Some("SCHEDULED_UNPUBLISHED") => Status::ScheduledUnpublished,
        Some("SCHEDULED_LIVE") => Status::ScheduledLive,
        Some(_) => {
            return Err(error::parameter(
                "Param status must be one of {UNPUBLISHED, LIVE_NOW, SCHEDULED_UNPUBLISHED, SCHEDULED_LIVE, SCHEDULED_CANCELED}",
            ));
        }
    };
    let planned_at = match status {
        Status::ScheduledUnpublished | Status::ScheduledLive => Some(planned(world, call)?),
        _ => None,
    };
    let privacy = privacy(call)?.unwrap_or_else(|| "EVERYONE".to_owned());
    let id = world.ids.digits('7', 16);
    let key = format!("FB-{id}-0-{}", world.ids.text(16));
    let key = world.ids.secret(key);
    let query = format!("s_bl=1&s_fbp=sea1-1&s_sw=0&s_vt=api-s&a={}", world.ids.text(16));
    let live = Live {
        video: world.ids.digits('8', 16),
        owner,
        person: call.access.person.clone(),
        title: title.to_owned(),
        description: call.get("description").unwrap_or_default().to_owned(),
        privacy,
        embeddable: true,
        status,
        status_since: world.now,
        created_at: world.now,
        planned_at,
        started_at: None,
        first_media: None,
        stop_on_delete: call.flag("stop_on_delete_stream"),
        key: (key, query),
        backup: call.flag("enable_backup_ingest"),
        loss_reported: false,
        errors: Vec::new(),
        comments: Vec::new(),
        id,
    };
    let answer = created(world, &live);
    world.facebook.lives.push(live);
    Ok(Answer::ok(&answer))
}

fn created(world: &World, live: &Live) -> Value {
    let (plain, secure) = (live.stream_url(&world.hosts.rtmp), live.stream_url(&world.hosts.rtmps));
    let backups = |url: &str| if live.backup { json!([url]) } else { json!([]) };
    let mut body = json!({
        "id": live.id, "stream_url": plain, "secure_stream_url": secure,
        "stream_secondary_urls": backups(&plain), "secure_stream_secondary_urls": backups(&secure),
    });
    if live.planned_at.is_some() {
        body["event_id"] = format!("9{}", &live.id[1..]).into();
    }
    body
}

/// `event_params`: Unix seconds, or an object with `start_time`.
fn planned(world: &World, call: &Call<'_>) -> Result<i64, Answer> {
    let missing = || error::parameter("event_params is required for scheduled live videos");
    let text = call.get("event_params").ok_or_else(missing)?;
    let value: Value = serde_json::from_str(text).map_err(|_| missing())?;
    let seconds = value.as_i64().or_else(|| value.get("start_time").and_then(Value::as_i64));
    let at = seconds.ok_or_else(missing)? * 1_000;
    if at <= world.now || at - world.now > WEEK_MS {
        return Err(error::oauth(400, 1000, None, "(#1000) The start time must be within the next 7 days"));
    }
    Ok(at)
}

fn privacy(call: &Call<'_>) -> Result<Option<String>, Answer> {
    let Some(text) = call.get("privacy") else { return Ok(None) };
    let value = serde_json::from_str::<Value>(text).ok().and_then(|value| value["value"].as_str().map(str::to_owned));
    let allowed = ["EVERYONE", "ALL_FRIENDS", "FRIENDS_OF_FRIENDS", "SELF", "CUSTOM"];
    match value.filter(|value| allowed.contains(&value.as_str())) {
        Some(value) => Ok(Some(value)),
        None => Err(error::parameter("Invalid privacy parameter")),
    }
}

/// The caller's live video.
pub(super) fn find<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Live, Answer> {
    let live = world.facebook.lives.iter().find(|live| live.id == id && live.person == call.access.person);
    live.filter(|live| call.access.page.as_ref().is_none_or(|page| *page == live.owner))
        .ok_or_else(|| error::no_object(id))
}

fn change(world: &mut World, id: &str, change: impl FnOnce(&mut Live)) {
    if let Some(live) = world.facebook.lives.iter_mut().find(|live| live.id == id) {
        change(live);
    }
}

/// An object's asked fields.
pub(super) fn shown(call: &Call<'_>, object: &Value, known: &[&str], default: &str, kind: &str) -> Outcome {
    let asked = fields::parse(call.get("fields").unwrap_or(default));
    match fields::project(object, &asked, known) {
        Ok(object) => Ok(Answer::ok(&object)),
        Err(field) => {
            Err(error::parameter(&format!("Tried accessing nonexisting field ({field}) on node type ({kind})")))
        }
    }
}

pub(super) fn get(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let object = find(world, call, id)?.object(world);
    shown(call, &object, FIELDS, "status,stream_url,secure_stream_url,embed_html", "LiveVideo")
}

pub(super) fn list(world: &mut World, call: &Call<'_>, owner: &str) -> Outcome {
    let owner = manages(world, call, owner)?;
    let asked = call.parameters.iter().filter(|(name, _)| name.starts_with("broadcast_status"));
    let wanted: Vec<String> = asked
        .flat_map(|(_, value)| value.trim_matches(['[', ']']).split(','))
        .map(|status| status.trim_matches([' ', '"']).to_owned())
        .collect();
    let fits = |live: &&Live| wanted.is_empty() || wanted.iter().any(|status| status == live.status.name());
    let lives = world.facebook.lives.iter().rev().filter(|live| live.owner == owner).filter(fits);
    let objects: Vec<Value> = lives.map(|live| live.object(world)).collect();
    people::page_of(call, objects, FIELDS, "status,embed_html", "LiveVideo")
}

pub(super) fn update(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let live = find(world, call, id)?.clone();
    let over = || error::oauth(400, 100, None, "(#100) The live video has ended");
    let privacy = privacy(call)?;
    let next = match call.get("status") {
        _ if call.flag("end_live_video") && live.status.is_over() => None,
        _ if call.flag("end_live_video") => Some(Status::LiveStopped),
        None => None,
        Some(_) if live.status.is_over() => return Err(over()),
        Some("LIVE_NOW") if live.status == Status::Live => None,
        Some("LIVE_NOW") => Some(Status::LiveNow),
        Some("SCHEDULED_CANCELED") if live.planned_at.is_some() && live.started_at.is_none() => {
            Some(Status::ScheduledCanceled)
        }
        Some("UNPUBLISHED") if live.started_at.is_none() => Some(Status::Unpublished),
        Some(_) => return Err(error::parameter("Invalid status transition")),
    };
    let now = world.now;
    let planned_at = if call.get("event_params").is_some() { Some(planned(world, call)?) } else { None };
    change(world, id, |live| {
        for (name, field) in [("title", &mut live.title), ("description", &mut live.description)] {
            if let Some(text) = call.get(name) {
                text.clone_into(field);
            }
        }
        live.embeddable = call.get("embeddable").map_or(live.embeddable, |value| value == "true");
        live.privacy = privacy.unwrap_or_else(|| live.privacy.clone());
        live.planned_at = planned_at.or(live.planned_at);
        if let Some(next) = next {
            live.enter(next, now);
        }
    });
    if next.is_some_and(Status::is_over) {
        world.ingests.cut(&Owner::Facebook(id.to_owned()));
    }
    super::tick(world); // LIVE_NOW with media there is LIVE at once
    Ok(Answer::ok(&json!({ "id": id })))
}

pub(super) fn delete(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    find(world, call, id)?;
    world.ingests.cut(&Owner::Facebook(id.to_owned()));
    world.facebook.lives.retain(|live| live.id != id);
    Ok(Answer::ok(&json!({"success": true})))
}

pub(super) fn input_stream(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let live = find(world, call, id)?;
    let (plain, secure) = (live.stream_url(&world.hosts.rtmp), live.stream_url(&world.hosts.rtmps));
    let body = json!({"id": format!("6{}", &live.id[1..]), "stream_id": "1", "is_master": false, "stream_url": plain, "secure_stream_url": secure});
    Ok(Answer::ok(&body))
}
