//! Redis leases with epochs, deadlines and desired state.
