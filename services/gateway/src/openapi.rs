//! The parts of the API's description that belong to no single route.

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

const ABOUT: &str = "One live source, many destinations: create a stream, publish to its ingest URL, add destinations, \
press start.\n\nAnswers are `{\"success\":true,\"data\":…}` or `{\"success\":false,\"error\":{code,message,request_id,fields}}`. \
Every code has a page in `docs/errors`. An id that does not exist, one that is somebody else's and a text that is no \
id are all the same 404. Every request may also be answered with 401, 403, 413, 415, 429 or 503.";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Exprsn Live", description = ABOUT, license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags(
        (name = "streams", description = "A source and its ingest key"),
        (name = "destinations", description = "Where a stream is sent to"),
        (name = "simulcast", description = "Start, stop, watch")
    )
)]
struct Base;

/// Title, tags and the bearer scheme; the routes add the rest.
pub fn base() -> OpenApi {
    let mut api = Base::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "`sub` owns what it creates. An optional `scope` must contain `live` (or `live:read` for GET).",
        ))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    api.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    api
}
