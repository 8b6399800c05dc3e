//! How a step comes to a halt, and how that is told.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Problem, Remedy, WayOn};
use crate::run::event::{ErrorRecord, Outcome};
use crate::run::exit::Exit;
use crate::run::preflight::{No, seen};
use crate::step::{Block, Standing, Step};

/// How a step, or the run, came to a halt.
pub(super) struct Halt {
    pub(super) at: Step,
    pub(super) exit: Exit,
    /// What it is about; the step where that is all there is to say.
    what: String,
    pub(super) problem: Problem,
}

impl Halt {
    /// By what the step did.
    pub(super) fn new(at: Step, exit: Exit, mut problem: Problem) -> Self {
        let what = std::mem::take(&mut problem.what);
        let mut halt = Self::of_look(at, exit, problem);
        if !what.is_empty() {
            halt.what = format!("{}: `{what}`", halt.what);
        }
        halt
    }

    /// By what was seen: which read showed it is of no use to anybody.
    pub(super) fn of_look(at: Step, exit: Exit, problem: Problem) -> Self {
        let what = format!("step `{}`", at.id());
        Self {
            at,
            exit,
            what,
            problem,
        }
    }

    /// As it is recorded. What stopped goes on, that way; what was refused is begun anew.
    /// `ways` are those besides; chat may be down since some time.
    pub(super) fn record(
        self,
        outcome: Outcome,
        way_on: WayOn,
        down_since: Option<Timestamp>,
        ways: Vec<Remedy>,
    ) -> ErrorRecord {
        let mut problem = match outcome {
            Outcome::Stopped => self.problem.then_go_on(),
            Outcome::Done | Outcome::Undone | Outcome::Refused => self.problem.then_begin(),
        };
        // First comes what goes on, then what else can be done.
        problem.remedies.extend(ways);
        if let Some(since) = down_since {
            let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
            problem
                .evidence
                .insert(0, format!("chat is down since {since}"));
        }
        ErrorRecord::of(&self.what, &problem, way_on)
    }
}

impl From<No> for Halt {
    fn from(no: No) -> Self {
        let No {
            exit,
            at,
            what,
            problem,
        } = no;
        Self {
            at,
            exit,
            what,
            problem,
        }
    }
}

/// Why a step that acted is not met: what the act said, or nothing where it only did not show within
/// the limit; and what stands in the way now, with the remedies of both.
pub(super) fn not_met(said: Option<Problem>, limit: Duration, standing: &Standing) -> Problem {
    let unsaid = said.is_none();
    let mut problem = said
        .unwrap_or_else(|| format!("its effect did not show within {} s", limit.as_secs()).into());
    let seen = match standing {
        Standing::Satisfied { why } => why.clone().into(),
        Standing::Pending { what, .. } => format!("still to do: {what}").into(),
        Standing::Blocked { blocks } => blocked(blocks),
        Standing::Unknown(problem) => problem.about("whether it took effect is not known"),
    };
    problem.why = format!("{}; {seen}", problem.why);
    if problem.place.is_none() {
        problem.place = seen.place;
        problem.number = seen.number;
    }
    problem.evidence.extend(seen.evidence);
    // What was refused comes first; what is in the way now, behind it.
    for remedy in seen.remedies {
        if !problem.remedies.contains(&remedy) {
            problem.remedies.push(remedy);
        }
    }
    if unsaid && problem.remedies.is_empty() {
        problem = problem.or("see the site with `pchadr status`");
    }
    // Where the step itself says what happened, a general remedy would be a wrong one.
    let elsewhere = problem.place.is_some() || problem.number.is_some();
    if elsewhere || matches!(standing, Standing::Unknown(_)) {
        problem = problem.with_remedy();
    }
    problem
}

