//! Steps that a run goes on without (`design.md` 3, rule 18), and those that a site does not have.

use super::Step;
use super::failover::mirror_compliance;
use crate::site::Site;

/// What a run goes on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Optional {
    /// As in "done, without a mirror".
    pub without: &'static str,
    /// The interlock with which it is left out before the point of no return.
    pub interlock: &'static str,
    /// The step that serves users: it does not wait for this one.
    pub serves: Step,
    /// What is at risk where users are served before it is done; `None` where they are in every order.
    pub risk: Option<&'static str>,
}

impl Step {
    /// Whether a plan for that site has it: a site file that does not ask for it has the plan that it
    /// always had.
    pub fn is_wanted(self, site: &Site) -> bool {
        let of_log_backups = matches!(self, Step::StartLogBackups | Step::StopLogBackups);
        let of_compliance = self == Step::MirrorCompliance;
        (!of_log_backups || site.log_backups.is_some())
            && (!of_compliance || mirror_compliance::is_wanted(site))
    }
}
