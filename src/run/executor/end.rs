//! The end of an execution is a look at the site: what earlier executions recorded as done was not
//! judged again by this one (`design.md` 3, rule 6).

use super::{Checked, Execution, Halt};
use crate::model::Problem;
use crate::run::exit::Exit;
use crate::run::journal::JournalError;
use crate::run::preflight::{Verdict, verdict};
use crate::step::{Effect, Standing};

impl Execution<'_> {
    /// Looks at what earlier executions did, and does again what is not so any more. A halt where
    /// it is not to be seen, or cannot be done again.
    pub(super) async fn look_back(
        &self,
        checked: &[Checked],
        loss_seconds: &mut Option<i64>,
    ) -> Result<Option<Halt>, JournalError> {
        if checked.iter().all(|it| !it.done) {
            return Ok(None);
        }
        let mut now = Vec::new();
        for it in checked {
            let mut seen = it.clone();
            // What this execution did, it has seen; what only reads has nothing there to be seen.
            if it.done && it.step.info().effect != Effect::ReadOnly {
                seen.standing = self.check(it.step).await?.1;
            } else {
                let why = "nothing to see".to_owned();
                seen.standing = Standing::Satisfied { why };
            }
            seen.done = false;
            self.leave_again(&mut seen)?;
            now.push(seen);
        }
        match verdict(&now, self.terms.consents(), self.operator.is_there()) {
            Verdict::NothingToDo => Ok(None),
            Verdict::No(no) => Ok(Some(no.into())),
            Verdict::Go { first } => {
                let step = now[first].step;
                let why = format!("{}, which was recorded done", again(&now[first].standing));
                if step.info().effect != Effect::Reversible {
                    let hint = "see what was done to the site since";
                    let problem = Problem::new(why, hint);
                    return Ok(Some(Halt::of_look(step, Exit::Blocked, problem)));
                }
                let first = self.go_back(&now, step, &why)?;
                Box::pin(self.take_turns(&now, first, loss_seconds)).await
            }
        }
    }
}

fn again(standing: &Standing) -> String {
    match standing {
        Standing::Pending { what, .. } => format!("there is work again: {what}"),
        Standing::Satisfied { why } => why.clone(),
        Standing::Blocked { blocks } => super::halt::blocked(blocks).reason(),
        Standing::Unknown(problem) => problem.reason(),
    }
}
