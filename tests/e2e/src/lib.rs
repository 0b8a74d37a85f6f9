//! Cross-service tests on real servers.
