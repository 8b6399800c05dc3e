//! Runs: the executor, its journal and its resumption (DESIGN 5, 8).

pub mod event;
