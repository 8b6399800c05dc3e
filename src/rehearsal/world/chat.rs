//! Sessions of the chat servers: where the active ones have theirs, and idle ones that hold on.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::database::{Database, UserAccess};
use super::instance::{Kind, Process};
use super::{State, World, after};
use crate::model::{Instance, Role};

/// The services of a living chat server, where idle ones keep their sessions until these stop
/// (`steps.md` 8: whether they do is not known).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// First label of the server's name.
    pub host: String,
    /// Its chat service runs.
    pub chat: bool,
    /// Its compliance service runs.
    pub compliance: bool,
}

impl World {
    /// The pool's active servers or its state changed: those that live open sessions on the chat
    /// database that the pool uses, whenever it can be opened; all others end.
    pub fn chat_servers_changed(&self, active: &[String], failed_over: bool) {
        self.chat_services_changed(active, failed_over, Vec::new());
    }

    /// The same, with the services that run: their sessions stay where idle servers hold on.
    pub fn chat_services_changed(&self, active: &[String], failed_over: bool, running: Vec<Idle>) {
        let now = self.now();
        self.with(|state| {
            state.tell_chat((active.to_vec(), failed_over), &running, now);
            if let Some(idle) = &mut state.idle {
                *idle = running;
            }
            state.refresh_chat(now);
        });
    }

    /// What the chat servers were told has reached all of them: how the sessions stand once nothing
    /// moves any more.
    pub fn replicate(&self) {
        let now = self.now();
        self.with(|state| {
            let told = state.told.iter().map(|(at, _)| *at).max();
            state.refresh_chat(told.unwrap_or(now).max(now));
        });
    }
}

impl State {
    /// The pool changed: its chat servers know it once it is replicated to them. What the world begins
    /// with they know; a service that stops, stops at once.
    pub(super) fn tell_chat(
        &mut self,
        change: (Vec<String>, bool),
        running: &[Idle],
        now: Timestamp,
    ) {
        let Some((known, _)) = self.chat.as_mut().filter(|_| !self.replication.is_zero()) else {
            self.chat = Some(change);
            return;
        };
        let runs = |fqdn: &String| {
            let mut all = running.iter().filter(|it| it.chat);
            all.any(|it| it.host.eq_ignore_ascii_case(first_label(fqdn)))
        };
        known.retain(|fqdn| running.is_empty() || runs(fqdn));
        self.told.push((after(now, self.replication), change));
    }

    /// Gives every live active chat server its sessions where the pool's databases are, and ends
    /// those of all others.
    pub(super) fn refresh_chat(&mut self, now: Timestamp) {
        let known = self.told.iter().take_while(|(at, _)| *at <= now).count();
        if let Some((_, change)) = self.told.drain(..known).next_back() {
            self.chat = Some(change);
        }
        let Some((active, failed_over)) = self.chat.clone() else {
            return;
        };
        let serving = if failed_over {
            Role::Backup
        } else {
            Role::Primary
        };
        let lost = !self
            .instances
            .get(&Instance::chat(Role::Primary))
            .is_some_and(|i| i.up);
        let live: Vec<String> = active
            .iter()
            .filter(|server| !(lost && self.names.primary_servers.iter().any(|p| p.is(server))))
            .map(|server| net_bios(server))
            .collect();
        let compliance = self.names.compliance.clone();
        let places: Vec<(Instance, String)> = {
            let own = Instance::compliance(serving);
            let held = if self.instances.contains_key(&own) {
                own
            } else {
                Instance::chat(serving)
            };
            std::iter::once((self.principal(serving), self.names.chat.clone()))
                .chain(compliance.map(|name| (held, name)))
                .collect()
        };
        for (instance, server) in &mut self.instances {
            let ours = |p: &Process| {
                live.iter().any(|l| l.eq_ignore_ascii_case(&p.host_name))
                    && places.iter().any(|(i, d)| {
                        i == instance && d.to_lowercase() == p.database.to_lowercase()
                    })
            };
            // One that is active is not idle: it goes where the pool's databases are.
            let idle = |p: &Process| {
                let is_active = live.iter().any(|l| l.eq_ignore_ascii_case(&p.host_name));
                let chat = self.names.chat.to_lowercase() == p.database.to_lowercase();
                let mut idle = self.idle.iter().flatten();
                !is_active
                    && idle.any(|it| {
                        net_bios(&it.host).eq_ignore_ascii_case(&p.host_name)
                            && if chat { it.chat } else { it.compliance }
                    })
            };
            let gone: Vec<i64> = server
                .processes
                .values()
                .filter(|p| p.kind == Kind::Chat && !ours(p) && !idle(p))
                .map(|p| p.spid)
                .collect();
            for spid in gone {
                server.end(spid);
            }
            for (_, database) in places.iter().filter(|(i, _)| i == instance) {
                let open = server.up
                    && server
                        .database(database)
                        .is_some_and(|d| d.serves() && d.access == UserAccess::Multi);
                for host in live.iter().filter(|_| open) {
                    let there = server.processes.values().any(|p| {
                        p.kind == Kind::Chat
                            && p.host_name.eq_ignore_ascii_case(host)
                            && p.database.to_lowercase() == database.to_lowercase()
                    });
                    if !there {
                        let spid = server.free_spid();
                        server
                            .processes
                            .insert(spid, chat_process(spid, host, database, now));
                    }
                }
            }
        }
    }

    /// Readers of a STANDBY database whose sessions were ended sign in again at once, as many as the
    /// database admits.
    pub(in crate::rehearsal) fn come_again(
        &mut self,
        instance: Instance,
        database: &str,
        ended: Vec<Process>,
        now: Timestamp,
    ) {
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        for reader in ended {
            let admits = server.database(database).is_some_and(|it| {
                it.standby
                    && (it.access == UserAccess::Multi || server.users_of(database, 0).is_empty())
            });
            if reader.kind != Kind::Chat || !admits || self.readers_return == 0 {
                continue;
            }
            self.readers_return -= 1;
            let spid = server.free_spid();
            let again = chat_process(spid, &reader.host_name, database, now);
            server.processes.insert(spid, again);
        }
    }

    /// Where the chat database of a data center serves: the topology names both partners, and a
    /// client finds the principal.
    fn principal(&self, role: Role) -> Instance {
        let mirror = match role {
            Role::Primary | Role::PrimaryMirror => Role::PrimaryMirror,
            Role::Backup | Role::BackupMirror => Role::BackupMirror,
        };
        let both = [role, mirror].map(Instance::chat);
        let serves = |key: &Instance| {
            let server = self.instances.get(key).filter(|it| it.up);
            let database = server.and_then(|it| it.database(&self.names.chat));
            database.is_some_and(Database::serves)
        };
        both.into_iter().find(serves).unwrap_or(both[0])
    }
}

/// A session of a chat server.
pub(super) fn chat_process(spid: i64, host: &str, database: &str, now: Timestamp) -> Process {
    Process {
        spid,
        kind: Kind::Chat,
        login_time: now,
        login_name: "LITWAREINC\\RTCPChat".to_owned(),
        host_name: host.to_owned(),
        program_name: "ChannelService".to_owned(),
        database: database.to_owned(),
        running: None,
        transactions: 0,
        context: None,
        xact_abort: false,
        german: false,
        token: CancellationToken::new(),
    }
}

/// What a client of that machine sends as its name: the computer's `NetBIOS` name, 15 characters at most
/// (`sql-server.md` 3.1).
pub(super) fn net_bios(host: &str) -> String {
    first_label(host).chars().take(15).collect()
}

pub(super) fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}
