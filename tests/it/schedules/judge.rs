//! What comes after a schedule, and what is judged: the history of the world, the records, the end.

use std::collections::BTreeMap;

use pchadr::access::copy::WORK;
use pchadr::model::states::DatabaseState;
use pchadr::model::{Instance, Role};
use pchadr::rehearsal::world::{Executed, Outcome as Batch};
use pchadr::run::copies::{Inspected, Split};
use pchadr::run::event::{Outcome, RunFinished, StepOutcome};
use pchadr::run::executor::Way;
use pchadr::run::fold::{RunState, StepState};

use super::drive::{Case, OTHER, PAST};
use super::execution::{Ended, short};
use super::schedule::{Consents, Fault, Which};
use crate::asleep::drop_lock;
use crate::site::{assert_once, assert_same_end, effects, end, makes_sole};

/// Executions in which a run has to come to its end once nothing strikes it.
const TRIES: usize = 6;

/// What a person sends who does as the program says.
const BY_HAND: &str = "-- by hand";

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Undone,
    /// Nothing was changed.
    Refused,
    /// Nobody can tell where it stands: its record is damaged.
    Lost,
    /// The record that it was gone on with ends before what was done.
    Behind,
}

impl Case<'_> {
    /// Goes on with what the program says until the run has an end, and judges it.
    pub(crate) async fn end_it(&mut self) -> Result<End, String> {
        self.calm().await;
        let machine = if self.schedule.ends_elsewhere {
            self.machines
                .push(pchadr::run::store::MemoryStore::default());
            self.machines.len() - 1
        } else {
            self.last_machine
        };
        let other = if self.other.is_some() {
            Some(self.go_to_the_end(machine, OTHER).await?)
        } else {
            None
        };
        let ended = match self.go_to_the_end(machine, self.run()).await {
            // What another run did to its end is not for this one to do, or to undo.
            Err(_) if other == Some(End::Done) => End::Done,
            ended => ended?,
        };
        self.wake_the_last().await?;
        let machine = machine.min(self.machines.len() - 1);
        self.judge(machine, ended)?;
        Ok(ended)
    }

    async fn go_to_the_end(
        &mut self,
        mut machine: usize,
        mut run: &'static str,
    ) -> Result<End, String> {
        let mut back = self.schedule.turns_back && run != OTHER;
        let mut last = None;
        for _ in 0..TRIES {
            let stands = match self.state_of(machine, run) {
                Ok(stands) => stands,
                Err(split) => return self.lost(split),
            };
            let is_new = stands.is_none();
            match stands.as_ref().and_then(end_of) {
                // Nothing is in its way any more: one that begins anew comes to its end.
                Some(End::Refused) if self.goes_on_anew() => {
                    (machine, back) = (self.anew(), false);
                    run = self.run();
                    continue;
                }
                Some(end) => return Ok(end),
                None => {}
            }
            let way = match &stands {
                Some(state) if back || state.goes_back_only() => Way::Back,
                Some(_) | None => Way::On,
            };
            let ended = self.hold(machine, run, way).await?;
            match &ended {
                Ended::Finished(finished) => self.says(finished, is_new, &mut back).await?,
                // A session that holds the site sleeps; a person ends it.
                held if held.is_held() && self.has_sleepers() => drop_lock(&self.stage),
                Ended::Refused(_) => back = false,
                Ended::Broken(_) => {}
            }
            last = Some(ended);
        }
        let stands = self.state_of(machine, run);
        match stands.ok().flatten().as_ref().and_then(end_of) {
            Some(End::Refused) if self.goes_on_anew() => {}
            Some(end) => return Ok(end),
            None => {}
        }
        if !self.knows_all() {
            return Ok(End::Behind);
        }
        let last = last.as_ref().map(short);
        Err(format!("{run} never ends: {}", last.unwrap_or_default()))
    }

    fn goes_on_anew(&self) -> bool {
        self.schedule.consents != Consents::YesAlone && !self.has_sleepers() && self.other.is_none()
    }

    pub(super) fn state_of(&self, machine: usize, run: &str) -> Result<Option<RunState>, Split> {
        if run != OTHER {
            return self.stands(machine);
        }
        let bytes = self
            .other
            .as_ref()
            .map(pchadr::run::store::MemoryStore::bytes);
        let bytes = bytes.unwrap_or_default();
        Ok(Inspected::read(run, &bytes).state)
    }

    /// Does what a person does who reads what the program says.
    async fn says(
        &mut self,
        finished: &RunFinished,
        is_new: bool,
        back: &mut bool,
    ) -> Result<(), String> {
        if finished.outcome == Outcome::Refused && is_new && !effects(&self.stage).is_empty() {
            self.note("refused, though something was changed before");
        }
        let Some(error) = &finished.error else {
            return Ok(());
        };
        if error.why.is_empty() || (error.hint.is_empty() && finished.exit != 5) {
            return Err(format!("it says no way on: {error:?}"));
        }
        if error.hint.contains("pchadr fence") || self.primary_lives(&error.why) {
            // It is closed, or switched off: either ends what it serves.
            self.note("the first data center is switched off");
            for role in [Role::Primary, Role::PrimaryMirror] {
                self.stage.simulated.world.down(role);
            }
            let pool = &self.stage.simulated.pool;
            pool.lock().expect("the pool").set_alive(true, false);
        }
        if error.hint.contains("--override old-database-unreadable") {
            let lift = ("old-database-unreadable", "it was looked into by hand");
            let lift = (lift.0.to_owned(), lift.1.to_owned());
            self.terms.overrides.extend([lift]);
        }
        if error.hint.contains("take it OFFLINE there") {
            self.close_by_hand().await;
        }
        if self.turned_back && finished.outcome == Outcome::Refused {
            *back = true;
        }
        Ok(())
    }

    /// What the hint spells: the old primary's database is closed.
    async fn close_by_hand(&mut self) {
        self.note("the primary's chat database is set OFFLINE by hand");
        self.stage.reopen(&self.setting.drill.site);
        let name = self.setting.drill.site.database.chat.to_string();
        let name = name.replace(']', "]]");
        for change in ["PARTNER OFF", "OFFLINE WITH ROLLBACK IMMEDIATE"] {
            let opened = self.stage.access.sql.open(Instance::chat(Role::Primary));
            if let Ok(mut session) = opened.await {
                let text = format!("ALTER DATABASE [{name}] SET {change}; {BY_HAND}");
                let _ = session.send(&text).await;
            }
        }
    }

    fn primary_lives(&self, why: &str) -> bool {
        let returned = self.schedule.has(|it| matches!(it, Fault::Returns { .. }));
        returned && (why.contains("primary") || why.contains("first data center"))
    }

    /// A run of which nobody can tell: only where a record was damaged, or left behind.
    fn lost(&mut self, split: Split) -> Result<End, String> {
        let may_be = self.schedule.has(|it| {
            matches!(
                it,
                Fault::Flip { .. } | Fault::Disk { .. } | Fault::Kill { both: true, .. }
            )
        });
        self.note(format!("it is lost: {split}"));
        if may_be {
            Ok(End::Lost)
        } else {
            Err(format!("its record is lost: {split}"))
        }
    }

    /// Whether the run is done without what is optional: then another run makes that up.
    fn left_something(&self, machine: usize) -> bool {
        // A machine without a copy of its own knows it from the second one.
        let state = self.stands(machine).ok().flatten();
        let left = StepState::Ended(StepOutcome::Left);
        state.is_some_and(|it| it.steps.iter().any(|step| step.state == left))
    }

    fn judge(&self, machine: usize, ended: End) -> Result<(), String> {
        let simulated = &self.stage.simulated;
        let unknown = simulated.unknown();
        if !unknown.is_empty() {
            return Err(format!(
                "the world was asked what it does not know: {unknown:?}"
            ));
        }
        let two = self.two_writable();
        if !two.is_empty() {
            return Err(format!("two writable: {two:?}"));
        }
        one_number(&simulated.world.history())?;
        self.holds_all()?;
        if matches!(ended, End::Lost | End::Behind) {
            return Ok(());
        }
        for (which, copy) in [("first", &self.machines[machine]), ("second", &self.share)] {
            let bytes = copy.bytes();
            if let Some(damage) = Inspected::read(self.run(), &bytes).damage {
                return Err(format!("the {which} copy does not verify: {damage}"));
            }
        }
        self.stands(machine)
            .map_err(|split| format!("the two copies do not tell: {split}"))?;
        let mut made = effects(&self.stage);
        // Who signs in anew may be given the number of one that was ended.
        made.retain(|it| !it.contains(": KILL "));
        match ended {
            End::Refused if self.is_first() && self.knows_all() && !made.is_empty() => {
                Err(format!("refused, and it changed something: {made:#?}"))
            }
            End::Done if self.ends_as_ever() && !self.left_something(machine) => {
                let mut end = end(&self.stage);
                // Who fell asleep between a look and its write leaves a work file.
                end.files.retain(|(path, _)| !path.ends_with(WORK));
                said(|| assert_same_end(&end, &self.setting.whole.end, "the end"))?;
                // What somebody took back is done again.
                if !self
                    .schedule
                    .has(|it| matches!(it, Fault::StateBack { .. }))
                {
                    said(|| assert_once(&made, "the effects"))?;
                }
                Ok(())
            }
            // Two runs that know nothing of each other have the lock alone for these.
            End::Done if self.is_first() && !self.turned_back && !self.is_shaken() => {
                made.retain(|it| it.starts_with("Set-Cs") || it.starts_with("Install-Cs"));
                said(|| assert_once(&made, "the cmdlets"))
            }
            End::Done | End::Undone | End::Refused | End::Lost | End::Behind => Ok(()),
        }
    }

    /// What the world saw, but for a first data center that came back by itself beside a second one
    /// that serves already: that is nobody's fault.
    fn two_writable(&self) -> Vec<String> {
        // Where two serve from the beginning, one that comes back is no second one.
        let down = self.schedule.has(|it| matches!(it, Fault::Down { .. }));
        if down && self.setting.begins_with_two() {
            return Vec::new();
        }
        let mut two = self.stage.simulated.world.two_writable();
        if self.schedule.has(|it| matches!(it, Fault::Returns { .. })) {
            two.retain(|it| !it.starts_with("the primary") && !self.came_too_late);
        }
        two
    }

    /// No database serves that lacks messages which could be had (rule 3).
    fn holds_all(&self) -> Result<(), String> {
        let world = &self.stage.simulated.world;
        let name = self.setting.drill.site.database.chat.to_string();
        let serves = if self.setting.is_failover() {
            Role::Backup
        } else {
            Role::Primary
        };
        let whole = &self.setting.whole.end.instances;
        let whole = whole.database(Instance::chat(serves), &name);
        let wanted = whole.map_or(0, |it| it.messages);
        let summary = world.summary();
        for role in [Role::Backup, Role::Primary] {
            let Some(found) = summary.database(Instance::chat(role), &name) else {
                continue;
            };
            let of_this =
                found.messages > 0 && found.state == DatabaseState::Online && !found.standby;
            if of_this && found.messages < wanted {
                let has = found.messages;
                return Err(format!("the {role} serves {has} of {wanted} messages"));
            }
        }
        Ok(())
    }

    /// Whether every execution had the whole record: a machine without a copy of its own has what the
    /// second copy holds, and a new run nothing.
    fn knows_all(&self) -> bool {
        let is_behind = |it: &Fault| match it {
            Fault::Disk { which, .. } => *which == Which::Second,
            Fault::Kill { both, .. } => *both,
            Fault::Sleep { .. }
            | Fault::Late { .. }
            | Fault::DropLock { .. }
            | Fault::Down { .. }
            | Fault::Returns { .. }
            | Fault::Answers { .. }
            | Fault::Statement { .. }
            | Fault::Cmdlet { .. }
            | Fault::Flip { .. }
            | Fault::Number { .. }
            | Fault::StateBack { .. }
            | Fault::Second { .. } => false,
        };
        self.other.is_none() && !(self.elsewhere && self.schedule.has(is_behind))
    }

    /// Whether the site itself was another for a while.
    fn is_shaken(&self) -> bool {
        self.schedule.has(|it| {
            matches!(
                it,
                Fault::Down { .. } | Fault::Returns { .. } | Fault::StateBack { .. }
            )
        })
    }

    /// Whether all that struck leaves the end as it is without it.
    fn ends_as_ever(&self) -> bool {
        self.is_first()
            && self.knows_all()
            && !self.turned_back
            && !self.schedule.has(|it| match it {
                Fault::Down { .. } | Fault::Returns { .. } => true,
                Fault::Kill { .. }
                | Fault::Sleep { .. }
                | Fault::Second { .. }
                | Fault::Late { .. }
                | Fault::DropLock { .. }
                | Fault::Answers { .. }
                | Fault::Statement { .. }
                | Fault::Cmdlet { .. }
                | Fault::Disk { .. }
                | Fault::Number { .. }
                | Fault::StateBack { .. }
                | Fault::Flip { .. } => false,
            })
    }
}

