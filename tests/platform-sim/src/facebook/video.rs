//! The video behind a live video: comments, errors, insights.

use serde_json::{Value, json};

use super::{
    Call, Outcome, error, live,
    model::{Live, Status},
    people,
};
use crate::{clock::facebook_time, http::Answer, world::World};

const COMMENT: &[&str] = &["id", "message", "from", "created_time", "like_count", "comment_count", "permalink_url"];
const VIDEO: &[&str] = &[
    "id",
    "title",
    "description",
    "live_status",
    "views",
    "permalink_url",
    "embed_html",
    "created_time",
    "length",
    "live_audience_count",
    "published",
    "picture",
    "source",
];

/// By the id of the live video or of its video.
fn find<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Live, Answer> {
    let live = world.facebook.lives.iter().find(|live| live.video == id).map_or(id, |live| &live.id);
    live::find(world, call, live)
}

pub(super) fn get(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let live = find(world, call, id)?;
    let status = if live.status == Status::Live { "LIVE" } else { live.status.name() };
    let object = json!({
        "id": live.video, "title": live.title, "description": live.description, "live_status": status,
        "views": live.viewers(world) * 2, "live_audience_count": live.viewers(world), "permalink_url": live.permalink(),
        "embed_html": live.embed(), "created_time": facebook_time(live.created_at), "published": live.started_at.is_some(),
        "length": live.started_at.map_or(0, |at| (world.now - at) / 1_000),
    });
    live::shown(call, &object, VIDEO, "description,created_time", "Video")
}

pub(super) fn comments(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let comments = find(world, call, id)?.comments.clone();
    if call.request.path.ends_with("/live_comments") {
        let events: String = comments.iter().map(|comment| format!("data: {comment}\n\n")).collect();
        return Ok(Answer::text(200, "text/event-stream", format!(": ping\n\n{events}")));
    }
    people::page_of(call, comments, COMMENT, "message,from,created_time", "Comment")
}

pub(super) fn comment(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    let message = call.get("message").ok_or_else(|| error::parameter("message is required"))?;
    let id = find(world, call, id)?.id.clone();
    let comment = json!({
        "id": format!("{id}_{}", world.ids.digits('5', 10)), "message": message, "created_time": facebook_time(world.now),
        "from": {"id": call.access.page, "name": call.access.person}, "like_count": 0, "comment_count": 0,
    });
    let answer = json!({"id": comment["id"]});
    if let Some(live) = world.facebook.lives.iter_mut().find(|live| live.id == id) {
        live.comments.push(comment);
    }
    Ok(Answer::ok(&answer))
}

pub(super) fn errors(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    Ok(Answer::ok(&json!({"data": find(world, call, id)?.errors})))
}

pub(super) fn insights(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    call.need("read_insights")?;
    let live = find(world, call, id)?;
    let views = live.viewers(world) * 2;
    let metrics =
        call.get("metric").unwrap_or("total_video_views,total_video_views_unique,total_video_avg_time_watched");
    let one = |name: &str| {
        json!({
            "name": name, "period": "lifetime", "title": name.replace('_', " "), "description": "", "values": [{"value": views}],
            "id": format!("{}/video_insights/{name}/lifetime", live.video),
        })
    };
    let data: Vec<Value> =
        metrics.trim_matches(['[', ']']).split(',').map(|name| one(name.trim_matches([' ', '"']))).collect();
    Ok(Answer::ok(&json!({ "data": data })))
}
