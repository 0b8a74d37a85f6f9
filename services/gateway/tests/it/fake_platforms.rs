//! The platforms' side of the credentials service in memory.

use service_kit::grpc;
use tonic::{Code, Request, Status};
use wire::v1::{self, platforms_server::Platforms};

use crate::fake::{Answer, Fake, ok};

/// What a test may know and choose.
#[derive(Default)]
pub struct World {
    /// The platforms that are set up.
    pub configured: Vec<v1::Platform>,
    pub accounts: Vec<v1::Account>,
    /// Pending authorizations: tenant, platform, state.
    pub pending: Vec<(String, i32, String)>,
    /// Codes that were exchanged.
    pub codes: Vec<String>,
    pub features: Vec<v1::FeatureRef>,
    pub applied: Vec<v1::ApplySettingsRequest>,
    pub pictures: Vec<(String, usize)>,
    pub analytics: Vec<(String, String)>,
    pub pages: Vec<v1::Page>,
}

/// The one code that the fake platforms give.
pub const CODE: &str = "oauth-code-5Ljk2vQx";
pub const EXPIRES_MS: i64 = 1_705_320_000_000;

pub fn account_not_found() -> Status {
    grpc::status(Code::NotFound, "account_not_found", None, "There is no such account.")
}

fn invalid() -> Status {
    let message = "This sign-in is not valid any more. Get a new auth-url and sign in again.";
    grpc::status(Code::InvalidArgument, "authorization_invalid", Some("code"), message)
}

impl Fake {
    /// All four platforms are set up.
    pub fn configure_all(&self) {
        use v1::Platform::{Cloudflare, Facebook, Twitch, Youtube};
        self.state().world.configured = vec![Youtube, Twitch, Facebook, Cloudflare];
    }

    /// An account that a tenant linked; its id.
    pub fn link(&self, tenant: &str, platform: v1::Platform) -> String {
        let account = account(tenant, platform as i32);
        let id = account.id.clone();
        self.state().world.accounts.push(account);
        id
    }

    async fn feature(&self, call: &'static str, on: Option<v1::FeatureRef>) -> Result<(), Status> {
        self.enter(call).await?;
        self.state().world.features.extend(on);
        Ok(())
    }
}

fn account(tenant: &str, platform: i32) -> v1::Account {
    v1::Account {
        id: uuid::Uuid::now_v7().to_string(),
        tenant_id: tenant.into(),
        platform,
        external_id: "UC123".into(),
        name: "Alice's channel".into(),
        picture_url: "https://pictures.example.com/a.jpg".into(),
        scopes: vec!["live".into()],
        status: "ok".into(),
        token_expires_at_ms: EXPIRES_MS,
        linked_at_ms: EXPIRES_MS,
        fault: None,
    }
}

#[tonic::async_trait]
impl Platforms for Fake {
    async fn list_platforms(&self, _: Request<v1::PlatformsEmpty>) -> Answer<v1::PlatformList> {
        self.enter("list_platforms").await?;
        let state = self.state();
        let info = |platform: &v1::Platform| v1::PlatformInfo {
            platform: *platform as i32,
            configured: true,
            needs_account: *platform != v1::Platform::Cloudflare,
        };
        ok(v1::PlatformList { platforms: state.world.configured.iter().map(info).collect() })
    }

    async fn begin_link(&self, request: Request<v1::BeginLinkRequest>) -> Answer<v1::BeginLinkResponse> {
        self.enter("begin_link").await?;
        let r = request.into_inner();
        let mut state = self.state();
        let name = format!("state-{}", state.world.pending.len() + 1);
        state.world.pending.push((r.tenant_id, r.platform, name.clone()));
        ok(v1::BeginLinkResponse { auth_url: format!("https://platform.example.com/auth?state={name}"), state: name })
    }

    async fn finish_link(&self, request: Request<v1::FinishLinkRequest>) -> Answer<v1::Account> {
        self.enter("finish_link").await?;
        let r = request.into_inner();
        let mut state = self.state();
        state.world.codes.push(r.code.clone());
        let mine = |p: &&(String, i32, String)| {
            (&p.0, p.1) == (&r.tenant_id, r.platform) && (r.state.is_empty() || p.2 == r.state)
        };
        let pending: Vec<_> = state.world.pending.iter().filter(mine).cloned().collect();
        if pending.len() > 1 {
            let message = "Several sign-ins are pending. Send the state that came with the code.";
            return Err(grpc::status(Code::InvalidArgument, "authorization_ambiguous", Some("state"), message));
        }
        let used = pending.into_iter().next().ok_or_else(invalid)?;
        state.world.pending.retain(|p| *p != used);
        if r.code.is_empty() {
            return Err(grpc::status(
                Code::FailedPrecondition,
                "authorization_denied",
                None,
                "Access was not allowed.",
            ));
        }
        if r.code != CODE {
            return Err(invalid());
        }
        let account = account(&r.tenant_id, r.platform);
        state.world.accounts.push(account.clone());
        ok(account)
    }

