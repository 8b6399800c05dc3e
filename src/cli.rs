//! The commands, one a file: load, call, render.

pub mod logs;
pub mod rehearse;
