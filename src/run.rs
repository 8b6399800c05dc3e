//! Runs: the executor, its journal and its resumption (`design.md` 5, 8).

// A wildcard once took a primary that lives for a silent one.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod archive;
pub mod copies;
pub mod event;
pub mod executor;
pub mod exit;
pub mod fold;
pub mod journal;
pub mod ledger;
pub mod operator;
pub mod orphaned;
pub mod preflight;
pub mod reading;
pub mod recorder;
pub mod resume;
pub mod store;
pub mod stored;
pub mod writer;
