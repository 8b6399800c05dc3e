//! The looks, in the order of harm (`steps.md` 7).

use tokio::time::{Instant, timeout_at};

use super::item::{For, Item, LOSS, State};
use super::{Check, place, reach, shipping};
use crate::access::Access;
use crate::model::states::{DatabaseState, PoolState};
use crate::model::{Direction, Instance, Problem, Remedy, Role};
use crate::plan::Plan;
use crate::run::preflight::{Checked, counting, is_overtaken, open, work};
use crate::site::Site;
use crate::status::Status;
use crate::step::observe::Observed;
use crate::step::observe::instance::clock;
use crate::step::observe::log_shipping::{primary, secondary};
use crate::step::saved::Saved;
use crate::step::terms::Terms;
use crate::step::{Block, Context, Lift, Standing, Step};

/// What of a failover does the most harm comes first; what is not named here follows, as in the plan.
const HARM: &[Step] = &[
    Step::RecoverDatabase,
    Step::CopyBackups,
    Step::ApplyLogs,
    Step::SetPoolState,
    Step::SetActiveServers,
    Step::InstallMirror,
];

/// All that a look needs.
pub struct Look<'a> {
    /// The site.
    pub site: &'a Site,
    /// The plan of the switch.
    pub plan: &'a Plan,
    /// The doors.
    pub access: &'a Access,
    /// Where everything stands, as it was just seen.
    pub status: &'a Status,
    /// The log-shipping configuration that was kept.
    pub saved: Option<&'a Saved>,
    /// What was kept of it and cannot be read, a sentence each.
    pub unreadable: &'a [String],
    /// What the records of earlier runs say.
    pub record: Vec<Item>,
}

