//! What a worker does besides its sessions: takes commands, keeps leases, listens, reports, advertises itself.

pub mod advert;
pub mod claim;
pub mod clients;
pub mod context;
pub mod control;
pub mod leases;
pub mod puller;
pub mod registry;
pub mod reporter;
pub mod service;