fn end_of(state: &RunState) -> Option<End> {
    match state.ended {
        Some(Outcome::Done) => Some(End::Done),
        Some(Outcome::Undone) => Some(End::Undone),
        Some(Outcome::Refused) if state.is_finished() => Some(End::Refused),
        Some(Outcome::Refused | Outcome::Stopped) | None => None,
    }
}

/// On no instance an effect of an old number follows one of a newer (rule 17).
fn one_number(history: &[Executed]) -> Result<(), String> {
    let mut newest: BTreeMap<Instance, u64> = BTreeMap::new();
    // The number past the lock, and how many of older ones ended behind it: one was under way.
    let (mut past, mut behind) = (0, 0);
    let done = |it: &&Executed| it.effect && it.outcome == Batch::Done;
    for executed in history.iter().filter(done) {
        if makes_sole(&executed.text) {
            if executed.text.contains(PAST) {
                let values = executed.text.rsplit_once("SELECT N'").map(|it| it.1);
                let number = number_in(values.unwrap_or_default(), "', ");
                let number = number.ok_or("a number past the lock that is none")?;
                (past, behind) = (number, 0);
            }
            continue;
        }
        let Some(number) = number_in(&executed.guard, "number > ") else {
            // That of our own cancelled session is sent without, and what a person sends.
            if executed.text.starts_with("KILL ") || executed.text.ends_with(BY_HAND) {
                continue;
            }
            return Err(format!("an effect without a number: {}", executed.text));
        };
        let newest = newest.entry(executed.instance).or_default();
        if number < *newest {
            let text: String = executed.text.chars().take(80).collect();
            return Err(format!(
                "`{text}` of number {number} on the {} after one of {newest}",
                executed.instance
            ));
        }
        *newest = number;
        behind += usize::from(number < past && executed.instance.role == Role::Backup);
        if behind > 1 {
            return Err(format!("effects of number {number} behind number {past}"));
        }
    }
    Ok(())
}

fn number_in(text: &str, behind: &str) -> Option<u64> {
    let (_, behind) = text.split_once(behind)?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What an assertion says that fails.
pub(crate) fn said(check: impl FnOnce()) -> Result<(), String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned())
    })
}
