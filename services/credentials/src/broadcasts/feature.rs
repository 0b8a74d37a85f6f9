//! What people do on a platform beside going live, on a destination's account and its present broadcast.

use std::sync::Arc;

use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
};
use futures::future::BoxFuture;
use serde_json::Value;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Account, Broadcasts, Core, Error,
    book::{RowBook, ours},
    call::{bounded, count},
    row::Row,
    rows, thumbnails,
};
use crate::platforms::{Applied, Failure, Features, Run, Thumbnail};

const CALL: &str = "feature";

/// A destination, as the caller knows it.
#[derive(Clone, Debug)]
pub struct On {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub destination: DestinationId,
    /// Where.
    pub platform: Platform,
    /// By which account; that of the broadcast, or the tenant's only one, when not given.
    pub account: Option<Uuid>,
    /// The destination's wishes.
    pub settings: PlatformSettings,
}

/// Something that a platform is asked for.
type Asked<T> = BoxFuture<'static, Result<T, Failure>>;

impl Broadcasts {
    /// Asks the platform for something that changes nothing.
    ///
    /// # Errors
    /// [`Error`]; what the platform has not is `not_offered_by_platform`.
    pub async fn ask<T: Send + 'static>(
        &self,
        on: On,
        what: impl FnOnce(Arc<dyn Features>, Run) -> Asked<T> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(&self.0);
        let span = span(&on);
        let work = async move { core.ask_features(&on, what).await }.instrument(span);
        self.0.apart(&self.0.features, work).await.unwrap_or_else(|| Err(crowded().into()))
    }

    /// Puts changed wishes into effect where that is possible now, and remembers them for the end of the broadcast.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn apply(&self, mut on: On, changes: PlatformSettings) -> Result<Applied, Error> {
        on.settings = merged(&on.settings, &changes)?;
        let settings = serde_json::to_value(&on.settings).map_err(|error| ours(&error))?;
        self.alone(on, Some(settings), move |features, run| {
            Box::pin(async move { features.apply(&run, &changes).await })
        })
        .await
    }

    /// Keeps a picture for the destination and sets it on the present broadcast.
    ///
    /// # Errors
    /// [`Error`]; a picture that the platform has no use for is not kept.
    pub async fn set_thumbnail(&self, on: On, thumbnail: Thumbnail) -> Result<(), Error> {
        let (tenant, destination) = (on.tenant.clone(), on.destination);
        let store = &self.0.parts.store;
        let work = async {
            let mut conn = store.pool().acquire().await?;
            thumbnails::put(&mut conn, &tenant, destination, &thumbnail).await
        };
        if !store.bounded(work).await? {
            return Err(Error::NotFound);
        }
        let set = self
            .alone(on, None, move |features, run| Box::pin(async move { features.thumbnail(&run, &thumbnail).await }));
        let set = set.await;
        if matches!(&set, Err(Error::Failed(failure)) if failure.code() == "not_offered_by_platform") {
            let work = async {
                let mut conn = store.pool().acquire().await?;
                thumbnails::remove(&mut conn, &tenant, destination).await
            };
            store.bounded(work).await?;
        }
        set
    }

    /// Like [`Broadcasts::ask`], and while no other call works on the destination. What succeeds leaves `settings` behind.
    async fn alone<T: Send + 'static>(
        &self,
        on: On,
        settings: Option<Value>,
        what: impl FnOnce(Arc<dyn Features>, Run) -> Asked<T> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(&self.0);
        let span = span(&on);
        let work = async move {
            let Some(held) = core.locks.one(on.destination).await? else { return Err(in_use().into()) };
            let answer = core.ask_features(&on, what).await;
            if let Some(settings) = settings.filter(|_| answer.is_ok()) {
                core.keep_settings(&on, &settings).await?;
            }
            held.release().await;
            answer
        };
        self.0.apart(&self.0.features, work.instrument(span)).await.unwrap_or_else(|| Err(crowded().into()))
    }
}

impl Core {
    async fn ask_features<T>(
        &self,
        on: &On,
        what: impl FnOnce(Arc<dyn Features>, Run) -> Asked<T>,
    ) -> Result<T, Error> {
        let features = self.parts.platforms.features(on.platform)?;
        let run = self.feature_run(on).await?;
        let answer = bounded(self.parts.options.feature, on.platform, what(features, run)).await;
        count(on.platform, CALL, answer.as_ref().err());
        Ok(answer?)
    }

    /// The run of the destination's row, or one that has not begun.
    async fn feature_run(&self, on: &On) -> Result<Run, Error> {
        let row = self.any_row(on.destination).await?;
        if row.as_ref().is_some_and(|row| row.tenant_id != on.tenant.as_str()) {
            return Err(Error::NotFound);
        }
        let row = row.filter(|row| row.platform == on.platform.as_str());
        let last = row.as_ref().and_then(|row| row.account_id);
        let account = self.account_for(&on.tenant, on.platform, on.account, last).await?;
        // Another account can't do anything with the broadcast of this one.
        let row = row.filter(|row| row.account_id == account.id());
        Ok(self.run_for(on, row.as_ref(), account))
    }

    fn run_for(&self, on: &On, row: Option<&Row>, account: Account) -> Run {
        let book = match row {
            Some(row) => RowBook::of(&self.parts, row, on.platform),
            None => RowBook::empty(&self.parts, on.tenant.clone(), on.destination, on.platform),
        };
        Run {
            tenant: on.tenant.clone(),
            destination: on.destination,
            run_ms: row.map_or(0, |row| row.run_ms),
            take: row.map_or(0, |row| row.reference().take),
            stream_title: row.map_or_else(String::new, |row| row.title.clone()),
            settings: on.settings.clone(),
            publishing_ms: row.map_or(0, |row| row.publishing_ms),
            account: account.info,
            tokens: account.tokens,
            book: Arc::new(book),
        }
    }

    async fn keep_settings(&self, on: &On, settings: &Value) -> Result<(), Error> {
        let store = &self.parts.store;
        let work = async {
            let mut conn = store.pool().acquire().await?;
            rows::set_settings(&mut conn, &on.tenant, on.destination, settings).await
        };
        Ok(store.bounded(work).await?)
    }
}

fn span(on: &On) -> tracing::Span {
    tracing::info_span!("broadcasts.feature", destination = %on.destination, platform = %on.platform)
}

/// What is given in `changes` replaces what is in `base`.
fn merged(base: &PlatformSettings, changes: &PlatformSettings) -> Result<PlatformSettings, Failure> {
    let as_map = |settings: &PlatformSettings| match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let mut all = as_map(base);
    all.extend(as_map(changes));
    serde_json::from_value(Value::Object(all)).map_err(|error| ours(&error))
}

fn in_use() -> Failure {
    let message = "The broadcast is being started, stopped or changed at this moment. Try again in a few seconds.";
    Failure::transient("platform_unavailable", message)
}

fn crowded() -> Failure {
    Failure::transient("platform_unavailable", "Too many calls run at this moment. Try again in a few seconds.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_replace_and_the_rest_stays() {
        let base = PlatformSettings { title: Some("a".into()), dvr: Some(true), ..PlatformSettings::default() };
        let changes = PlatformSettings { title: Some("b".into()), tags: Some(Vec::new()), ..Default::default() };
        let expected = PlatformSettings { title: Some("b".into()), tags: Some(Vec::new()), ..base.clone() };
        assert_eq!(merged(&base, &changes).expect("merges"), expected);
    }
}
