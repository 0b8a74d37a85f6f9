//! The map of paths, and the layers around it.

use axum::{
    Router,
    http::{HeaderName, Method, header},
    middleware,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config as SwaggerConfig, SwaggerUi};

use crate::{
    app::App,
    edge, openapi,
    routes::{
        accounts, attach, destinations, events,
        features::{facebook, settings, thumbnail, twitch, watch},
        ingest_key, oauth, platforms, simulcast, streams,
    },
};

/// Where the API's description is.
pub const OPENAPI_PATH: &str = "/api/openapi.json";
/// Where it is rendered.
pub const DOCS_PATH: &str = "/api/docs";

/// What a page of an allowed origin may send.
const REQUEST_HEADERS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    edge::X_REQUEST_ID,
];
/// What it may read besides the body.
const EXPOSED_HEADERS: [HeaderName; 3] =
    [edge::X_REQUEST_ID, header::RETRY_AFTER, HeaderName::from_static("idempotency-replayed")];

/// The whole public surface, except the endpoints of the people who run it. `cors_origins`: exact origins, or `*`.
pub fn router(app: App, cors_origins: &[axum::http::HeaderValue]) -> Router {
    let (routes, api) = documented().split_for_parts();
    let api = openapi::complete(api);
    let routes = routes.with_state(app.clone()).merge(docs(api)).fallback(edge::no_route);
    routes
        .method_not_allowed_fallback(edge::no_method)
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(middleware::from_fn_with_state(app, edge::limit_address))
        .layer(tower::util::option_layer(cors(cors_origins)))
        .layer(middleware::from_fn(edge::edge))
}

/// The description of every route, as `/api/openapi.json` serves it.
pub fn description() -> OpenApi {
    openapi::complete(documented().split_for_parts().1)
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(streams::create, streams::list))
        .routes(routes!(streams::show, streams::change, streams::remove))
        .routes(routes!(ingest_key::show))
        .routes(routes!(ingest_key::rotate))
        .routes(routes!(destinations::create, destinations::list))
        .routes(routes!(destinations::show, destinations::change, destinations::remove))
        .routes(routes!(destinations::test))
        .routes(routes!(platforms::list))
        .routes(routes!(oauth::auth_url))
        .routes(routes!(oauth::exchange))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::show, accounts::unlink))
        .routes(routes!(accounts::refresh_token))
        .routes(routes!(settings::youtube))
        .routes(routes!(thumbnail::put))
        .routes(routes!(twitch::categories))
        .routes(routes!(twitch::channel, settings::twitch))
        .routes(routes!(settings::facebook))
        .routes(routes!(facebook::pages))
        .routes(routes!(facebook::choose_page))
        .routes(routes!(facebook::insights))
        .routes(routes!(settings::cloudflare))
        .routes(routes!(watch::embed))
        .routes(routes!(watch::playback))
        .routes(routes!(watch::analytics))
        .routes(routes!(simulcast::start))
        .routes(routes!(simulcast::stop))
        .routes(routes!(simulcast::status))
        .routes(routes!(simulcast::health))
        .routes(routes!(simulcast::metrics))
        .routes(routes!(attach::add))
        .routes(routes!(attach::remove))
        .routes(routes!(events::follow))
}

/// Swagger UI from the binary itself: no page of ours loads anything from elsewhere.
fn docs(api: OpenApi) -> SwaggerUi {
    let config = SwaggerConfig::default().validator_url("none").try_it_out_enabled(true);
    SwaggerUi::new(DOCS_PATH).url(OPENAPI_PATH, api).config(config)
}

/// Without origins no header is sent, and no page of another origin can read an answer.
fn cors(origins: &[axum::http::HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed =
        if origins.iter().any(|o| o == "*") { AllowOrigin::any() } else { AllowOrigin::list(origins.to_vec()) };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(EXPOSED_HEADERS)
        .max_age(std::time::Duration::from_secs(600));
    Some(layer)
}
