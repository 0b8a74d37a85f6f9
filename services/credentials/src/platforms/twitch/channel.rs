//! Title, category, tags and language of the channel, set before it goes live.
//!
//! The title is always set: the destination's own, else the stream's. The others are set when they are given. What
//! Twitch does not take (a category that is gone, a tag that its moderation refuses) keeps nobody from going live: the
//! rest is set, and a note says what was not.

use std::time::Duration;

use domain::platform_settings::{PlatformSettings, TWITCH_TITLE};

use super::{Memory, Twitch, api::ChannelChange, fault::Refused};
use crate::platforms::{Failure, Run};

/// So often a start waits for a channel that can't be set at the moment; then it goes live without.
const TRIES: u32 = 3;
/// And so long, if Twitch says when to try again.
const LONG: Duration = Duration::from_secs(3);

/// What became of it.
pub(super) struct Told {
    /// For people.
    pub notes: Vec<String>,
    /// It is still to be done.
    pub open: bool,
}

/// Sets what the run wishes, unless that was done already: a second take keeps what people have changed meanwhile.
pub(super) async fn tell(twitch: &Twitch, run: &Run, user: &str, memory: &Memory) -> Result<Told, Failure> {
    if run.take > 0 && memory.channel_run == run.run_ms && !memory.channel_open {
        return Ok(Told { notes: Vec::new(), open: false });
    }
    match set(twitch, run, user, wish(run)).await {
        Ok(notes) => Ok(Told { notes, open: false }),
        Err(failure) if failure.is_transient() && (is_long(&failure) || tries(run, memory) + 1 >= TRIES) => {
            let note = "Twitch does not take the channel's title at the moment. It is set as soon as that works.";
            Ok(Told { notes: vec![note.to_owned()], open: true })
        }
        Err(failure) => Err(failure),
    }
}

/// Whether it takes longer than a start can wait.
fn is_long(failure: &Failure) -> bool {
    failure.after.is_some_and(|after| after > LONG)
}

/// Attempts of this run that have failed.
pub(super) fn tries(run: &Run, memory: &Memory) -> u32 {
    if memory.channel_run == run.run_ms { memory.channel_tries } else { 0 }
}

/// All that the run wishes.
pub(super) fn wish(run: &Run) -> ChannelChange {
    let mut change = change(&run.settings);
    change.title = Some(run.title(TWITCH_TITLE));
    change
}

/// What is given in `settings`.
pub(super) fn change(settings: &PlatformSettings) -> ChannelChange {
    let title = settings.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    ChannelChange {
        title: title.map(|title| title.chars().take(TWITCH_TITLE).collect()),
        game_id: settings.category_id.clone(),
        broadcaster_language: settings.language.clone(),
        tags: settings.tags.clone(),
    }
}

/// Sets all at once, or, when Twitch refuses that, each by itself. Returns what was refused.
pub(super) async fn set(twitch: &Twitch, run: &Run, user: &str, change: ChannelChange) -> Result<Vec<String>, Failure> {
    let said = match twitch.api.change(run, user, &change).await {
        Ok(()) => return Ok(Vec::new()),
        Err(Refused::Said { said, .. }) => said,
        Err(Refused::Failed(failure)) => return Err(failure),
    };
    let parts = parts(change);
    if let [(name, _)] = &parts[..] {
        return Ok(vec![note(name, &said)]);
    }
    let mut notes = Vec::new();
    for (name, part) in parts {
        match twitch.api.change(run, user, &part).await {
            Ok(()) => {}
            Err(Refused::Said { said, .. }) => notes.push(note(name, &said)),
            Err(Refused::Failed(failure)) => return Err(failure),
        }
    }
    Ok(notes)
}

fn note(name: &str, said: &str) -> String {
    format!("Twitch does not take the {name}: {said}.")
}

fn parts(change: ChannelChange) -> Vec<(&'static str, ChannelChange)> {
    let ChannelChange { title, game_id, broadcaster_language, tags } = change;
    let only = ChannelChange::default;
    let parts = [
        ("title", title.map(|title| ChannelChange { title: Some(title), ..only() })),
        ("category", game_id.map(|id| ChannelChange { game_id: Some(id), ..only() })),
        ("language", broadcaster_language.map(|text| ChannelChange { broadcaster_language: Some(text), ..only() })),
        ("tags", tags.map(|tags| ChannelChange { tags: Some(tags), ..only() })),
    ];
    parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect()
}
