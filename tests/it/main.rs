//! The integration tests: the proofs of `design.md` 3.

mod abort;
mod asleep;
mod before_b1;
mod downtime;
mod failback;
mod failback_guards;
mod fault_sweep;
mod fixtures_headers;
mod frozen;
mod kill_sweep;
mod real_logs;
mod rules;
mod site;
mod sql_live;
mod steps;
mod sweep;

// The program as its users meet it, and the house it is built in.
mod commands;
mod defect;
mod documents;
mod holding_on;
mod house;
mod logs;
mod plan;
mod program;
mod readme;
mod variants;
