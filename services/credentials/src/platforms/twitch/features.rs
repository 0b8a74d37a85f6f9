//! Categories, and what the channel says about itself.

use domain::{platform::Platform, platform_settings::PlatformSettings};
use wire::v1;

use super::{Twitch, account, channel};
use crate::platforms::{Applied, Failure, Features, Run};

#[tonic::async_trait]
impl Features for Twitch {
    fn platform_of_features(&self) -> Platform {
        Platform::Twitch
    }

    async fn categories(&self, run: &Run, query: &str, limit: u32) -> Result<Vec<v1::Category>, Failure> {
        let user = &account(run)?.external_id;
        let found = self.api.categories(run, user, query, limit).await?;
        let category =
            |one: super::api::Category| v1::Category { id: one.id, name: one.name, picture_url: one.box_art_url };
        Ok(found.into_iter().map(category).collect())
    }

    async fn channel(&self, run: &Run) -> Result<v1::Channel, Failure> {
        let channel = self.api.channel(run, &account(run)?.external_id).await?;
        Ok(v1::Channel {
            id: channel.broadcaster_id,
            login: channel.broadcaster_login,
            name: channel.broadcaster_name,
            title: channel.title,
            category_id: channel.game_id,
            category_name: channel.game_name,
            language: channel.broadcaster_language,
            tags: channel.tags.unwrap_or_default(),
        })
    }

    /// At once, on air or not: it is the channel's information, not a broadcast's.
    async fn apply(&self, run: &Run, changes: &PlatformSettings) -> Result<Applied, Failure> {
        // What Twitch has only in its dashboard says so.
        if let Some(objection) = changes.check(Platform::Twitch).into_iter().find(|o| o.field.contains("latency")) {
            let message = format!("{} {}.", objection.field, objection.message);
            return Err(Failure::permanent("not_offered_by_platform", message));
        }
        let user = &account(run)?.external_id;
        let change = channel::change(changes);
        let given = [
            ("title", change.title.is_some()),
            ("category_id", change.game_id.is_some()),
            ("language", change.broadcaster_language.is_some()),
            ("tags", change.tags.is_some()),
        ];
        let applied: Vec<String> =
            given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned()).collect();
        if !applied.is_empty() {
            self.api.change(run, user, &change).await?;
        }
        Ok(Applied { applied, later: Vec::new() })
    }
}
