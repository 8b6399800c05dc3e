//! What strikes a run: laid before it, at its moment, or between two executions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pchadr::model::Role;
use pchadr::model::states::PoolState;
use pchadr::rehearsal::cmdlets::PowerShellFault;
use pchadr::rehearsal::lab::Target;
use pchadr::rehearsal::manner::Manner;
use pchadr::rehearsal::world::SqlFault;
use pchadr::run::executor::Way;
use pchadr::run::store::Disk;

use super::drive::{Case, OTHER, PAST};
use super::schedule::{Beside, Fault, Next, Which, instances, lasting};
use crate::asleep::drop_lock;

impl Case<'_> {
    /// Lays what strikes by itself; what has a moment waits for it.
    pub(super) fn lay(&mut self, fault: &Fault) {
        let statements = &self.setting.statements;
        match fault {
            Fault::Late { statement, after } => {
                let late = &statements[*statement];
                let begins: String = late.text.chars().take(60).collect();
                let held = self.stage.simulated.network.hold(late.instance, &begins);
                self.held.push((held, *after, None));
            }
            Fault::Statement { statement, kind } => {
                let struck = &statements[*statement];
                self.stage.simulated.world.with(|state| {
                    state.faults.push(SqlFault {
                        instance: struck.instance,
                        contains: struck.text.clone(),
                        nth: 1,
                        kind: *kind,
                    });
                });
            }
            Fault::Cmdlet { nth, kind } => self.stage.simulated.cmdlets.fail(PowerShellFault {
                cmdlet: "*".to_owned(),
                nth: *nth,
                kind: *kind,
            }),
            Fault::Flip {
                which,
                permille,
                bit,
            } => self.flips.push((*which, *permille, *bit)),
            Fault::Kill { .. }
            | Fault::Sleep { .. }
            | Fault::DropLock { .. }
            | Fault::Down { .. }
            | Fault::Returns { .. }
            | Fault::Answers { .. }
            | Fault::Disk { .. }
            | Fault::Number { .. }
            | Fault::StateBack { .. }
            | Fault::Second { .. } => self.pending.push(fault.clone()),
        }
    }

    /// Between two executions: disks answer again, bytes are flipped.
    pub(super) fn between(&mut self, run: &str) {
        if self.begun == 0 {
            return;
        }
        for store in self.machines.iter().chain([&self.share]) {
            store.bound(usize::MAX / 2, Disk::Full);
        }
        // Whoever reads that record next is to put it right.
        if !self.executions.is_empty() || run != self.run() {
            return;
        }
        for (which, permille, bit) in std::mem::take(&mut self.flips) {
            let store = match which {
                Which::First => &self.machines[0],
                Which::Second => &self.share,
            };
            let bytes = store.bytes().len();
            if bytes > 0 {
                let at = (bytes * permille / 1_000).min(bytes - 1);
                store.change(at, bit);
                self.note(format!("byte {at} of {bytes} of {which} is flipped"));
            }
        }
    }

    pub(super) fn strike(&mut self, fault: &Fault) {
        let awake = self.executions.iter().rposition(|it| it.wakes.is_none());
        match fault {
            Fault::Kill {
                torn, both, next, ..
            } => {
                let Some(n) = awake else { return };
                let killed = self.executions.remove(n);
                let machine = killed.machine;
                let is_run = killed.run == self.run();
                drop(killed);
                if is_run {
                    self.machines[machine] = self.machines[machine].crash(*torn);
                    if *both && self.executions.is_empty() {
                        self.share = self.share.crash(*torn);
                    }
                }
                self.go_on(*next, machine);
            }
            Fault::Sleep {
                keeps_lock,
                beside,
                wakes,
                ..
            } => {
                let Some(n) = awake else { return };
                let records = self.written.load(Ordering::Relaxed);
                self.executions[n].wakes = Some((*wakes, records));
                if !keeps_lock {
                    drop_lock(&self.stage);
                }
                self.begin_beside(*beside);
            }
            Fault::Number { .. } => self.raise(),
            Fault::StateBack { .. } => {
                let Some(n) = awake else { return };
                let machine = self.executions.remove(n).machine;
                let stands = self.stands(machine).ok().flatten();
                if stands.is_some_and(|it| it.is_done("set-active-servers")) {
                    let mut pool = self.stage.simulated.pool.lock().expect("the pool");
                    let before = if self.setting.is_failover() {
                        PoolState::Normal
                    } else {
                        PoolState::FailedOver
                    };
                    pool.set_state(before);
                }
                let way = self.fitting(Way::On);
                self.begin(machine, self.run(), way);
            }
            Fault::DropLock { .. } => drop_lock(&self.stage),
            Fault::Down { what, seconds, .. } => self.down(*what, *seconds),
            Fault::Returns { .. } => {
                // Whichever run recovers: the one beside it has a record of its own.
                self.came_too_late |= [self.run(), OTHER].into_iter().any(|run| {
                    let stands = self.state_of(self.last_machine, run).ok().flatten();
                    let recovers = stands.as_ref().and_then(|it| it.step("recover-database"));
                    recovers.is_some_and(|it| it.started || it.is_done())
                });
                self.stage
                    .simulated
                    .pool
                    .lock()
                    .expect("the pool")
                    .set_alive(true, true);
                for role in [Role::Primary, Role::PrimaryMirror] {
                    self.stage.simulated.world.up(role);
                }
            }
            Fault::Answers {
                role,
                manner,
                seconds,
                ..
            } => {
                let (manners, role, wait) = (self.stage.simulated.manners.clone(), *role, *seconds);
                for instance in instances(role) {
                    manners.set(instance, *manner);
                }
                tokio::spawn(async move {
                    tokio::time::sleep(lasting(wait)).await;
                    for instance in instances(role) {
                        manners.set(instance, Manner::Well);
                    }
                });
            }
            Fault::Disk {
                which, disk, room, ..
            } => match which {
                Which::First => self.machines[self.last_machine].bound(*room, *disk),
                Which::Second => self.share.bound(*room, *disk),
            },
            Fault::Second {
                beside, keeps_lock, ..
            } => {
                if !keeps_lock {
                    drop_lock(&self.stage);
                }
                self.begin_beside(*beside);
            }
            // These were laid before.
            Fault::Late { .. }
            | Fault::Statement { .. }
            | Fault::Cmdlet { .. }
            | Fault::Flip { .. } => {}
        }
    }

    fn begin_beside(&mut self, beside: Beside) {
        let machine = self.machine(true, 0);
        match beside {
            Beside::New => self.begin(machine, OTHER, Way::On),
            Beside::Same(way) => self.begin(machine, self.run(), self.fitting(way)),
        }
    }

    /// A run that never saw the lock takes a number, and does no more.
    fn raise(&mut self) {
        self.stage.reopen(&self.setting.drill.site);
        let access = self.stage.access.clone();
        let pool = self.setting.drill.site.pool.fqdn.as_str().to_lowercase();
        self.raised += 100;
        let number = self.raised;
        tokio::spawn(async move {
            let backup = pchadr::model::Instance::chat(Role::Backup);
            let Ok(mut session) = access.sql.open(backup).await else {
                return;
            };
            let table = "msdb.dbo.pchadr_fence";
            let raise = format!(
                "IF OBJECT_ID(N'{table}', N'U') IS NULL CREATE TABLE {table} (pool nvarchar(255) NOT NULL, number bigint NOT NULL, run nvarchar(128) NOT NULL, PRIMARY KEY (pool, number)); INSERT INTO {table} (pool, number, run) SELECT N'{pool}', {number}, N'{PAST}';"
            );
            let _ = session.send(&raise).await;
        });
    }

    fn go_on(&mut self, next: Next, machine: usize) {
        let machine = self.machine(next.elsewhere, machine);
        let way = self.fitting(next.way);
        self.begin(machine, self.run(), way);
    }

    fn down(&mut self, what: Target, seconds: u64) {
        let world = Arc::clone(&self.stage.simulated.world);
        let pool = Arc::clone(&self.stage.simulated.pool);
        let told = Arc::clone(&world);
        let set_alive = move |alive| {
            let Target::DataCenter { primary } = what else {
                return;
            };
            let mut pool = pool.lock().expect("the pool");
            pool.set_alive(primary, alive);
            if alive {
                // Services that start connect to what the pool says by then.
                let serves = |it: &&String| {
                    pool.server(it)
                        .is_some_and(|it| it.alive && it.chat_service)
                };
                let active: Vec<String> = pool.active().iter().filter(serves).cloned().collect();
                told.chat_servers_changed(&active, pool.state() == PoolState::FailedOver);
            }
        };
        set_alive(false);
        // What the disaster took is not brought back by this.
        let roles: Vec<Role> = what.roles().to_vec();
        let up = |role: &&Role| world.is_up(pchadr::model::Instance::chat(**role));
        let roles: Vec<Role> = roles.iter().filter(up).copied().collect();
        for role in &roles {
            world.down(*role);
            self.struck.insert(*role);
        }
        tokio::spawn(async move {
            tokio::time::sleep(lasting(seconds)).await;
            set_alive(true);
            for role in roles {
                world.up(role);
            }
        });
    }
}
