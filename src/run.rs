//! Runs: the executor, its journal and its resumption (DESIGN 5, 8).

pub mod event;
pub mod fold;
pub mod journal;
pub mod recorder;
pub mod store;
