//! Finds the live video that a create of ours made, when the create's answer was lost.

use std::time::Duration;

use serde_json::json;

use super::{
    graph::Call,
    object::{Object, objects},
    pages::next,
    progress::{Intent, LIVE_VIDEO_ID},
    session::Session,
};
use crate::platforms::Failure;

pub(super) const FIELDS: &str = "id,status,title,creation_time,secure_stream_url,permalink_url";
const PER_ANSWER: &str = "25";
/// At most so many answers are read for one search. The newest come first.
const ANSWERS: usize = 4;
/// Our clock and Facebook's may differ so much.
const SKEW_MS: i64 = 60_000;
/// A create that does not show itself for so long after it was sent was not done. Longer than a call may take.
const SETTLE_MS: i64 = 12_000;
/// When a search is worth repeating.
const AGAIN: Duration = Duration::from_secs(1);

/// The open live video that `intent` made: our title, created since, in use by no other destination. The oldest of
/// several.
pub(super) async fn find(session: Session<'_>, intent: &Intent, not: Option<&str>) -> Result<Option<Object>, Failure> {
    let mut found = open_ones(session).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let taken = session.run.book.taken(LIVE_VIDEO_ID).await?;
    found.retain(|object| fits(object, intent) && !taken.contains(&object.id) && not != Some(&object.id));
    found.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
    Ok(found.into_iter().next())
}

/// Whether a create sent with `intent` can no longer show itself; otherwise when to look again.
pub(super) fn settled(intent: &Intent, now_ms: i64) -> Result<(), Failure> {
    if now_ms - intent.since_ms >= SETTLE_MS {
        return Ok(());
    }
    let message = "Facebook did not say whether it made the live video. It is looked for before another one is made.";
    Err(Failure::transient("platform_unavailable", message).ambiguous().after(Some(AGAIN)))
}

fn fits(object: &Object, intent: &Intent) -> bool {
    object.title.as_deref().is_some_and(|title| words(title).eq(words(&intent.title)))
        && object.created_ms.is_some_and(|at| at >= intent.since_ms - SKEW_MS)
        && !object.status.is_over()
}

/// Blanks may have been joined on the way.
fn words(title: &str) -> std::str::SplitWhitespace<'_> {
    title.split_whitespace()
}

async fn open_ones(session: Session<'_>) -> Result<Vec<Object>, Failure> {
    let open = json!(["UNPUBLISHED", "LIVE", "SCHEDULED_UNPUBLISHED", "SCHEDULED_LIVE"]).to_string();
    let (mut found, mut after) = (Vec::new(), None::<String>);
    for _ in 0..ANSWERS {
        let mut call = Call::get(session.target.live_videos(), FIELDS)
            .with("broadcast_status", open.as_str())
            .with("limit", PER_ANSWER);
        if let Some(cursor) = after {
            call = call.with("after", cursor);
        }
        let answer = session.call(&call).await?;
        found.extend(objects(&answer.body));
        after = next(&answer.body);
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_fits() {
        let intent = Intent { title: "Show".to_owned(), since_ms: 1_795_435_200_000 };
        let one = |title: &str, at: &str, status: &str| {
            Object::read(&json!({"id": "1", "title": title, "creation_time": at, "status": status})).unwrap()
        };
        let at = "2026-11-23T12:00:01+0000";
        assert!(fits(&one("Show", at, "UNPUBLISHED"), &intent));
        assert!(fits(&one("Show", "2026-11-23T11:59:30+0000", "UNPUBLISHED"), &intent));
        assert!(!fits(&one("Show", "2026-11-23T11:58:59+0000", "UNPUBLISHED"), &intent));
        assert!(fits(&one(" Show  ", at, "SCHEDULED_UNPUBLISHED"), &intent));
        assert!(!fits(&one("Show 2", at, "UNPUBLISHED"), &intent));
        assert!(!fits(&one("Show", at, "VOD"), &intent));
        assert!(!fits(&one("Show", "", "UNPUBLISHED"), &intent));
        assert!(settled(&intent, intent.since_ms + SETTLE_MS).is_ok());
        assert!(settled(&intent, intent.since_ms).unwrap_err().is_transient());
    }
}
