//! The integration tests: the proofs of `design.md` 3.

mod abort;
mod approval;
mod asleep;
mod before_b1;
mod downtime;
mod failback;
mod failback_guards;
mod fault_sweep;
mod fence;
mod fixtures_headers;
mod frozen;
mod kill_sweep;
mod log_backups;
mod outlived;
mod real_logs;
mod returns;
mod rules;

mod runs;
mod said;
mod schedules;
mod seed;
mod site;
mod sql_live;
mod steps;
mod stop_at_question;
mod sweep;

// The program as its users meet it, and the house it is built in.
mod check;
mod commands;
mod defect;
mod disk;
mod documents;
mod holding_on;
mod house;
mod limits;
mod logs;
mod pasted;
mod plan;
mod planned;
mod practice;
mod program;
mod readme;
mod report;
mod users_first;
mod variants;
mod ways_out;
mod words;