impl Look<'_> {
    /// Takes it. `passed` hears of each step that was looked at.
    pub async fn take(mut self, mut passed: impl FnMut(Step)) -> Check {
        let forced = self.plan.direction == Direction::Failover;
        let real = self.access;
        let mut items: Vec<Item> = self.two_writable().into_iter().collect();
        items.append(&mut self.record);
        let failed_over = self.serves(Role::Backup) || self.serves(Role::BackupMirror);
        // What is dead costs one limit in all.
        let _round = real.sql.round();
        let reached = reach::instances(self.site, real, self.plan.direction, failed_over).await;
        let answers = |role: Role| {
            let instance = self.status.instances.get(role.key());
            instance.is_some_and(|it| it.reachable)
        };
        // Where the primary does not answer, that is the cause, and told.
        let principal =
            forced && (answers(Role::Primary) || self.serves(Role::PrimaryMirror) || failed_over);
        items.extend(reached);
        let backup = Instance::chat(Role::Backup);
        let rows = secondary(real, backup, &self.site.database.chat).await;
        let rows = rows.seen().cloned().unwrap_or_default();
        if principal {
            items.extend(self.principal(failed_over).await);
        }
        // A forced failover begins when nothing of the first data center answers any more.
        let doors = if forced {
            Access {
                sql: std::sync::Arc::new(real.sql.without_first()),
                ..real.clone()
            }
        } else {
            real.clone()
        };
        let terms = Terms {
            disaster_at: self.now().await,
            ..Terms::default()
        };
        let (checked, loss_seconds) = self.steps(&doors, &terms, &mut passed).await;
        items.extend(of_steps(&checked, loss_seconds));
        if failed_over {
            items.extend(shipping::while_it_serves(self.site, real, self.status).await);
        } else if forced {
            items.extend(shipping::while_it_ships(self.site, real, self.status, &rows).await);
            items.extend(place::checks(self.site, &rows));
        }
        items.extend(untried(self.site, &checked));
        if forced {
            items.extend(chain_whole(&items));
        }
        let nothing_to_do = open(&checked).is_empty();
        Check {
            nothing_to_do,
            ..Check::of(&self.plan.runbook, forced, loss_seconds, items)
        }
    }

    /// What the first data center's clock shows, as log backups are stamped by it; where it is silent,
    /// the backup's.
    async fn now(&self) -> Option<jiff::civil::DateTime> {
        for role in [Role::Primary, Role::Backup] {
            let reachable = self.status.instances.get(role.key());
            if reachable.is_some_and(|it| it.reachable)
                && let Observed::Seen(now) = clock(self.access, Instance::chat(role)).await
            {
                return Some(now);
            }
        }
        None
    }

    /// Looks at every step, and how much chat a recovery would lose.
    async fn steps(
        &self,
        doors: &Access,
        terms: &Terms,
        passed: &mut impl FnMut(Step),
    ) -> (Vec<Checked>, Option<i64>) {
        let deadline = Instant::now() + self.site.limits.preflight;
        let _round = doors.sql.round();
        let (mut checked, mut loss) = (Vec::new(), None);
        for planned in self.plan.taken() {
            let step = planned.step;
            let context = Context {
                site: self.site,
                access: doors,
                terms,
                saved: self.saved,
                unreadable: self.unreadable,
                run: "check",
                seeded: self.plan.is_seeded(),
                planned: self.plan.is_planned(),
                started: false,
                mirror_begun: false,
                began: None,
            };
            let looked = timeout_at(deadline, Box::pin(step.observe(context))).await;
            let (standing, back_to, end) = match &looked {
                Ok(facts) => {
                    let standing = facts.judge();
                    if !standing.is_satisfied() {
                        loss = loss.or(facts.loss_seconds(terms));
                    }
                    let back_to = facts.back_to().map(|(step, _)| step);
                    (standing, back_to, facts.end_of_chain())
                }
                Err(_) => (Standing::Unknown(self.too_late()), None, None),
            };
            passed(step);
            checked.push(Checked {
                step,
                done: false,
                standing,
                back_to,
                end,
                may_leave: false,
            });
        }
        see_what_may_be_left(&mut checked);
        (checked, loss)
    }

    fn too_late(&self) -> Problem {
        let limit = self.site.limits.preflight.as_secs();
        Problem::new(
            format!("the checks did not end within {limit} s"),
            "see what does not answer: pchadr status; or raise `[limits] preflight`",
        )
    }

    fn two_writable(&self) -> Option<Item> {
        let two = self.status.two.as_ref()?;
        let what = "one writable chat database";
        // The way home closes the one that came back, and keeps what it holds.
        let (state, problem) = match self.plan.direction {
            Direction::Failback => (
                State::Warning,
                Problem::new(
                    two.why.clone(),
                    vec![
                        Remedy::to_do(
                            "go home now: that keeps what the one in the first data center holds, and closes it",
                        ),
                        Remedy::Command("pchadr failback".into()),
                        Remedy::to_do(
                            "or only close it; it is OFFLINE then, and cannot be backed up by itself any more",
                        ),
                        Remedy::Command("pchadr fence".into()),
                    ],
                ),
            ),
            Direction::Failover | Direction::Fence => (
                State::Blocked,
                Problem::new(two.why.clone(), two.hint.clone()),
            ),
        };
        Some(Item::new("two-writable", state, what, problem))
    }

    /// What is to do where the second data center serves, by what the pool says.
    fn failed_over(&self) -> Problem {
        let served = "the second data center serves";
        let primary = self.status.instances.get(Role::Primary.key());
        let state = self.status.pool.state.as_deref();
        if state == Some(&*PoolState::Normal.to_string()) {
            Problem::new(
                format!("{served}, and the pool is not failed over: users are not served"),
                vec![
                    Remedy::to_do("take the rest of the failover"),
                    Remedy::Command("pchadr failover".into()),
                ],
            )
        } else if state.is_none() {
            Problem::new(
                format!("{served}, and the pool does not tell where it is"),
                "see that the Central Management Store answers",
            )
        } else if primary.is_some_and(|it| it.reachable) {
            Problem::new(
                format!("{served}: the pool is failed over, and there is nothing to switch"),
                vec![
                    Remedy::to_do("bring it home"),
                    Remedy::Command("pchadr failback".into()),
                ],
            )
        } else {
            Problem::new(
                format!("{served}: the pool is failed over, and there is nothing to switch"),
                "rebuild the first data center, then bring the pool home",
            )
        }
    }

    fn serves(&self, role: Role) -> bool {
        let instance = self.status.instances.get(role.key());
        let database = instance.and_then(|it| it.databases.get(self.site.database.chat.as_str()));
        database.is_some_and(|it| it.state == DatabaseState::Online && !it.standby)
    }

    /// What only a planned switch needs: that the primary side serves, and that its half of log shipping
    /// can be read (`steps.md` 6.8).
    async fn principal(&self, failed_over: bool) -> Vec<Item> {
        let roles = [Role::Primary, Role::PrimaryMirror];
        // What serves there beside the second data center is a new installation, or told as one too many.
        let serving = roles
            .into_iter()
            .find(|role| !failed_over && self.serves(*role));
        let what = "the chat database serves in the first data center";
        let Some(role) = serving else {
            let problem = if self.status.two.is_some() {
                // Told already, as what it is.
                return Vec::new();
            } else if failed_over {
                self.failed_over()
            } else {
                Problem::new(
                    "no instance there shows that it serves",
                    "see what state it is in: pchadr status",
                )
            };
            let item = Item::new("primary-serves", State::Blocked, what, problem);
            return vec![item.counting_for(&[For::Planned])];
        };
        let ok = Item::ok("primary-serves", what, format!("the {role} serves it"));
        let at = Instance::chat(role);
        let what = "the configuration of log shipping can be read there";
        let half = match primary(self.access, at, &self.site.database.chat).await {
            Observed::Seen(rows) if !rows.is_empty() => {
                Item::ok("primary-half", what, format!("the {role} has its half"))
            }
            Observed::Seen(_) | Observed::Absent => Item::new(
                "primary-half",
                State::Blocked,
                what,
                Problem::new(
                    format!("the {role} serves and ships no log"),
                    "set up the primary half of log shipping there too: the vendor's page does it on both partners of the mirror",
                ),
            ),
            Observed::Unknown(why) => Item::new("primary-half", State::Unknown, what, why),
        };
        let planned = |item: Item| item.counting_for(&[For::Planned]);
        vec![planned(ok), planned(half)]
    }
}

