//! Broadcasts: one per destination and run, prepared, watched and finished; crash-safe and never twice at a time.
