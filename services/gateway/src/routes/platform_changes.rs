//! Changed platform settings, brought to the platform at once where it can be changed now.

use domain::{ids::TenantId, platform_settings::PlatformSettings};
use wire::v1;

use super::of_destination;
use crate::{
    app::App,
    view::destination::{ChangeFault, PlatformChanges, read_settings},
};

/// The states of a stream with broadcasts that a change can reach.
const RUNNING: [&str; 2] = ["starting", "live"];

/// What becomes of a change that is stored already. The platform's refusal is part of the answer, not its failure: the
/// settings hold for the next broadcast in any case.
pub async fn after_update(
    app: &App,
    tenant: &TenantId,
    before: &v1::Destination,
    after: &v1::Destination,
) -> PlatformChanges {
    let read = |d: &v1::Destination| d.platform_settings.clone().map(read_settings).unwrap_or_default();
    let (old, new) = (read(before), read(after));
    let changes = new.since(&old);
    let mut later: Vec<String> = changes.given().into_iter().map(str::to_owned).collect();
    // What is taken back can't be asked for: the platform's default comes with the next broadcast.
    let gone = old.given().into_iter().filter(|name| !new.given().contains(name));
    let gone: Vec<String> = gone.map(str::to_owned).collect();
    if later.is_empty() || !runs(app, tenant, after).await {
        later.extend(gone);
        return PlatformChanges { later, ..PlatformChanges::default() };
    }
    let on = feature_ref(tenant, after, &new);
    let request = v1::ApplySettingsRequest { on: Some(on), changes: Some(changes.into()) };
    match app.upstream.apply_settings(request, app.platform_budget()).await {
        Ok(response) => {
            let mut outcome = PlatformChanges::from(response);
            outcome.later.extend(gone);
            outcome
        }
        Err(status) => {
            let refused = of_destination(status).body("").error;
            later.extend(gone);
            let error = Some(ChangeFault { code: refused.code, message: refused.message });
            PlatformChanges { applied: Vec::new(), later, error }
        }
    }
}

/// A destination, as the credentials service wants it named: with the settings that hold from now on.
pub fn feature_ref(tenant: &TenantId, destination: &v1::Destination, settings: &PlatformSettings) -> v1::FeatureRef {
    v1::FeatureRef {
        tenant_id: tenant.0.clone(),
        destination_id: destination.id.clone(),
        platform: destination.platform,
        account_id: destination.account_id.clone(),
        settings: Some(settings.clone().into()),
    }
}

async fn runs(app: &App, tenant: &TenantId, destination: &v1::Destination) -> bool {
    let stream = v1::StreamRef { tenant_id: tenant.0.clone(), stream_id: destination.stream_id.clone() };
    let found = app.upstream.get_stream(stream, app.budget()).await;
    found.is_ok_and(|stream| RUNNING.contains(&stream.status.as_str()))
}

impl From<v1::ApplySettingsResponse> for PlatformChanges {
    fn from(response: v1::ApplySettingsResponse) -> Self {
        let names = |names: Vec<String>| names.into_iter().map(rest_name).collect();
        Self { applied: names(response.applied), later: names(response.later), error: None }
    }
}

/// The credentials service names the one field with its unit.
fn rest_name(field: String) -> String {
    if field == "scheduled_start_s" { "scheduled_start".to_owned() } else { field }
}
