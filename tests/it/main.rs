//! The integration tests: the proofs of DESIGN 3.

mod kill_sweep;
mod site;
