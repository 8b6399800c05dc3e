//! The rules of the engine, one by one.

mod commands;
mod own_jobs;
mod restore;
mod session;
