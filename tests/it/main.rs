//! The integration tests: the proofs of DESIGN 3.

mod failback;
mod failback_guards;
mod fault_sweep;
mod kill_sweep;
mod site;
