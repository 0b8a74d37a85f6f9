//! JetStream subjects, envelopes, publishing and consuming.
