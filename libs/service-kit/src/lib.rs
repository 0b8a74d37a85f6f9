//! Configuration, telemetry, health endpoints, shutdown, clock and gRPC plumbing.
