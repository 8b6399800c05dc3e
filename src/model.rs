//! The words of the field as types: no I/O, no async, no clock.

pub mod chain;
pub mod commands;
pub mod direction;
pub mod document;
pub mod header;
pub mod lsn;
pub mod names;
pub mod problem;
pub mod quote;
pub mod states;
pub mod words;

pub use chain::LogChain;
pub use direction::Direction;
pub use document::Document;
pub use header::BackupHeader;
pub use lsn::Lsn;
pub use names::{DatabaseName, Fqdn, Instance, Role, SharePath, SqlServer};
pub use problem::{IntoRemedies, Place, Problem, Remedy, WayOn};
