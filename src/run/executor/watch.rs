//! What was given up for dead may come back: it is looked for before each step behind the point of no
//! return of a failover, and at its end (`design.md` 3, rule 2).

use serde_json::json;

use super::turn::held_up;
use super::{Execution, Halt};
use crate::model::Direction;
use crate::run::journal::JournalError;
use crate::step::observe::writable;
use crate::step::{Standing, Step};

impl Execution<'_> {
    /// A halt where a second chat database serves beside the one that was recovered before `step`.
    pub(super) async fn two_before(&self, step: Step) -> Result<Option<Halt>, JournalError> {
        let mut before = self.plan.steps.iter().map(|planned| planned.step);
        let recovered = before
            .by_ref()
            .take_while(|it| *it != step)
            .any(Step::is_point_of_no_return);
        if recovered {
            self.two_writable(step).await
        } else {
            Ok(None)
        }
    }

    /// The same at the end, told of the last step.
    pub(super) async fn two_at_end(&self) -> Result<Option<Halt>, JournalError> {
        let steps = self.plan.taken();
        match steps.last() {
            Some(last) if steps.iter().any(|it| it.point_of_no_return) => {
                self.two_writable(last.step).await
            }
            Some(_) | None => Ok(None),
        }
    }

    pub(super) async fn two_writable(&self, at: Step) -> Result<Option<Halt>, JournalError> {
        if self.plan.direction != Direction::Failover {
            return Ok(None);
        }
        let seen = writable::everywhere(self.site, self.access).await;
        let Some(two) = writable::two(self.site, self.access, seen).await else {
            return Ok(None);
        };
        let standing = Standing::two_writable(&two);
        self.record_checked(at, &standing, &json!({ "writable": two }))?;
        Ok(held_up(at, &standing))
    }
}
