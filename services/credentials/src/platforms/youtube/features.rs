//! Changes of a broadcast that exists, its picture, and how to embed it.

use domain::platform_settings::PlatformSettings;
use wire::v1;

use super::{
    WATCH,
    fault::Problem,
    model::{Broadcast, BroadcastDetails, BroadcastSnippet, BroadcastStatus},
    progress::Work,
    wishes,
};
use crate::platforms::{Applied, Failure, Thumbnail};

/// The discovery document's limit of an upload.
const LARGEST: usize = 2 * 1024 * 1024;
const EMBED: &str = "https://www.youtube.com/embed/";

/// See [`crate::platforms::Features::apply`]. An update replaces every mutable field of the parts it names: what is there
/// is read first.
pub(super) async fn apply(work: &Work<'_>, changes: &PlatformSettings) -> Result<Applied, Failure> {
    let wanted = Wanted::of(changes);
    let Some(id) = work.progress.broadcast_of(work.run) else { return Ok(wanted.all_later()) };
    let found = work.channel.broadcasts("id,snippet,contentDetails,status", &[id]).await.map_err(Failure::from)?.pop();
    let Some(found) = found else { return Ok(wanted.all_later()) };
    let early = found.status.as_ref().is_some_and(|status| status.life_cycle_status.is_early());
    let mut applied = Applied::default();
    let open = found.status.as_ref().is_some_and(|status| !status.life_cycle_status.is_over());
    if !open {
        return Ok(wanted.all_later());
    }
    always(work, id, &found, &wanted, early).await?;
    applied
        .applied
        .extend(wanted.always.iter().chain(wanted.timing.iter().filter(|_| early)).copied().map(str::to_owned));
    applied.later.extend(wanted.timing.iter().filter(|_| !early).copied().map(str::to_owned));
    let done = early && !wanted.early.is_empty() && details(work, id, &found, changes).await?;
    let list = if done { &mut applied.applied } else { &mut applied.later };
    list.extend(wanted.early.iter().copied().map(str::to_owned));
    Ok(applied)
}

/// The changed fields, by when YouTube takes them.
struct Wanted {
    /// Title, description, privacy, audience.
    always: Vec<&'static str>,
    /// Before it is live.
    timing: Vec<&'static str>,
    /// `contentDetails`: in `created` and `ready` alone.
    early: Vec<&'static str>,
    snippet: bool,
    status: bool,
}

