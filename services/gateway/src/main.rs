//! Public REST, SSE and OpenAPI front.

fn main() {}
