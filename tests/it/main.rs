//! The integration tests: the proofs of DESIGN 3.

mod fault_sweep;
mod kill_sweep;
mod rules;
mod site;
mod variants;
