//! Calls for one destination: with the person's token or the Page's, and once more with another token when Facebook says
//! that the one used is dead.

use domain::platform::Platform;
use secret::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Facebook,
    gate::Allowance,
    graph::{Answer, Call, Caller},
    pages::{self, Page},
    refusal::{self, Refusal},
};
use crate::platforms::{AccountInfo, Failure, Run, Token};

/// Where a live video is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// The person's own, by the person's id.
    Profile(String),
    /// A Page.
    Page(String),
}

impl Target {
    /// What the settings ask for.
    pub fn of(run: &Run) -> Result<Self, Failure> {
        let page = run.settings.page_id.as_deref().map(str::trim).filter(|page| !page.is_empty());
        match page {
            Some(page) => Ok(Self::Page(page.to_owned())),
            None => Ok(Self::Profile(account(run)?.external_id.clone())),
        }
    }

    /// `{id}/live_videos`
    pub fn live_videos(&self) -> String {
        let (Self::Profile(id) | Self::Page(id)) = self;
        format!("{id}/live_videos")
    }
}

fn account(run: &Run) -> Result<&AccountInfo, Failure> {
    let text = "No Facebook account is linked. Sign in to Facebook, then start the destination again.";
    run.account.as_ref().ok_or_else(|| Failure::permanent("account_not_linked", text))
}

/// Calls for `target` of `run`.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub facebook: &'a Facebook,
    pub run: &'a Run,
    pub target: &'a Target,
}

impl Session<'_> {
    /// Calls; a dead token is renewed once.
    pub async fn call(&self, call: &Call) -> Result<Answer, Refusal> {
        let account = account(self.run)?.id;
        let token = self.run.tokens.token().await?;
        let subcode = match self.once(account, &token, call).await {
            Err(Refusal::DeadToken(subcode)) => subcode,
            other => return other,
        };
        if let Target::Page(page) = self.target {
            self.facebook.pages.forget(account, page);
        }
        let token = renew(self.run, &token, subcode).await?;
        self.once(account, &token, call).await
    }

    async fn once(&self, account: Uuid, token: &Token, call: &Call) -> Result<Answer, Refusal> {
        let caller = self.caller(account, token).await?;
        self.facebook.graph.call(&caller, call).await
    }

    async fn caller(&self, account: Uuid, token: &Token) -> Result<Caller, Refusal> {
        let user = user(account, token);
        match self.target {
            Target::Profile(_) => Ok(user),
            Target::Page(page) => {
                let token = self.page_token(account, page, token.version, &user).await?;
                Ok(Caller { token, allowance: Allowance::Page(page.clone()) })
            }
        }
    }

    async fn page_token(
        &self,
        account: Uuid,
        page: &str,
        version: i64,
        user: &Caller,
    ) -> Result<SecretString, Refusal> {
        let pages = &self.facebook.pages;
        if let Some(token) = pages.known(account, page, version) {
            return Ok(token);
        }
        let token = pages::choose(pages::list(&self.facebook.graph, user).await?, page)?;
        pages.keep(account, page, version, token.clone());
        Ok(token)
    }
}

/// The Pages of the run's account.
pub(super) async fn pages_of(facebook: &Facebook, run: &Run) -> Result<Vec<Page>, Failure> {
    let account = account(run)?.id;
    let token = run.tokens.token().await?;
    match pages::list(&facebook.graph, &user(account, &token)).await {
        Err(Refusal::DeadToken(subcode)) => {
            let token = renew(run, &token, subcode).await?;
            Ok(pages::list(&facebook.graph, &user(account, &token)).await?)
        }
        other => Ok(other?),
    }
}

fn user(account: Uuid, token: &Token) -> Caller {
    Caller { token: token.secret.clone(), allowance: Allowance::Person(account) }
}

/// Another token; when there is none, the person reads why the old one died.
async fn renew(run: &Run, rejected: &Token, subcode: Option<i64>) -> Result<Token, Failure> {
    run.tokens.renew(rejected).await.map_err(|failure| match failure.code() {
        "reauth_required" => Failure::reauth(Platform::Facebook, refusal::dead(subcode)),
        _ => failure,
    })
}
