//! The rules of the engine, one by one.

mod commands;
mod restore;
mod session;
