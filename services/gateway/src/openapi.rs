//! The parts of the API's description that belong to no single route.

use axum::http::StatusCode;
use utoipa::{
    OpenApi as _,
    openapi::{
        ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, Parameter, ParameterIn, PathItem},
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
        (name = "accounts", description = "Signing in to platforms"),
        (name = "platforms", description = "What one platform has beside going live"),
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

/// Adds what every route has: a unique operation id, a description of each answer, and the errors that come before a
/// route's own.
pub fn complete(mut api: OpenApi) -> OpenApi {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            for status in statuses(method, operation) {
                operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(error()));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = reason(status).to_owned();
                }
            }
        }
    }
    api
}

/// What may be answered before a route's own work begins: by the edge, the token, the query, the body and the idempotency key.
fn statuses(method: &str, operation: &Operation) -> &'static [&'static str] {
    let is_in_query = |p: &RefOr<Parameter>| matches!(p, RefOr::T(p) if matches!(p.parameter_in, ParameterIn::Query));
    match (method, operation.parameters.iter().flatten().any(is_in_query)) {
        ("get", false) => &["401", "403", "429", "503"],
        ("get", true) => &["401", "403", "422", "429", "503"],
        _ => &["400", "401", "403", "408", "409", "413", "415", "422", "429", "503"],
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// `get_simulcast_id_status` for `GET /api/simulcast/{id}/status`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(['/', '{', '}', '-']).filter(|word| !word.is_empty() && *word != "api");
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

fn error() -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().content("application/json", body).build()
}

fn reason(status: &str) -> &str {
    status
        .parse()
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .and_then(|s| s.canonical_reason())
        .unwrap_or("?")
}