impl Wanted {
    fn of(changes: &PlatformSettings) -> Self {
        let named = |fields: &[(&'static str, bool)]| -> Vec<&'static str> {
            fields.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
        };
        let snippet = named(&[("title", changes.title.is_some()), ("description", changes.description.is_some())]);
        let status =
            named(&[("privacy", changes.privacy.is_some()), ("made_for_kids", changes.made_for_kids.is_some())]);
        let early = named(&[
            ("dvr", changes.dvr.is_some()),
            ("content_encryption", changes.content_encryption.is_some()),
            ("latency", changes.latency.is_some()),
            ("go_live_automatically", changes.go_live_automatically.is_some()),
            ("end_automatically", changes.end_automatically.is_some()),
        ]);
        Self {
            timing: named(&[("scheduled_start_s", changes.scheduled_start_s.is_some())]),
            snippet: !snippet.is_empty(),
            status: !status.is_empty(),
            always: [snippet, status].concat(),
            early,
        }
    }

    fn all_later(&self) -> Applied {
        let all = self.always.iter().chain(&self.timing).chain(&self.early);
        Applied { applied: Vec::new(), later: all.copied().map(str::to_owned).collect() }
    }
}

async fn always(work: &Work<'_>, id: &str, found: &Broadcast, wanted: &Wanted, early: bool) -> Result<(), Failure> {
    let with_time = early && !wanted.timing.is_empty();
    let mut parts = vec!["id"];
    let mut changed = Broadcast { id: id.to_owned(), ..Broadcast::default() };
    if wanted.snippet || with_time {
        parts.push("snippet");
        changed.snippet = Some(snippet(work, found, wanted, with_time));
    }
    if wanted.status {
        parts.push("status");
        changed.status = Some(status(work, found, wanted));
    }
    if parts.len() > 1 {
        work.channel.update_broadcast(&parts.join(","), &changed).await.map_err(Failure::from)?;
    }
    Ok(())
}

/// What somebody has set in YouTube Studio stays, unless it is what changes now.
fn status(work: &Work<'_>, found: &Broadcast, wanted: &Wanted) -> BroadcastStatus {
    let ours = wishes::status(&work.run.settings);
    let mut status = found.status.clone().unwrap_or_default();
    if wanted.always.contains(&"privacy") {
        status.privacy_status = ours.privacy_status;
    }
    if wanted.always.contains(&"made_for_kids") {
        status.self_declared_made_for_kids = ours.self_declared_made_for_kids;
    }
    status
}

fn snippet(work: &Work<'_>, found: &Broadcast, wanted: &Wanted, with_time: bool) -> BroadcastSnippet {
    let settings = &work.run.settings;
    let mut snippet = found.snippet.clone().unwrap_or_default();
    if wanted.always.contains(&"title") {
        snippet.title = wishes::title(work.run);
    }
    if wanted.always.contains(&"description") {
        snippet.description = wishes::description(settings);
    }
    if let Some(at) = settings.scheduled_start_s.filter(|_| with_time) {
        snippet.scheduled_start_time = Some(super::broadcast::rfc3339(at));
    }
    snippet
}

/// Whether YouTube took them. That it is too late by now is no failure.
async fn details(work: &Work<'_>, id: &str, found: &Broadcast, changes: &PlatformSettings) -> Result<bool, Failure> {
    let content_details = Some(merged(found.content_details.clone().unwrap_or_default(), changes));
    let changed = Broadcast { id: id.to_owned(), content_details, ..Broadcast::default() };
    match work.channel.update_broadcast("id,contentDetails", &changed).await {
        Ok(_) => Ok(true),
        Err(problem) if is_too_late(&problem) => Ok(false),
        Err(problem) => Err(problem.failure),
    }
}

fn is_too_late(problem: &Problem) -> bool {
    problem.reason.ends_with("ModificationNotAllowed")
}

fn merged(details: BroadcastDetails, changes: &PlatformSettings) -> BroadcastDetails {
    BroadcastDetails {
        enable_dvr: changes.dvr.or(details.enable_dvr),
        enable_content_encryption: changes.content_encryption.or(details.enable_content_encryption),
        enable_auto_start: changes.go_live_automatically.or(details.enable_auto_start),
        enable_auto_stop: changes.end_automatically.or(details.enable_auto_stop),
        latency_preference: changes.latency.map(|l| wishes::latency(l).to_owned()).or(details.latency_preference),
        ..details
    }
}

/// See [`crate::platforms::Features::thumbnail`].
pub(super) async fn thumbnail(work: &mut Work<'_>, thumbnail: &Thumbnail) -> Result<(), Failure> {
    if !is_picture(thumbnail) {
        let message = "A thumbnail must be a JPEG or PNG of at most 2 MiB.";
        return Err(Failure::permanent("thumbnail_invalid", message));
    }
    let Some(id) = work.progress.broadcast_of(work.run).map(str::to_owned) else { return Ok(()) };
    work.channel.set_thumbnail(&id, thumbnail).await?;
    Ok(())
}

fn is_picture(thumbnail: &Thumbnail) -> bool {
    let image = thumbnail.image.as_slice();
    let begins = match thumbnail.content_type.as_str() {
        "image/jpeg" => image.starts_with(b"\xff\xd8\xff"),
        "image/png" => image.starts_with(b"\x89PNG\r\n\x1a\n"),
        _ => false,
    };
    begins && image.len() <= LARGEST
}

/// YouTube's own `embedHtml` shows the monitor stream, which is for the streamer alone: this is the player for viewers.
pub(super) fn embed(work: &Work<'_>) -> Result<v1::Embed, Failure> {
    let Some(id) = work.progress.broadcast_id.as_deref().filter(|_| work.progress.is_of(work.run)) else {
        let message = "There is no broadcast to embed at the moment: start the stream first.";
        return Err(Failure::permanent("broadcast_ended", message));
    };
    let html = format!(
        "<iframe width=\"560\" height=\"315\" src=\"{EMBED}{id}\" title=\"YouTube video player\" frameborder=\"0\" \
         allow=\"autoplay; encrypted-media; picture-in-picture\" allowfullscreen></iframe>"
    );
    Ok(v1::Embed { html, permalink_url: format!("{WATCH}{id}") })
}