/// A planned switch sends the end of the log, and that joins a whole chain alone.
fn chain_whole(items: &[Item]) -> Option<Item> {
    let breaks = |it: &&Item| (it.loses && it.id != LOSS) || shipping::breaks_the_chain(it);
    let broken = items.iter().find(breaks)?;
    let why = format!(
        "the backup lacks log of the primary ({}): the end of the log would not join",
        broken.id
    );
    let mend = "mend that; where the log backup is lost for good, set up log shipping anew from a full backup, while the primary serves";
    let what = "the backup can follow the primary to its end";
    let item = Item::new(
        "chain-broken",
        State::Blocked,
        what,
        Problem::new(why, mend),
    );
    Some(item.counting_for(&[For::Planned]))
}

/// As a run does behind the point of no return (`design.md` 3, rule 18).
fn see_what_may_be_left(checked: &mut [Checked]) {
    let open: Vec<Step> = open(checked).iter().map(|at| checked[*at].step).collect();
    let work = work(checked);
    let behind = !open.iter().any(|step| step.is_point_of_no_return());
    for it in checked {
        let others = work.iter().any(|step| *step != it.step);
        it.may_leave = it.step.optional().is_some() && behind && others;
    }
}

/// The checks of the steps, what does the most harm first.
fn of_steps(checked: &[Checked], loss_seconds: Option<i64>) -> Vec<Item> {
    let mut order: Vec<usize> = (0..checked.len()).collect();
    order.sort_by_key(|at| {
        let harm = HARM.iter().position(|step| *step == checked[*at].step);
        harm.unwrap_or(HARM.len())
    });
    let open = open(checked);
    let each = order.into_iter();
    each.flat_map(|at| of_step(checked, &open, at, loss_seconds))
        .collect()
}