    async fn list_accounts(&self, request: Request<v1::ListAccountsRequest>) -> Answer<v1::AccountList> {
        self.enter("list_accounts").await?;
        let r = request.into_inner();
        let state = self.state();
        let fits = |a: &&v1::Account| a.tenant_id == r.tenant_id && (r.platform == 0 || a.platform == r.platform);
        ok(v1::AccountList { accounts: state.world.accounts.iter().filter(fits).cloned().collect() })
    }

    async fn unlink(&self, request: Request<v1::AccountRef>) -> Answer<v1::UnlinkResponse> {
        self.enter("unlink").await?;
        let r = request.into_inner();
        let mut state = self.state();
        let before = state.world.accounts.len();
        state.world.accounts.retain(|a| (&a.tenant_id, &a.id) != (&r.tenant_id, &r.account_id));
        if state.world.accounts.len() == before {
            Err(account_not_found())
        } else {
            ok(v1::UnlinkResponse { revoked: true })
        }
    }

    async fn refresh_token(&self, request: Request<v1::AccountRef>) -> Answer<v1::Account> {
        self.enter("refresh_token").await?;
        let r = request.into_inner();
        let state = self.state();
        let found = state.world.accounts.iter().find(|a| (&a.tenant_id, &a.id) == (&r.tenant_id, &r.account_id));
        ok(found.cloned().ok_or_else(account_not_found)?)
    }

    async fn prepare(&self, _: Request<v1::PrepareRequest>) -> Answer<v1::PrepareResponse> {
        Err(Status::permission_denied("the gateway never asks for this"))
    }

    async fn observe(&self, _: Request<v1::ObserveRequest>) -> Answer<v1::ObserveResponse> {
        Err(Status::permission_denied("the gateway never asks for this"))
    }

    async fn finish(&self, _: Request<v1::FinishRequest>) -> Answer<v1::FinishResponse> {
        Err(Status::permission_denied("the gateway never asks for this"))
    }

    async fn list_pages(&self, request: Request<v1::FeatureRef>) -> Answer<v1::PageList> {
        self.feature("list_pages", Some(request.into_inner())).await?;
        ok(v1::PageList { pages: self.state().world.pages.clone() })
    }

    async fn search_categories(&self, request: Request<v1::SearchCategoriesRequest>) -> Answer<v1::CategoryList> {
        let r = request.into_inner();
        self.feature("search_categories", r.on).await?;
        let category =
            |n: u32| v1::Category { id: n.to_string(), name: format!("{} {n}", r.query), picture_url: String::new() };
        ok(v1::CategoryList { categories: (1..=r.limit).map(category).collect() })
    }

    async fn get_channel(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Channel> {
        self.feature("get_channel", Some(request.into_inner())).await?;
        ok(v1::Channel {
            id: "1".into(),
            login: "alice".into(),
            name: "Alice".into(),
            title: "Friday show".into(),
            category_id: "509658".into(),
            category_name: "Just Chatting".into(),
            language: "en".into(),
            tags: vec!["English".into()],
        })
    }

    async fn apply_settings(&self, request: Request<v1::ApplySettingsRequest>) -> Answer<v1::ApplySettingsResponse> {
        self.enter("apply_settings").await?;
        let r = request.into_inner();
        let now = r.changes.as_ref().is_some_and(|changes| changes.title.is_some());
        let later = r.changes.as_ref().is_some_and(|changes| changes.scheduled_start_s.is_some());
        self.state().world.applied.push(r);
        let names = |given: bool, name: &str| if given { vec![name.to_owned()] } else { Vec::new() };
        ok(v1::ApplySettingsResponse { applied: names(now, "title"), later: names(later, "scheduled_start_s") })
    }

    async fn set_thumbnail(&self, request: Request<v1::SetThumbnailRequest>) -> Answer<v1::PlatformsEmpty> {
        let r = request.into_inner();
        self.feature("set_thumbnail", r.on).await?;
        self.state().world.pictures.push((r.content_type, r.image.len()));
        ok(v1::PlatformsEmpty {})
    }

    async fn get_embed(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Embed> {
        self.feature("get_embed", Some(request.into_inner())).await?;
        let (html, permalink_url) = ("<iframe></iframe>".into(), "https://facebook.example.com/1".into());
        ok(v1::Embed { html, permalink_url })
    }

    async fn get_insights(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Insights> {
        self.feature("get_insights", Some(request.into_inner())).await?;
        let insight = v1::Insight { name: "total_views".into(), period: "lifetime".into(), value: "17".into() };
        ok(v1::Insights { insights: vec![insight] })
    }

    async fn get_playback(&self, request: Request<v1::FeatureRef>) -> Answer<v1::Playback> {
        self.feature("get_playback", Some(request.into_inner())).await?;
        ok(v1::Playback { hls_url: "https://c.example.com/video.m3u8".into(), available: true, ..Default::default() })
    }

    async fn get_analytics(&self, request: Request<v1::AnalyticsRequest>) -> Answer<v1::Analytics> {
        let r = request.into_inner();
        self.feature("get_analytics", r.on).await?;
        self.state().world.analytics.push((r.from_date, r.to_date));
        let countries = vec![v1::CountryMinutes { country: "DE".into(), minutes_viewed: 12.5 }];
        ok(v1::Analytics { minutes_viewed: 12.5, countries })
    }
}
