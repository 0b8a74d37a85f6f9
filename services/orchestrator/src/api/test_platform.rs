//! The part of a connection test that concerns a destination's platform: is its account fit, and is there an address to
//! test by now? Nothing is made or changed at the platform.

use std::time::Duration;

use domain::{
    fault::{Blame, Fault, Retry},
    ids::TenantId,
};
use service_kit::grpc::deadline;
use tokio::time::Instant;
use tonic::Status;
use wire::v1;

use crate::{ctx::Ctx, platforms::unreachable_fault, rows::DestinationRow};

/// The bound of both questions together.
const BOUND: Duration = Duration::from_secs(4);

/// The steps of it, and whether a worker can go on with the ingest.
pub(super) struct Findings {
    pub steps: Vec<v1::TestStep>,
    pub go_on: bool,
}

/// Looks at the account and the preparation of a destination on a platform.
pub(super) async fn look(ctx: &Ctx, tenant: &TenantId, row: &DestinationRow, run_ms: Option<i64>) -> Findings {
    let began = Instant::now();
    let fault = account_fault(ctx, tenant, row).await;
    let account = v1::TestStep {
        name: "account".to_owned(),
        ok: fault.is_none(),
        took_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        fault: fault.map(Into::into),
    };
    if !account.ok {
        return Findings { steps: vec![account], go_on: false };
    }
    if run_ms.is_some_and(|run_ms| row.broadcast.is_prepared(run_ms)) {
        return Findings { steps: vec![account], go_on: true };
    }
    Findings { steps: vec![account, not_prepared()], go_on: false }
}

/// Nothing is wrong: the address and its key are made when the stream starts.
fn not_prepared() -> v1::TestStep {
    let message = "The platform gives the address to publish to when the stream starts. It is tested then.";
    let fault = Fault::new(Blame::Platform, Retry::Transient, "not_prepared", message);
    v1::TestStep { name: "prepare".to_owned(), ok: true, took_ms: 0, fault: Some(fault.into()) }
}

async fn account_fault(ctx: &Ctx, tenant: &TenantId, row: &DestinationRow) -> Option<Fault> {
    match ask(ctx, tenant, row).await {
        Ok(fault) => fault,
        Err(status) => {
            tracing::debug!(code = ?status.code(), "no answer about accounts");
            Some(unreachable_fault())
        }
    }
}

async fn ask(ctx: &Ctx, tenant: &TenantId, row: &DestinationRow) -> Result<Option<Fault>, Status> {
    let half_ms = u64::try_from(BOUND.as_millis() / 2).unwrap_or(u64::MAX);
    let mut client = ctx.credentials.clone();
    let wanted = i32::from(v1::Platform::from(row.platform()));
    let platforms = client.list_platforms(deadline(half_ms, v1::PlatformsEmpty {})).await?.into_inner().platforms;
    let Some(platform) = platforms.into_iter().find(|p| p.platform == wanted && p.configured) else {
        return Ok(Some(not_configured()));
    };
    if !platform.needs_account {
        return Ok(None);
    }
    let request = v1::ListAccountsRequest { tenant_id: tenant.as_str().to_owned(), platform: wanted };
    let accounts = client.list_accounts(deadline(half_ms, request)).await?.into_inner().accounts;
    Ok(of_accounts(&accounts, &row.account_id))
}

/// What is wrong with the chosen account, or with there being none, or with there being a choice.
fn of_accounts(accounts: &[v1::Account], chosen: &str) -> Option<Fault> {
    let mut fitting = accounts.iter().filter(|a| chosen.is_empty() || a.id == chosen);
    match (fitting.next(), fitting.next()) {
        (None, _) => Some(permanent("account_not_linked", "No account is linked. Sign in to the platform first.")),
        (Some(_), Some(_)) => Some(permanent("account_ambiguous", "Several accounts are linked. Choose one of them.")),
        (Some(account), None) if account.status == "ok" => None,
        (Some(account), None) => {
            let told = account.fault.clone().and_then(|f| Fault::try_from(f).ok());
            Some(told.unwrap_or_else(|| permanent("reauth_required", "Sign in to the platform again.")))
        }
    }
}

fn not_configured() -> Fault {
    permanent("platform_not_configured", "This platform is not set up on this installation.")
}

fn permanent(code: &str, message: &str) -> Fault {
    Fault::new(Blame::Destination, Retry::Permanent, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, status: &str) -> v1::Account {
        v1::Account { id: id.into(), status: status.into(), ..Default::default() }
    }

    #[test]
    fn one_fit_account_is_needed() {
        let check = |accounts: &[v1::Account], chosen: &str, want: Option<&str>| {
            let code = of_accounts(accounts, chosen).map(|f| f.code);
            assert_eq!(code.as_deref(), want);
        };
        let two = [account("a", "ok"), account("b", "reauth_required")];
        check(&[], "", Some("account_not_linked"));
        check(&two, "c", Some("account_not_linked"));
        check(&two, "", Some("account_ambiguous"));
        check(&two, "a", None);
        check(&two[..1], "", None);
        check(&two, "b", Some("reauth_required"));
    }
}
