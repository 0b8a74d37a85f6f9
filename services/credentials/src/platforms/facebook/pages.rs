//! The Pages of an account, and their tokens. A Page's token comes with the list of Pages, for a user token; it is kept
//! in memory only.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use secret::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::{
    graph::{Call, Caller, Graph},
    object::{id, items},
    refusal::Refusal,
};
use crate::platforms::{Failure, words::quote};

const FIELDS: &str = "id,name,access_token,tasks,category";
const PER_ANSWER: &str = "100";
/// At most so many answers are read for one list.
const ANSWERS: usize = 5;
/// Tokens kept; beyond that all are asked for again.
const KEPT: usize = 4_096;
/// What the person must be allowed to do; new Pages prefix it with `PROFILE_PLUS_`.
const TASK: &str = "CREATE_CONTENT";

/// A Page in the list.
#[derive(Clone)]
pub(super) struct Page {
    pub id: String,
    pub name: String,
    pub category: String,
    pub token: Option<SecretString>,
    /// The person may create content. Facebook is believed to allow it when it does not say.
    pub may_create: bool,
}

/// Page tokens by account and Page, each with the version of the user token that it came with.
#[derive(Default)]
pub(super) struct Pages(Mutex<HashMap<(Uuid, String), (i64, SecretString)>>);

impl Pages {
    pub fn known(&self, account: Uuid, page: &str, version: i64) -> Option<SecretString> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(account, page.to_owned())).filter(|(of, _)| *of == version).map(|(_, token)| token.clone())
    }

    pub fn keep(&self, account: Uuid, page: &str, version: i64, token: SecretString) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert((account, page.to_owned()), (version, token));
    }

    pub fn forget(&self, account: Uuid, page: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(account, page.to_owned()));
    }
}

/// Every Page that the person has a role on.
pub(super) async fn list(graph: &Graph, user: &Caller) -> Result<Vec<Page>, Refusal> {
    let (mut pages, mut after) = (Vec::new(), None::<String>);
    for _ in 0..ANSWERS {
        let mut call = Call::get("me/accounts", FIELDS).with("limit", PER_ANSWER);
        if let Some(cursor) = after {
            call = call.with("after", cursor);
        }
        let answer = graph.call(user, &call).await?;
        pages.extend(items(&answer.body).iter().filter_map(page));
        after = next(&answer.body);
        if after.is_none() {
            break;
        }
    }
    Ok(pages)
}

/// Where a list goes on, if it does.
pub(super) fn next(body: &Value) -> Option<String> {
    body["paging"].get("next").filter(|next| next.is_string())?;
    body["paging"]["cursors"]["after"].as_str().map(str::to_owned)
}

/// The Page with a token that may be used to go live, or why there is none.
pub(super) fn choose(pages: Vec<Page>, wanted: &str) -> Result<SecretString, Failure> {
    let missing = |text: String| Failure::permanent("platform_permission_missing", text);
    let Some(page) = pages.into_iter().find(|page| page.id == wanted) else {
        return Err(missing(
            "The chosen Page is none of those that the linked Facebook account has a role on. Choose another Page, or sign in to Facebook again and select this Page.".to_owned(),
        ));
    };
    match page.token {
        Some(token) if page.may_create => Ok(token),
        _ => Err(missing(format!(
            "On the Page \"{}\" the linked Facebook account may not create content, so it can't go live there. Ask the Page's owner for the task \"create content\", or choose another Page.",
            quote(&page.name)
        ))),
    }
}

fn page(value: &Value) -> Option<Page> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let token = value["access_token"].as_str().filter(|token| !token.is_empty());
    let tasks = value["tasks"].as_array();
    Some(Page {
        id: id(&value["id"])?,
        name: text("name"),
        category: text("category"),
        token: token.map(|token| SecretString::from(token.to_owned())),
        may_create: tasks.is_none_or(|tasks| {
            tasks.iter().filter_map(Value::as_str).any(|task| task.trim_start_matches("PROFILE_PLUS_") == TASK)
        }),
    })
}
