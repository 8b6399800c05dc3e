//! `pchadr lab` from the outside: real clients, real folders, a real subprocess.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![allow(clippy::explicit_write, clippy::large_futures)]

mod abort;
mod bench;
mod by_hand;
mod clients;
mod drive;
mod failback;
mod failover;
mod folder;
mod kills;
mod refusals;
mod secrets;
mod shell;
mod speed;
