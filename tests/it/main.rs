//! The integration tests: the proofs of DESIGN 3.

mod failback;
mod fault_sweep;
mod kill_sweep;
mod site;
