//! pchadr runs the failover and failback of a Persistent Chat pool as one reviewed, rehearsed,
//! resumable, recorded command.

pub mod access;
pub mod cli;
pub mod model;
pub mod plan;
pub mod problem;
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod runbook;
pub mod site;
pub mod status;
pub mod step;
