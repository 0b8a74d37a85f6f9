//! Create, get, list, update and delete destinations.

use bus::EventKind;
use domain::{
    ids::DestinationId, platform::Platform, platform_settings::PlatformSettings, settings::Settings, target::RtmpUrl,
};
use tonic::Code;
use wire::v1;

use super::{
    destination_id,
    respond::{check_name, page},
    stream_id,
    streams::reload,
    tenant,
};
use crate::{
    ctx::Ctx,
    error::Error,
    rows::DestinationRow,
    settle::{about, settle, tell},
    store::{
        broadcasts,
        destinations::{self, Change, Filter, New},
        outbox, sessions, streams,
    },
};

#[tracing::instrument(name = "orchestrator.create_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn create(ctx: &Ctx, r: v1::CreateDestinationRequest) -> Result<v1::Destination, Error> {
    let (tenant, id, stream) = (tenant(&r.tenant_id)?, destination_id(&r.destination_id)?, stream_id(&r.stream_id)?);
    check_name(&r.name, "name", ctx.options.name_chars)?;
    let platform = platform(r.platform)?;
    let settings = settings(r.settings.unwrap_or_default())?;
    check_url(ctx, platform, &r.rtmp_url)?;
    let platform_settings = platform_settings(platform, r.platform_settings.unwrap_or_default())?;
    ctx.db
        .bounded(async {
            let mut tx = ctx.db.begin().await?;
            // The tenant's lock before the stream's, as everywhere.
            let (of_tenant, of_stream) = destinations::count_for_creation(&mut tx, &tenant, stream).await?;
            streams::lock(&mut tx, &tenant, stream).await?.ok_or(Error::NotFound)?;
            if let Some(known) = destinations::get(&mut tx, &tenant, id).await? {
                return if known.stream() == stream { Ok(known.to_wire()) } else { Err(taken()) };
            }
            check_limits(ctx, of_tenant, of_stream)?;
            let new = New {
                id,
                stream,
                tenant: &tenant,
                platform,
                name: &r.name,
                enabled: r.is_enabled,
                settings: &settings,
                rtmp_url: &r.rtmp_url,
                account_id: &r.account_id,
                platform_settings: &platform_settings,
            };
            if !destinations::insert(&mut tx, new, ctx.now_ms()).await? {
                return Err(taken());
            }
            let row = destinations::get(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            tx.commit().await?;
            Ok(row.to_wire())
        })
        .await
}

fn taken() -> Error {
    let message = "This id is taken. Try again.".to_owned();
    Error::Refused { code: Code::AlreadyExists, error_code: "id_taken", field: None, message }
}

fn check_limits(ctx: &Ctx, of_tenant: i64, of_stream: i64) -> Result<(), Error> {
    let check = |have: i64, most: i64, whose: &str| {
        if have < most {
            return Ok(());
        }
        Err(Error::limit(format!("{whose} has {most} destinations, the most there can be. Delete one first.")))
    };
    check(of_tenant, ctx.options.destinations_per_tenant, "Your account")?;
    check(of_stream, ctx.options.destinations_per_stream, "This stream")
}

fn platform(number: i32) -> Result<Platform, Error> {
    v1::Platform::to_domain(number)
        .map_err(|_| Error::field("invalid_platform", "platform", "The platform is missing or unknown."))
}

fn settings(wire: v1::Settings) -> Result<Settings, Error> {
    Settings::try_from(wire)
        .map_err(|bad| Error::field("invalid_settings", bad.field, "The settings are out of range."))
}

/// The gateway has checked them; this is the last gate before they are stored.
fn platform_settings(platform: Platform, wire: v1::PlatformSettings) -> Result<PlatformSettings, Error> {
    let refuse =
        |field: &'static str| Error::field("invalid_settings", field, format!("{field} is not what {platform} takes."));
    let settings = PlatformSettings::try_from(wire).map_err(|bad| refuse(bad.field))?;
    match settings.check(platform).first() {
        Some(objection) => Err(refuse(objection.field)),
        None => Ok(settings),
    }
}

/// The gateway has checked it; this is the last gate before it is stored.
fn check_url(ctx: &Ctx, platform: Platform, url: &str) -> Result<(), Error> {
    if platform != Platform::RtmpCustom && url.is_empty() {
        return Ok(());
    }
    RtmpUrl::parse(url, ctx.options.targets)
        .map(drop)
        .map_err(|bad| Error::field(bad.code(), "rtmp_url", format!("rtmp_url {bad}")))
}

pub(super) async fn get(ctx: &Ctx, r: v1::DestinationRef) -> Result<v1::Destination, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, destination_id(&r.destination_id)?);
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            let row = destinations::get(&mut conn, &tenant, id).await?.ok_or(Error::NotFound)?;
            Ok(row.to_wire())
        })
        .await
}