fn of_step(checked: &[Checked], open: &[usize], at: usize, loss_seconds: Option<i64>) -> Vec<Item> {
    let it = &checked[at];
    let (id, title) = (it.step.id(), it.step.info().title);
    let items = match &it.standing {
        Standing::Satisfied { why } => vec![Item::ok(id, title, why.clone())],
        Standing::Pending { .. } | Standing::Unknown(_) | Standing::Blocked { .. }
            if is_overtaken(checked, at) =>
        {
            vec![Item::ok(id, title, "nothing to do: a later step is met")]
        }
        // Its look is what it writes (`steps.md` 6.1).
        Standing::Pending { what, .. } if it.step == Step::ProveShare => {
            vec![Item::new(id, State::Untried, title, what.clone())]
        }
        Standing::Pending { what, .. } => vec![Item::ok(id, title, format!("to do: {what}"))],
        Standing::Unknown(problem) => {
            let state = less(it, State::Unknown);
            vec![Item::new(id, state, title, problem.clone().with_remedy())]
        }
        Standing::Blocked { blocks } => {
            let counting = counting(checked, open, at);
            if counting.is_empty() {
                let first: Vec<&str> = blocks
                    .iter()
                    .filter_map(|it| it.cleared_by.as_deref())
                    .collect();
                let first = first.first().copied().unwrap_or("an earlier step");
                let told = format!("to do: `{first}` comes before it");
                vec![Item::ok(id, title, told)]
            } else {
                counting
                    .into_iter()
                    .map(|block| of_block(it, block, title, loss_seconds))
                    .collect()
            }
        }
    };
    let step = Some(id);
    items
        .into_iter()
        .map(|item| Item { step, ..item })
        .collect()
}

fn of_block(it: &Checked, block: &Block, title: &str, loss_seconds: Option<i64>) -> Item {
    let state = match block.lift {
        Lift::Site => State::Blocked,
        Lift::Override => State::Interlock,
        // They are asked for.
        Lift::Loss | Lift::Consent => State::Warning,
    };
    let mut problem = block.problem.clone().with_remedy();
    if block.lift == Lift::Loss
        && let Some(seconds) = loss_seconds
    {
        let lost = jiff::SignedDuration::from_secs(seconds);
        problem.why = format!("{}; that is at most {lost:#} of chat", problem.why);
    }
    let item = Item::new(&*block.id, less(it, state), title, problem);
    Item {
        loses: block.lift == Lift::Loss,
        ..item
    }
}

/// What a run would leave out keeps nobody.
fn less(it: &Checked, state: State) -> State {
    if it.may_leave { State::Warning } else { state }
}

/// What only a run tries, for it writes.
fn untried(site: &Site, checked: &[Checked]) -> Vec<Item> {
    let open = open(checked);
    let will_run = |step: Step| open.iter().any(|at| checked[*at].step == step);
    let untried = |step: Step, id: &str, what: &str, why: String| {
        will_run(step).then(|| Item {
            step: Some(step.id()),
            ..Item::new(id, State::Untried, what, why)
        })
    };
    [
        untried(
            Step::CopyBackups,
            "write-copy",
            "this machine may write to the copy folder",
            format!("`{}`: a check writes nothing there", site.shares.copy),
        ),
        untried(
            Step::ApplyLogs,
            "restore-logs",
            "every log backup is sound",
            "headers are read; damage inside shows when it is restored".to_owned(),
        ),
        untried(
            Step::SetPoolState,
            "set-cmdlets",
            "the account of the shell may change the pool",
            "Set-CsPersistentChatState and Set-CsPersistentChatActiveServer are called by a run alone".to_owned(),
        ),
        site.shares.mirror.as_ref().and_then(|share| {
            untried(
                Step::InstallMirror,
                "write-mirror",
                "both instances of the mirror may use its share",
                format!("`{share}`: Install-CsMirrorDatabase writes there first"),
            )
        }),
        untried(
            Step::ConfigureLogShipping,
            "agent-rights",
            "the Agent of the backup may read the share and write to the copy folder",
            "the first run of the copy job shows it".to_owned(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
