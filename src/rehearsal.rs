//! The simulated site (`design.md` 10): it obeys SQL Server's and Skype's rules as `reference/` states
//! them, each rule with its source, and refuses loudly what it does not know.
//!
//! It knows the site and `model`, stands behind the doors of [`crate::access`], and shares no
//! statement text with `src/sql`: else it would only confirm what it was told.

mod assembly;
pub mod backup_file;
pub mod backup_set;
pub mod catalog;
pub mod certificate;
pub mod cmdlets;
pub mod engine;
pub mod folders;
mod german;
pub mod hex;
mod kept;
pub mod lab;
pub mod manner;
pub mod message;
pub mod network;
pub mod select;
pub mod simulated;
pub mod tds;
pub mod trouble;
pub mod tsql;
pub mod type_name;
pub mod value;
pub mod world;
