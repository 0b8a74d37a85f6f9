//! Users, and what a channel says about itself.

use serde_json::{Value, json};

use super::{Call, Outcome, error, games};
use crate::{accounts::Account, http::Answer, world::World};

/// Changed by PATCH, seen by GET and on the running stream.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub title: String,
    pub game_id: String,
    pub language: String,
    pub tags: Vec<String>,
    pub labels: Vec<String>,
    pub branded: bool,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            title: String::new(),
            game_id: String::new(),
            language: "en".to_owned(),
            tags: Vec::new(),
            labels: Vec::new(),
            branded: false,
        }
    }
}

const LABELS: &[(&str, &str)] = &[
    ("DebatedSocialIssuesAndPolitics", "Politics and Sensitive Social Issues"),
    ("DrugsIntoxication", "Drugs, Intoxication, or Excessive Tobacco Use"),
    ("Gambling", "Gambling"),
    ("MatureGame", "Mature-rated game"),
    ("ProfanityVulgarity", "Significant Profanity or Vulgarity"),
    ("SexualThemes", "Sexual Themes"),
    ("ViolentGraphic", "Violent and Graphic Depictions"),
];

pub(super) fn labels() -> Value {
    let data: Vec<Value> =
        LABELS.iter().map(|(id, name)| json!({"id": id, "name": name, "description": format!("{name}.")})).collect();
    json!({ "data": data })
}

pub(super) fn users(world: &mut World, call: &Call<'_>) -> Outcome {
    let (ids, logins) = (call.request.list("id"), call.request.list("login"));
    let own = ids.is_empty() && logins.is_empty();
    if own && call.user.is_empty() || ids.len() + logins.len() > 100 {
        return Err(error(400, "The request must contain between 1 and 100 of \"id\" and \"login\""));
    }
    let asked = |account: &&Account| {
        if own {
            account.name == call.person
        } else {
            ids.contains(&account.twitch_id.as_str()) || logins.contains(&account.name.as_str())
        }
    };
    let with_email = call.scopes.iter().any(|scope| scope == "user:read:email");
    let found = world.accounts.iter().filter(asked);
    let data: Vec<Value> = found.map(|account| user(account, with_email && account.name == call.person)).collect();
    Ok(Answer::ok(&json!({ "data": data })))
}

fn user(account: &Account, with_email: bool) -> Value {
    let picture = format!("https://static-cdn.jtvnw.net/jtv_user_pictures/{}-profile_image-300x300.png", account.name);
    let mut user = json!({
        "id": account.twitch_id, "login": account.name, "display_name": account.display, "type": "",
        "broadcaster_type": "affiliate", "description": "", "profile_image_url": picture, "offline_image_url": "",
        "view_count": 0, "created_at": "2019-05-01T00:00:00Z",
    });
    if with_email {
        user["email"] = format!("{}@example.com", account.name).into();
    }
    user
}

pub(super) fn get(world: &mut World, call: &Call<'_>) -> Outcome {
    let ids = call.request.list("broadcaster_id");
    if ids.is_empty() || ids.len() > 100 {
        return Err(error(400, "Missing required parameter \"broadcaster_id\""));
    }
    let found = world.accounts.iter().filter(|account| ids.contains(&account.twitch_id.as_str()));
    let data: Vec<Value> = found
        .map(|account| {
            let channel = world.twitch.channels.get(&account.name).cloned().unwrap_or_default();
            json!({
                "broadcaster_id": account.twitch_id, "broadcaster_login": account.name,
                "broadcaster_name": account.display, "broadcaster_language": channel.language,
                "game_id": channel.game_id, "game_name": games::name_of(&channel.game_id).unwrap_or_default(),
                "title": channel.title, "delay": 0, "tags": channel.tags,
                "content_classification_labels": channel.labels, "is_branded_content": channel.branded,
            })
        })
        .collect();
    Ok(Answer::ok(&json!({ "data": data })))
}

pub(super) fn modify(world: &mut World, call: &Call<'_>) -> Outcome {
    call.need("channel:manage:broadcast")?;
    call.own()?;
    let body = call.request.json().filter(Value::is_object);
    let body = body.ok_or_else(|| error(400, "The request body is not valid JSON"))?;
    if body.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(error(400, "The request must specify at least one field"));
    }
    let channel = world.twitch.channels.entry(call.person.clone()).or_default();
    let mut changed = channel.clone();
    apply(&mut changed, &body).map_err(|message| error(400, message))?;
    *channel = changed;
    Ok(Answer::empty(204))
}

fn apply(channel: &mut Channel, body: &Value) -> Result<(), &'static str> {
    if let Some(title) = body.get("title") {
        let title = title.as_str().ok_or("title must be a string")?;
        if title.trim().is_empty() || title.chars().count() > 140 {
            return Err("title must be 1 to 140 characters long");
        }
        title.clone_into(&mut channel.title);
    }
    if let Some(game) = body.get("game_id").and_then(Value::as_str) {
        let unset = ["", "0"].contains(&game);
        if !unset && games::name_of(game).is_none() {
            return Err("Invalid game_id");
        }
        channel.game_id = if unset { String::new() } else { game.to_owned() };
    }
    if let Some(language) = body.get("broadcaster_language").and_then(Value::as_str) {
        if language != "other" && language.len() != 2 {
            return Err("Invalid broadcaster_language");
        }
        language.clone_into(&mut channel.language);
    }
    if let Some(tags) = body.get("tags").and_then(Value::as_array) {
        let tags: Vec<String> = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let fits = |tag: &String| (1..=25).contains(&tag.chars().count()) && tag.chars().all(char::is_alphanumeric);
        if tags.len() > 10 {
            return Err("Cannot set more than 10 tags");
        }
        if !tags.iter().all(fits) {
            return Err("A tag must have 1 to 25 letters and digits");
        }
        channel.tags = tags;
    }
    if body.get("delay").is_some_and(|delay| delay.as_u64().is_none_or(|delay| delay > 0)) {
        return Err("The channel's delay can only be changed by partners");
    }
    for label in body.get("content_classification_labels").and_then(Value::as_array).into_iter().flatten() {
        let id = label.get("id").and_then(Value::as_str).unwrap_or_default();
        if !LABELS.iter().any(|(known, _)| *known == id) {
            return Err("Invalid content classification label");
        }
        channel.labels.retain(|set| set != id);
        if label.get("is_enabled").and_then(Value::as_bool) == Some(true) {
            channel.labels.push(id.to_owned());
        }
    }
    if let Some(branded) = body.get("is_branded_content").and_then(Value::as_bool) {
        channel.branded = branded;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_takes() {
        let check = |body: Value, error: Option<&str>| {
            assert_eq!(apply(&mut Channel::default(), &body).err(), error, "{body}");
        };
        check(json!({"title": "hello", "tags": ["a", "b"], "game_id": "26936"}), None);
        check(json!({"title": ""}), Some("title must be 1 to 140 characters long"));
        check(json!({"tags": vec!["a"; 11]}), Some("Cannot set more than 10 tags"));
        check(json!({"tags": ["a b"]}), Some("A tag must have 1 to 25 letters and digits"));
        check(json!({"game_id": "1"}), Some("Invalid game_id"));
        check(json!({"game_id": "0"}), None);
    }
}
