//! Categories: a small fixed catalogue.

use serde_json::{Value, json};

use super::{Call, Outcome, error, paged};
use crate::http::Answer;

const GAMES: &[(&str, &str)] = &[
    ("509658", "Just Chatting"),
    ("26936", "Music"),
    ("509660", "Art"),
    ("509670", "Science & Technology"),
    ("1469308723", "Software and Game Development"),
    ("509672", "Travel & Outdoors"),
    ("518203", "Sports"),
    ("33214", "Fortnite"),
    ("27471", "Minecraft"),
    ("32982", "Grand Theft Auto V"),
    ("21779", "League of Legends"),
    ("516575", "VALORANT"),
    ("18122", "World of Warcraft"),
    ("513143", "Teamfight Tactics"),
];

/// The name of a category.
pub(super) fn name_of(id: &str) -> Option<&'static str> {
    GAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

fn art(id: &str) -> String {
    format!("https://static-cdn.jtvnw.net/ttv-boxart/{id}-52x72.jpg")
}

pub(super) fn search(call: &Call<'_>) -> Outcome {
    let query = call.request.query("query").filter(|query| !query.is_empty());
    let query = query.ok_or_else(|| error(400, "Missing required parameter \"query\""))?.to_lowercase();
    let found = GAMES.iter().filter(|(_, name)| name.to_lowercase().contains(&query));
    paged(call, found.map(|(id, name)| json!({"id": id, "name": name, "box_art_url": art(id)})).collect())
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let (ids, names) = (call.request.list("id"), call.request.list("name"));
    let igdb = call.request.list("igdb_id");
    if ids.len() + names.len() + igdb.len() == 0 {
        return Err(error(400, "Missing required parameter \"id\", \"name\" or \"igdb_id\""));
    }
    let found =
        GAMES.iter().filter(|(id, name)| ids.contains(id) || names.iter().any(|n| n.eq_ignore_ascii_case(name)));
    let data: Vec<Value> =
        found.map(|(id, name)| json!({"id": id, "name": name, "box_art_url": art(id), "igdb_id": ""})).collect();
    Ok(Answer::ok(&json!({ "data": data })))
}