/// Every reason why a step must not run, as one.
pub(super) fn blocked(blocks: &[Block]) -> Problem {
    if let [only] = blocks {
        return only.problem.clone();
    }
    let why: Vec<String> = blocks.iter().map(Block::why).collect();
    let mut remedies: Vec<Remedy> = Vec::new();
    for remedy in blocks.iter().flat_map(|block| &block.problem.remedies) {
        if !remedies.contains(remedy) {
            remedies.push(remedy.clone());
        }
    }
    Problem {
        evidence: seen(blocks.iter().map(|block| &block.problem)),
        ..Problem::new(why.join("; "), remedies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Instance, Place, Role};
    use crate::step::Lift;
    use crate::step::hands::StepError;

    const LIMIT: Duration = Duration::from_secs(90);

    fn problem(number: Option<u32>, remedy: &'static str) -> Problem {
        let problem = Problem {
            number,
            ..Problem::new("no", remedy)
        };
        problem.at(Place::Instance {
            instance: Instance::chat(Role::Backup),
            server: "sql3".to_owned(),
        })
    }

    fn block(remedy: &'static str) -> Block {
        Block {
            id: "busy".to_owned(),
            problem: Problem::new("in use", remedy),
            cleared_by: None,
            lift: Lift::Site,
        }
    }

    /// Reason, number and remedies as they reach the operator.
    fn told(said: Option<Problem>, standing: &Standing) -> (String, Option<u32>, String) {
        let halt = Halt::new(
            Step::RecoverDatabase,
            Exit::Stopped,
            not_met(said, LIMIT, standing),
        );
        let record = halt.record(Outcome::Stopped, WayOn::Resume, None, vec![]);
        assert!(!record.remedies.is_empty());
        (record.why, record.number, record.hint)
    }

    #[test]
    fn a_step_that_ends_in_the_way_of_something_keeps_the_remedies_of_its_error_and_of_every_block()
    {
        let blocked = Standing::Blocked {
            blocks: vec![block("end it"), block("close it")],
        };
        let (why, number, hint) = told(Some(problem(Some(3101), "wait")), &blocked);
        assert_eq!(why, "no; in use; in use");
        assert_eq!(number, Some(3101));
        assert_eq!(hint, "wait; end it; close it, then go on with --resume");
        let (why, _, hint) = told(None, &blocked);
        assert_eq!(why, "its effect did not show within 90 s; in use; in use");
        assert_eq!(hint, "end it; close it, then go on with --resume");
    }

    #[test]
    fn a_step_whose_end_cannot_be_seen_says_what_refused_to_show_it_and_what_mends_that() {
        let unknown = Standing::Unknown(problem(Some(229), "sign in as sysadmin"));
        let (why, number, hint) = told(None, &unknown);
        assert!(
            why.contains("whether it took effect is not known: backup (sql3): no"),
            "{why}"
        );
        assert_eq!(number, Some(229));
        assert_eq!(hint, "sign in as sysadmin, then go on with --resume");
    }

    #[test]
    fn a_step_that_nothing_is_known_of_names_a_command_that_shows_the_site() {
        let pending = Standing::Pending {
            what: "recover".to_owned(),
            underway: false,
        };
        let (_, _, hint) = told(None, &pending);
        assert_eq!(
            hint,
            "see the site with `pchadr status`, then go on with --resume"
        );
    }

    #[test]
    fn a_step_that_the_operator_stopped_names_no_remedy_but_to_go_on() {
        let pending = Standing::Pending {
            what: "recover".to_owned(),
            underway: false,
        };
        let stopped = || StepError::Stopped.problem();
        let (why, _, hint) = told(Some(stopped()), &pending);
        assert_eq!(why, "stopped by the operator; still to do: recover");
        assert_eq!(hint, "go on with --resume");
        let blocked = Standing::Blocked {
            blocks: vec![block("end it")],
        };
        let (.., hint) = told(Some(stopped()), &blocked);
        assert_eq!(hint, "end it, then go on with --resume");
        // Before anything was changed there is no run to go on with.
        let halt = Halt::new(Step::SaveLogShipping, Exit::Stopped, stopped());
        let record = halt.record(Outcome::Refused, WayOn::Resume, None, vec![]);
        assert_eq!(record.hint, "give the command again when you are ready");
    }

    #[test]
    fn what_was_refused_is_begun_anew_and_what_is_undone_is_aborted_again() {
        let halt = || Halt::new(Step::CopyBackups, Exit::Blocked, problem(None, "mend it"));
        let hint = |outcome, way_on| halt().record(outcome, way_on, None, vec![]).hint;
        assert_eq!(hint(Outcome::Refused, WayOn::Resume), "mend it");
        assert_eq!(
            hint(Outcome::Stopped, WayOn::Abort),
            "mend it, then abort again"
        );
    }
}
