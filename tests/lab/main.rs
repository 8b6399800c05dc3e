//! From the outside: `pchadr lab` with real clients, real folders and a real subprocess, and the
//! script for PowerShell in a real engine.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![allow(clippy::explicit_write, clippy::large_futures)]

mod abort;
mod approval;
mod bench;
mod by_hand;
mod check;
mod clients;
mod drive;
mod failback;
mod failover;
mod fence;
mod folder;
mod kills;
#[cfg(target_os = "linux")]
mod limits;
mod mirror;
mod outlived;
mod parts;
mod powershell;
mod practice;
mod record;
mod refusals;
mod secrets;
mod shell;
mod speed;
mod status;
