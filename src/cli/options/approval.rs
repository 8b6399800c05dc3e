//! The options of plans that are approved.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CONFIG, TableForm};

/// What `failover` and `failback` take to save a plan, or to run one that was approved.
#[derive(Clone, Debug, Default, Args)]
pub struct ApprovalOptions {
    /// Save the plan, and what the site is now, to FILE, to be approved: read the site, change nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "pause", "approved"])]
    pub plan_out: Option<PathBuf>,

    /// Run only the plan that was saved to FILE, and only while the site is what it was then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "runbook"])]
    pub approved: Option<PathBuf>,
}

/// `pchadr plan`, as typed.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// See whether a saved plan is still that of the site file; with --live, of the site
    Verify(VerifyPlanOptions),
}

/// `pchadr plan verify`, as typed.
#[derive(Debug, Args)]
pub struct VerifyPlanOptions {
    /// The plan, as --plan-out saved it
    #[arg(value_name = "PLAN")]
    pub file: PathBuf,

    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Look at the site too, and compare every fact: change nothing
    #[arg(long)]
    pub live: bool,

    /// The form.
    #[command(flatten)]
    pub form: TableForm,
}
