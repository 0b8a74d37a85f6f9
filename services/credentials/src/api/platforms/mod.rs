//! The `Platforms` service: accounts, broadcasts and features.

mod answer;
mod ask;
#[cfg(test)]
mod tests;

use tonic::{Request, Response, Status};
use wire::v1::{self, platforms_server};

use super::request;
use crate::{accounts::Accounts, broadcasts::Broadcasts, platforms::Platforms};

/// See `credentials.proto`.
#[derive(Clone, Debug)]
pub struct PlatformsService {
    accounts: Accounts,
    broadcasts: Broadcasts,
    platforms: Platforms,
}

type Answer<T> = Result<Response<T>, Status>;

impl PlatformsService {
    /// Serves these.
    pub fn new(accounts: Accounts, broadcasts: Broadcasts, platforms: Platforms) -> Self {
        Self { accounts, broadcasts, platforms }
    }
}

#[tonic::async_trait]
impl platforms_server::Platforms for PlatformsService {
    async fn list_platforms(&self, _: Request<v1::PlatformsEmpty>) -> Answer<v1::PlatformList> {
        Ok(Response::new(answer::platforms(&self.platforms)))
    }

    async fn begin_link(&self, request: Request<v1::BeginLinkRequest>) -> Answer<v1::BeginLinkResponse> {
        let request = request.into_inner();
        let (tenant, platform) = (request::tenant(request.tenant_id)?, ask::platform(request.platform)?);
        let begun = self.accounts.begin_link(&tenant, platform).await?;
        Ok(Response::new(v1::BeginLinkResponse { auth_url: begun.auth_url, state: begun.state }))
    }

    async fn finish_link(&self, request: Request<v1::FinishLinkRequest>) -> Answer<v1::Account> {
        let request = request.into_inner();
        // The code first: whatever else is wrong, it is wiped.
        let code = secret::SecretString::from(request.code);
        let (tenant, platform) = (request::tenant(request.tenant_id)?, ask::platform(request.platform)?);
        let state = Some(request.state.as_str()).filter(|state| !state.is_empty());
        let account = self.accounts.finish_link(&tenant, platform, code, state).await?;
        Ok(Response::new((&account).into()))
    }

    async fn list_accounts(&self, request: Request<v1::ListAccountsRequest>) -> Answer<v1::AccountList> {
        let request = request.into_inner();
        let tenant = request::tenant(request.tenant_id)?;
        let platform = (request.platform != 0).then(|| ask::platform(request.platform)).transpose()?;
        let accounts = self.accounts.list(&tenant, platform).await?;
        Ok(Response::new(v1::AccountList { accounts: accounts.iter().map(v1::Account::from).collect() }))
    }

    async fn unlink(&self, request: Request<v1::AccountRef>) -> Answer<v1::UnlinkResponse> {
        let (tenant, account) = ask::account(request.into_inner())?;
        let revoked = self.accounts.unlink(&tenant, account).await?;
        Ok(Response::new(v1::UnlinkResponse { revoked }))
    }

    async fn refresh_token(&self, request: Request<v1::AccountRef>) -> Answer<v1::Account> {
        let (tenant, account) = ask::account(request.into_inner())?;
        let account = self.accounts.refresh(&tenant, account).await?;
        Ok(Response::new((&account).into()))
    }

    async fn prepare(&self, request: Request<v1::PrepareRequest>) -> Answer<v1::PrepareResponse> {
        let prepared = self.broadcasts.prepare(ask::prepare(request.into_inner())?).await?;
        Ok(Response::new(answer::prepared(prepared)))
    }

    async fn observe(&self, request: Request<v1::ObserveRequest>) -> Answer<v1::ObserveResponse> {
        let asked = request.into_inner().broadcasts.into_iter().map(ask::observed);
        let seen = self.broadcasts.observe(&asked.collect::<Result<Vec<_>, Status>>()?).await?;
        Ok(Response::new(v1::ObserveResponse { truths: seen.into_iter().map(answer::truth).collect() }))
    }

    async fn finish(&self, request: Request<v1::FinishRequest>) -> Answer<v1::FinishResponse> {
        let request = request.into_inner();
        let (tenant, reference) = (request::tenant(request.tenant_id)?, ask::reference(request.broadcast)?);
        let finished = self.broadcasts.finish(&tenant, reference).await?;
        Ok(Response::new(answer::finished(finished)))
    }

    async fn list_pages(&self, request: Request<v1::FeatureRef>) -> Answer<v1::PageList> {
        let on = ask::on(Some(request.into_inner()))?;
        let asked = self.broadcasts.ask(on, |features, run| Box::pin(async move { features.pages(&run).await }));
        Ok(Response::new(v1::PageList { pages: asked.await? }))
    }

    async fn search_categories(&self, request: Request<v1::SearchCategoriesRequest>) -> Answer<v1::CategoryList> {
        let request = request.into_inner();
        let on = ask::on(request.on)?;
        let (query, limit) = ask::category_search(request.query, request.limit)?;
        let asked = self
            .broadcasts
            .ask(on, move |features, run| Box::pin(async move { features.categories(&run, &query, limit).await }));
        Ok(Response::new(v1::CategoryList { categories: asked.await? }))
    }

    async fn get_channel(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Channel> {
        let on = ask::on(Some(request.into_inner()))?;
        let asked = self.broadcasts.ask(on, |features, run| Box::pin(async move { features.channel(&run).await }));
        Ok(Response::new(asked.await?))
    }

    async fn apply_settings(&self, request: Request<v1::ApplySettingsRequest>) -> Answer<v1::ApplySettingsResponse> {
        let request = request.into_inner();
        let on = ask::on(request.on)?;
        let changes = ask::settings(request.changes, on.platform)?;
        let applied = self.broadcasts.apply(on, changes).await?;
        Ok(Response::new(v1::ApplySettingsResponse { applied: applied.applied, later: applied.later }))
    }

    async fn set_thumbnail(&self, request: Request<v1::SetThumbnailRequest>) -> Answer<v1::PlatformsEmpty> {
        let request = request.into_inner();
        let on = ask::on(request.on)?;
        let thumbnail = ask::thumbnail(&request.content_type, request.image)?;
        self.broadcasts.set_thumbnail(on, thumbnail).await?;
        Ok(Response::new(v1::PlatformsEmpty {}))
    }

    async fn get_embed(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Embed> {
        let on = ask::on(Some(request.into_inner()))?;
        let asked = self.broadcasts.ask(on, |features, run| Box::pin(async move { features.embed(&run).await }));
        Ok(Response::new(asked.await?))
    }

    async fn get_insights(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Insights> {
        let on = ask::on(Some(request.into_inner()))?;
        let asked = self.broadcasts.ask(on, |features, run| Box::pin(async move { features.insights(&run).await }));
        Ok(Response::new(v1::Insights { insights: asked.await? }))
    }

    async fn get_playback(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Playback> {
        let on = ask::on(Some(request.into_inner()))?;
        let asked = self.broadcasts.ask(on, |features, run| Box::pin(async move { features.playback(&run).await }));
        Ok(Response::new(asked.await?))
    }

    async fn get_analytics(&self, request: Request<v1::AnalyticsRequest>) -> Answer<v1::Analytics> {
        let request = request.into_inner();
        let on = ask::on(request.on)?;
        let (from, to) = ask::dates(request.from_date, request.to_date)?;
        let asked = self
            .broadcasts
            .ask(on, move |features, run| Box::pin(async move { features.analytics(&run, &from, &to).await }));
        Ok(Response::new(asked.await?))
    }
}
