//! Public REST, SSE and OpenAPI front. Stateless: it checks who asks and what, and passes it on. It holds no secrets
//! beyond a request, resolves no names and calls no platform.

pub mod app;
pub mod auth;
mod cleanup;
pub mod codes;
pub mod config;
mod edge;
pub mod error;
pub mod event_slots;
mod fields;
mod idempotency;
pub mod input;
pub mod metric;
mod openapi;
pub mod platforms;
pub mod rate;
mod request;
pub mod router;
mod routes;
pub mod serve;
mod strict_json;
pub mod upstream;
pub mod view;