pub(super) async fn list(ctx: &Ctx, r: v1::ListDestinationsRequest) -> Result<v1::ListDestinationsResponse, Error> {
    let tenant = tenant(&r.tenant_id)?;
    let optional =
        |text: &str| -> Result<Option<_>, Error> { if text.is_empty() { Ok(None) } else { stream_id(text).map(Some) } };
    let filter = Filter {
        stream: optional(&r.stream_id)?,
        platform: if r.platform == 0 { None } else { Some(platform(r.platform)?) },
        enabled: r.is_enabled,
        after: if r.after_id.is_empty() { None } else { Some(destination_id(&r.after_id)?) },
        limit: page(r.limit, ctx.options.page),
    };
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            let rows = destinations::list(&mut conn, &tenant, filter).await?;
            Ok(v1::ListDestinationsResponse { destinations: rows.iter().map(DestinationRow::to_wire).collect() })
        })
        .await
}

/// A change of settings, address or key while live reaches the running session of this destination only, and forgives
/// an old fault. Switching it off while live stops only it; switching it on brings it into the run. What is asked of the
/// platform never disturbs a session; another account needs another broadcast.
#[tracing::instrument(name = "orchestrator.update_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn update(ctx: &Ctx, r: v1::UpdateDestinationRequest) -> Result<v1::Destination, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, destination_id(&r.destination_id)?);
    if let Some(name) = &r.name {
        check_name(name, "name", ctx.options.name_chars)?;
    }
    let settings = r.settings.map(settings).transpose()?;
    let row = ctx
        .db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let row = locked(&mut tx, &tenant, id).await?;
            if let Some(url) = &r.rtmp_url {
                check_url(ctx, row.platform(), url)?;
            }
            let running = streams::get(&mut tx, &tenant, row.stream()).await?.is_some_and(|s| s.is_running());
            let switched_on = running && r.is_enabled == Some(true) && !row.is_enabled;
            let new_url = r.rtmp_url.as_ref().is_some_and(|url| *url != row.rtmp_url);
            let new_settings = settings.as_ref().is_some_and(|s| *s != row.settings());
            let wishes = r.platform_settings.clone().map(|w| platform_settings(row.platform(), w)).transpose()?;
            let new_wishes = wishes.as_ref().is_some_and(|w| *w != row.broadcast.platform_settings.0);
            let new_account = r.account_id.as_ref().is_some_and(|account| *account != row.account_id);
            let respec = r.key_changed || new_url || new_settings;
            let change = Change {
                name: r.name.as_deref(),
                enabled: r.is_enabled,
                attached: switched_on.then_some(true),
                settings: settings.as_ref(),
                rtmp_url: r.rtmp_url.as_deref(),
                respec,
                account_id: r.account_id.as_deref(),
                platform_settings: wishes.as_ref(),
                forgive: respec || new_wishes || new_account,
            };
            destinations::update(&mut tx, id, change).await?;
            if new_account && row.broadcast.is_open() {
                broadcasts::another(&mut tx, id).await?;
            }
            if r.key_changed || new_url {
                sessions::unprove(&mut tx, id).await?;
            }
            let world = reload(&mut tx, row.stream()).await?;
            settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
            let row = destinations::get(&mut tx, &tenant, id).await?.ok_or(Error::NotFound)?;
            tx.commit().await?;
            Ok(row)
        })
        .await?;
    ctx.wake.reconcile(row.stream());
    Ok(row.to_wire())
}

/// A destination, with its stream locked.
pub(super) async fn locked(
    tx: &mut crate::db::Tx,
    tenant: &domain::ids::TenantId,
    id: DestinationId,
) -> Result<DestinationRow, Error> {
    let row = destinations::get(tx, tenant, id).await?.ok_or(Error::NotFound)?;
    streams::lock(tx, tenant, row.stream()).await?.ok_or(Error::NotFound)?;
    destinations::get(tx, tenant, id).await?.ok_or(Error::NotFound)
}

/// Hides it at once, stops only it, and has the vault forget its secrets.
#[tracing::instrument(name = "orchestrator.delete_destination", skip_all, fields(destination = r.destination_id))]
pub(super) async fn delete(ctx: &Ctx, r: v1::DestinationRef) -> Result<v1::Empty, Error> {
    let (tenant, id) = (tenant(&r.tenant_id)?, destination_id(&r.destination_id)?);
    let stream = ctx
        .db
        .bounded(async {
            let now_ms = ctx.now_ms();
            let mut tx = ctx.db.begin().await?;
            let row = locked(&mut tx, &tenant, id).await?;
            destinations::delete(&mut tx, id, now_ms).await?;
            outbox::delete_secrets(&mut tx, &tenant, row.stream(), Some(id), now_ms).await?;
            let world = reload(&mut tx, row.stream()).await?;
            if world.stream.is_running() && row.is_wanted() {
                let data = about(&row, &row.status);
                tell(&mut tx, &world, Some(&row), EventKind::DestinationRemoved, data, now_ms).await?;
            }
            settle(&mut tx, &world, ctx.options.errors_per_run, now_ms).await?;
            tx.commit().await?;
            Ok(row.stream())
        })
        .await?;
    ctx.wake.reconcile(stream);
    Ok(v1::Empty {})
}
