//! Pages, changes while it is on, embedding, figures.

use domain::{
    platform::Platform,
    platform_settings::{FACEBOOK_TITLE, PlatformSettings},
};
use serde_json::Value;
use wire::v1;

use super::{
    Facebook,
    graph::Call,
    object::{Object, items},
    prepare::read,
    progress::Progress,
    session::{self, Session, Target},
    wish::{privacy, privacy_json},
};
use crate::platforms::{Applied, Failure, Features, Run};

/// Most figures that are shown.
const FIGURES: usize = 64;

#[tonic::async_trait]
impl Features for Facebook {
    fn platform_of_features(&self) -> Platform {
        Platform::Facebook
    }

    async fn pages(&self, run: &Run) -> Result<Vec<v1::Page>, Failure> {
        let pages = session::pages_of(self, run).await?;
        let shown = pages.into_iter().map(|page| v1::Page {
            can_go_live: page.may_create && page.token.is_some(),
            id: page.id,
            name: page.name,
            category: page.category,
        });
        Ok(shown.collect())
    }

    async fn apply(&self, run: &Run, changes: &PlatformSettings) -> Result<Applied, Failure> {
        let progress = Progress::of(run);
        let (now, later) = names(changes);
        let here = progress.open().zip(progress.target.as_ref());
        let Some((id, target)) = here.filter(|_| !now.is_empty()) else {
            let later = now.into_iter().chain(later).map(str::to_owned).collect();
            return Ok(Applied { applied: Vec::new(), later });
        };
        let call = changed(Call::post(id), run, changes, target)?;
        Session { facebook: self, run, target }.call(&call).await?;
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(Applied { applied: owned(now), later: owned(later) })
    }

    async fn embed(&self, run: &Run) -> Result<v1::Embed, Failure> {
        let (_, object) = shown(self, run, "id,embed_html,permalink_url").await?;
        let Object { embed_html, permalink, .. } = object;
        Ok(v1::Embed { html: embed_html.unwrap_or_default(), permalink_url: permalink.unwrap_or_default() })
    }

    async fn insights(&self, run: &Run) -> Result<Vec<v1::Insight>, Failure> {
        let (target, object) = shown(self, run, "id,status,live_views,total_views,video{id}").await?;
        let figure = |name: &str, period: &str, value: String| v1::Insight {
            name: name.to_owned(),
            period: period.to_owned(),
            value,
        };
        let mut figures = vec![figure("live_views", "now", object.viewers.to_string())];
        figures.extend(object.total_views.map(|views| figure("total_views", "lifetime", views.to_string())));
        let Some(video) = object.video else { return Ok(figures) };
        let session = Session { facebook: self, run, target: &target };
        // They need another permission, and appear late: without them the rest is still true.
        match session.call(&Call::get(format!("{video}/video_insights"), "name,period,values")).await {
            Ok(answer) => figures.extend(items(&answer.body).iter().filter_map(insight).take(FIGURES)),
            Err(refusal) => {
                tracing::debug!(code = Failure::from(refusal).code(), "no video insights");
            }
        }
        Ok(figures)
    }
}

/// Fields that can be changed while it is on, and those that need another live video.
fn names(changes: &PlatformSettings) -> (Vec<&'static str>, Vec<&'static str>) {
    let given =
        |fields: &[(&'static str, bool)]| fields.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let now = [
        ("title", changes.title.is_some()),
        ("description", changes.description.is_some()),
        ("privacy", changes.privacy.is_some()),
    ];
    let later = [("page_id", changes.page_id.is_some()), ("scheduled_start_s", changes.scheduled_start_s.is_some())];
    (given(&now), given(&later))
}

fn changed(mut call: Call, run: &Run, changes: &PlatformSettings, target: &Target) -> Result<Call, Failure> {
    if changes.title.is_some() {
        call = call.with("title", run.title(FACEBOOK_TITLE));
    }
    if let Some(description) = &changes.description {
        call = call.with("description", description.as_str());
    }
    if let Some(value) = privacy(changes, target)? {
        call = call.with("privacy", privacy_json(value));
    }
    Ok(call)
}

/// The destination's live video, on or over.
async fn shown(facebook: &Facebook, run: &Run, fields: &str) -> Result<(Target, Object), Failure> {
    let none =
        || Failure::permanent("broadcast_ended", "There is no live video on Facebook. Start the destination first.");
    let progress = Progress::of(run);
    let (Some(target), Some(id)) = (progress.target, progress.live_video_id) else { return Err(none()) };
    let session = Session { facebook, run, target: &target };
    let object = read(session, &id, fields).await?.ok_or_else(none)?;
    Ok((target, object))
}

fn insight(value: &Value) -> Option<v1::Insight> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let figure = match &value["values"][0]["value"] {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(v1::Insight { name: text("name"), period: text("period"), value: figure }).filter(|one| !one.name.is_empty())
}
