//! Requests about platforms become typed before anything is done with them.

use domain::{ids::TenantId, platform::Platform, platform_settings::PlatformSettings};
use service_kit::grpc;
use tonic::{Code, Status};
use uuid::Uuid;
use wire::{Malformed, v1};

use super::request;
use crate::{
    broadcasts::{Ask, Observed, On, Reference, check_thumbnail},
    platforms::Thumbnail,
};

/// The longest text to search for, characters.
const MAX_QUERY: usize = 100;
/// Categories when no limit is given, and at most: Twitch's own numbers.
const CATEGORIES: u32 = 20;
const MAX_CATEGORIES: u32 = 100;

pub(super) fn platform(number: i32) -> Result<Platform, Status> {
    v1::Platform::to_domain(number).map_err(malformed)
}

pub(super) fn account(request: v1::AccountRef) -> Result<(TenantId, Uuid), Status> {
    Ok((request::tenant(request.tenant_id)?, request::id(&request.account_id, "account_id")?))
}

pub(super) fn reference(broadcast: Option<v1::BroadcastRef>) -> Result<Reference, Status> {
    let broadcast = broadcast.ok_or_else(|| request::malformed("broadcast"))?;
    if broadcast.run_ms <= 0 {
        return Err(request::malformed("run_ms"));
    }
    if i32::try_from(broadcast.take).is_err() {
        return Err(request::malformed("take"));
    }
    let destination = request::destination(&broadcast.destination_id)?;
    Ok(Reference { destination, run_ms: broadcast.run_ms, take: broadcast.take })
}

pub(super) fn prepare(request: v1::PrepareRequest) -> Result<Ask, Status> {
    let platform = platform(request.platform)?;
    Ok(Ask {
        tenant: request::tenant(request.tenant_id)?,
        reference: reference(request.broadcast)?,
        platform,
        account: request::optional(&request.account_id, |id| request::id(id, "account_id"))?,
        stream_title: request.stream_title,
        settings: settings(request.settings, platform)?,
    })
}

pub(super) fn observed(one: v1::Observed) -> Result<Observed, Status> {
    let (tenant, reference) = (request::tenant(one.tenant_id)?, reference(one.broadcast)?);
    Ok(Observed { tenant, reference, publishing_ms: one.publishing_since_ms.max(0) })
}

/// What the platform does not take is refused by field; the orchestrator has refused it before.
pub(super) fn settings(settings: Option<v1::PlatformSettings>, platform: Platform) -> Result<PlatformSettings, Status> {
    let settings: PlatformSettings = settings.unwrap_or_default().try_into().map_err(malformed)?;
    match settings.check(platform).into_iter().next() {
        None => Ok(settings),
        Some(objection) => {
            let message = format!("{} {}.", objection.field, objection.message);
            Err(grpc::status(Code::InvalidArgument, "invalid_settings", Some(objection.field), message))
        }
    }
}

pub(super) fn on(on: Option<v1::FeatureRef>) -> Result<On, Status> {
    let on = on.ok_or_else(|| request::malformed("on"))?;
    let platform = platform(on.platform)?;
    Ok(On {
        tenant: request::tenant(on.tenant_id)?,
        destination: request::destination(&on.destination_id)?,
        platform,
        account: request::optional(&on.account_id, |id| request::id(id, "account_id"))?,
        settings: on.settings.unwrap_or_default().try_into().map_err(malformed)?,
    })
}

pub(super) fn category_search(query: String, limit: u32) -> Result<(String, u32), Status> {
    let query = query.trim().to_owned();
    if query.is_empty() || query.chars().count() > MAX_QUERY {
        return Err(request::malformed("query"));
    }
    Ok((query, if limit == 0 { CATEGORIES } else { limit.min(MAX_CATEGORIES) }))
}

pub(super) fn thumbnail(content_type: &str, image: Vec<u8>) -> Result<Thumbnail, Status> {
    check_thumbnail(content_type, image).map_err(|invalid| {
        let message = format!("The picture {invalid}.");
        grpc::status(Code::InvalidArgument, "thumbnail_invalid", Some("thumbnail"), message)
    })
}

/// Two days, the second after the first.
pub(super) fn dates(from: String, to: String) -> Result<(String, String), Status> {
    for (date, field) in [(&from, "from_date"), (&to, "to_date")] {
        if !is_date(date) {
            return Err(request::malformed(field));
        }
    }
    if from >= to { Err(request::malformed("to_date")) } else { Ok((from, to)) }
}

fn is_date(text: &str) -> bool {
    time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).is_ok()
}

fn malformed(malformed: Malformed) -> Status {
    request::malformed(malformed.field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<T>(refused: Result<T, Status>) -> Option<String> {
        refused.err().as_ref().and_then(grpc::error_field).map(str::to_owned)
    }

    #[test]
    fn references_and_dates_are_checked() {
        let good = v1::BroadcastRef { destination_id: Uuid::nil().to_string(), run_ms: 1, take: 0 };
        assert_eq!(field(reference(Some(good.clone()))), None);
        assert_eq!(field(reference(Some(v1::BroadcastRef { run_ms: 0, ..good.clone() }))).as_deref(), Some("run_ms"));
        assert_eq!(field(reference(Some(v1::BroadcastRef { take: u32::MAX, ..good }))).as_deref(), Some("take"));
        assert_eq!(field(reference(None)).as_deref(), Some("broadcast"));
        let check = |from: &str, to: &str| field(dates(from.to_owned(), to.to_owned()));
        assert_eq!(check("2026-01-31", "2026-02-01"), None);
        assert_eq!(check("2026-02-30", "2026-03-01").as_deref(), Some("from_date"));
        assert_eq!(check("2026-02-01", "2026-02-01").as_deref(), Some("to_date"));
    }

    #[test]
    fn foreign_settings_are_refused_by_field() {
        let dvr = v1::PlatformSettings { dvr: Some(true), ..Default::default() };
        assert_eq!(field(settings(Some(dvr.clone()), Platform::Twitch)).as_deref(), Some("dvr"));
        assert_eq!(field(settings(Some(dvr), Platform::Youtube)), None);
        assert_eq!(field(settings(None, Platform::Twitch)), None);
    }
}
