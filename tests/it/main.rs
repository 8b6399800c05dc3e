//! The one integration test binary: the program as its users meet it, and the house it is built in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod commands;
mod defect;
mod house;
mod logs;
mod plan;
mod program;
mod readme;
