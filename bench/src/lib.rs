//! Measured figures beside their limits.
