//! pchadr runs the failover of a Persistent Chat pool as one reviewed, rehearsed, resumable,
//! recorded command.
//!
//! # The map
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the commands, one a file: load, call, render |
//! | [`site`], [`runbook`] | what an administrator writes: `site.toml`, the ordered steps; [`problem`] tells all that is wrong with either |
//! | [`plan`] | a runbook bound to a site: every command spelled out, with holes for what the run finds |
//! | [`run`] | the executor, its preflight, journal and resumption |
//! | [`report`] | what is seen of plans and runs: terminal, JSON lines, Markdown |
//! | [`status`], [`check`] | where everything stands; whether it is ready to be switched |
//! | [`step`] | the steps: each observes, judges, acts, and observes again |
//! | [`access`] | the doors outside: SQL Server, PowerShell, shares, the clock |
//! | [`model`] | names, LSNs, backup headers, the log chain: no I/O |
//! | [`rehearsal`] | the simulated site behind the same doors |
//!
//! Dependencies point one way: `cli` → `run`, `plan`, `report` → `step` → `access` → `model`.
//! `rehearsal` knows the site and `model`, stands behind the doors, and knows nothing of steps,
//! plans or runs. A test keeps watch (`tests/it/house.rs`).
//!
//! # What is never broken
//!
//! - The site is the truth: success is what a second observation says, not what a call returned.
//! - A record is durable before what it announces is sent; a record that cannot be written stops the run.
//! - Unknown is never taken for absent, unreachable never for empty.
//! - What changes the site is a command of the plan with its holes bound, byte for byte.
//! - No recovery while a log backup is left to apply, unless exactly that loss was accepted.
//! - Never two writable chat databases of one family.
//! - Values never become code: one module quotes ([`model::quote`]).
//!
//! # Words
//!
//! *Site*: the stretched pool, as its site file describes it. *Instance*: a SQL Server instance in one
//! of four roles: primary, primary mirror, backup, backup mirror. *Log chain*: log backups that follow
//! one another by LSN from the *redo start* on. *Facts*: what a step observed. *Standing*: satisfied,
//! pending, blocked or unknown. *Overtaken*: made moot by a later step that is satisfied. *Interlock*: a
//! block that can be overridden by its id and a reason. *Point of no return*: `recover-database`.
//! *Rehearsal*: the same run against a simulated site.

pub mod access;
pub mod approval;
pub mod check;
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
