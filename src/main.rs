//! The program: what comes from outside enters here, once; `lib.rs` has the map.

use std::io::{BufWriter, stderr, stdout};
use std::process::ExitCode;

use pchadr::cli::{self, Environment, defect};

fn main() -> ExitCode {
    defect::exit_on_panic();
    let environment = Environment::of_process();
    let mut out = BufWriter::new(stdout());
    let exit = cli::run(std::env::args_os(), &environment, &mut out, &mut stderr());
    ExitCode::from(exit.code())
}
