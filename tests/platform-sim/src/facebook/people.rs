//! The user, the user's Pages, permissions.

use serde_json::{Value, json};

use super::{Call, Outcome, error, fields, live};
use crate::{
    accounts::Account,
    http::Answer,
    oauth::{Death, Provider, page_token},
    world::World,
};

const PAGE: &[&str] =
    &["access_token", "category", "name", "tasks", "id", "picture", "link", "username", "followers_count", "fan_count"];

fn account<'w>(world: &'w World, call: &Call<'_>) -> Result<&'w Account, Answer> {
    world.account(&call.access.person).ok_or_else(|| error::no_object("me"))
}

fn picture_of(id: &str) -> Value {
    json!({"data": {"height": 50, "width": 50, "is_silhouette": false, "url": format!("https://platform-lookaside.fbsbx.com/platform/profilepic/?asid={id}")}})
}

pub(super) fn me(world: &mut World, call: &Call<'_>) -> Outcome {
    if let Some(id) = call.access.page.clone() {
        return page(world, call, &id);
    }
    let account = account(world, call)?;
    let object = json!({
        "id": account.facebook_id, "name": account.display, "first_name": account.display, "last_name": "Simulated",
        "email": format!("{}@example.com", account.name), "picture": picture_of(&account.facebook_id),
    });
    live::shown(call, &object, &["name", "first_name", "last_name", "email", "picture", "link"], "name", "User")
}

pub(super) fn picture(world: &mut World, call: &Call<'_>) -> Outcome {
    Ok(Answer::ok(&picture_of(&account(world, call)?.facebook_id)))
}

pub(super) fn is_page(world: &World, id: &str) -> bool {
    world.accounts.iter().flat_map(|account| &account.pages).any(|page| page.id == id)
}

fn page_object(world: &mut World, call: &Call<'_>, id: &str) -> Option<Value> {
    let page = world.account(&call.access.person)?.pages.iter().find(|page| page.id == id)?.clone();
    let mut object = json!({
        "id": page.id, "name": page.name, "category": "Gaming Video Creator", "tasks": page.tasks, "picture": picture_of(&page.id),
        "link": format!("https://www.facebook.com/{}", page.id), "followers_count": 1_234, "fan_count": 1_200,
    });
    let user = call.access.clone();
    object["access_token"] = page_token(world, &user, &page.id).into();
    Some(object)
}

pub(super) fn page(world: &mut World, call: &Call<'_>, id: &str) -> Outcome {
    call.need("pages_show_list")?;
    let object = page_object(world, call, id).ok_or_else(|| error::no_object(id))?;
    live::shown(call, &object, PAGE, "name", "Page")
}

pub(super) fn pages(world: &mut World, call: &Call<'_>) -> Outcome {
    call.need("pages_show_list")?;
    let ids = account(world, call)?.pages.clone().map(|page| page.id);
    let pages: Vec<Value> = ids.iter().filter_map(|id| page_object(world, call, id)).collect();
    page_of(call, pages, PAGE, "access_token,category,name,tasks", "Page")
}

/// One page of a list, each object with the asked fields.
pub(super) fn page_of(call: &Call<'_>, objects: Vec<Value>, known: &[&str], default: &str, kind: &str) -> Outcome {
    let limit = call.get("limit").and_then(|text| text.parse().ok()).unwrap_or(25).clamp(1, 100);
    let from =
        call.get("after").and_then(|cursor| cursor.strip_prefix("QVFI")).and_then(|at| at.parse().ok()).unwrap_or(0);
    let asked = fields::parse(call.get("fields").unwrap_or(default));
    let total = objects.len();
    let shown: Result<Vec<Value>, String> =
        objects.into_iter().skip(from).take(limit).map(|object| fields::project(&object, &asked, known)).collect();
    let data = shown.map_err(|field| {
        error::parameter(&format!("Tried accessing nonexisting field ({field}) on node type ({kind})"))
    })?;
    let mut body = json!({ "data": data });
    if !data.is_empty() {
        let to = from + data.len();
        body["paging"] = json!({"cursors": {"before": format!("QVFI{from}"), "after": format!("QVFI{to}")}});
        if to < total {
            body["paging"]["next"] = format!("https://graph.facebook.com/?after=QVFI{to}").into();
        }
    }
    Ok(Answer::ok(&body))
}

pub(super) fn permissions(call: &Call<'_>) -> Outcome {
    let data: Vec<Value> =
        call.access.scopes.iter().map(|scope| json!({"permission": scope, "status": "granted"})).collect();
    Ok(Answer::ok(&json!({ "data": data })))
}

pub(super) fn revoke(world: &mut World, call: &Call<'_>) -> Answer {
    match call.get("permission") {
        None => world.grants.revoke_all(Provider::Facebook, &call.access.person, Death { subcode: 458 }),
        Some(one) => {
            for access in world
                .grants
                .access
                .values_mut()
                .filter(|a| a.provider == Provider::Facebook && a.person == call.access.person)
            {
                access.scopes.retain(|scope| scope != one);
            }
        }
    }
    Answer::ok(&json!({"success": true}))
}
