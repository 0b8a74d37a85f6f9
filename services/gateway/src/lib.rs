//! Public REST, SSE and OpenAPI front.
