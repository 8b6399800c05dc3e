//! Mirroring: set-up, partners that come and go (`sql-server.md` 5).

use jiff::Timestamp;

use super::database::{Database, Mirroring};
use super::events::Event;
use super::files::FileView;
use super::msdb::RestoreRow;
use super::{State, after, join, utc};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Role, SqlServer};
use crate::rehearsal::backup_set::SetKind;

impl State {
    /// `Install-CsMirrorDatabase` as typed: the mirror and the share are those of the site.
    pub(super) fn install_mirror(
        &mut self,
        fqdn: &str,
        instance: Option<&str>,
        database_type: &str,
        drop_existing: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let compliance = database_type.eq_ignore_ascii_case("PersistentChatCompliance");
        if !compliance && !database_type.eq_ignore_ascii_case("PersistentChat") {
            return Err(format!(
                "Database type \"{database_type}\" is not known here."
            ));
        }
        let unknown = || format!("SQL instance \"{fqdn}\" was not found in the topology.");
        let named = |server: &SqlServer| {
            server.host.eq_ignore_ascii_case(fqdn)
                && match (instance, &server.instance) {
                    (Some(wanted), Some(name)) => name.eq_ignore_ascii_case(wanted),
                    (Some(_), None) => false,
                    (None, name) => name.is_none() || server.port.is_some(),
                }
        };
        let principal = self.find(compliance, named).ok_or_else(unknown)?;
        let role = match principal.role {
            Role::Primary => Role::PrimaryMirror,
            Role::Backup => Role::BackupMirror,
            Role::PrimaryMirror | Role::BackupMirror => {
                return Err(format!("\"{fqdn}\" is a mirror in the topology."));
            }
        };
        let own = Instance { role, ..principal };
        let partner = if self.instances.contains_key(&own) {
            own
        } else {
            Instance::chat(role)
        };
        let share = self
            .names
            .mirror_share
            .clone()
            .ok_or("The file share of the mirror is not known.")?;
        self.mirror(compliance, principal, partner, &share, drop_existing, now)
    }

    /// Mirrors a database between two instances of the site.
    pub(super) fn mirror(
        &mut self,
        compliance: bool,
        principal: Instance,
        partner: Instance,
        share: &str,
        drop_existing: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let name = self.database_of(compliance)?;
        self.check_mirror(&name, principal, partner, drop_existing)?;
        self.seed_mirror(&name, principal, partner, share, now)
    }

    fn database_of(&self, compliance: bool) -> Result<String, String> {
        if compliance {
            self.names
                .compliance
                .clone()
                .ok_or_else(|| "There is no compliance database in the topology.".to_owned())
        } else {
            Ok(self.names.chat.clone())
        }
    }

    /// An instance by its entry in the site file, a compliance instance first where one is meant.
    pub(super) fn find(
        &self,
        compliance: bool,
        is: impl Fn(&SqlServer) -> bool,
    ) -> Option<Instance> {
        self.names
            .servers
            .iter()
            .filter(|(_, server)| is(server))
            .map(|(key, _)| *key)
            .min_by_key(|key| key.compliance != compliance)
    }

    /// Makes an instance principal (`Invoke-CsDatabaseFailover`). With `force`, a mirror whose
    /// principal is lost serves with what it has.
    pub(super) fn fail_over(
        &mut self,
        compliance: bool,
        to: Instance,
        force: bool,
    ) -> Result<(), String> {
        let name = self.database_of(compliance)?;
        let session = self
            .instances
            .get(&to)
            .filter(|i| i.up)
            .and_then(|i| i.database(&name))
            .and_then(|d| d.mirroring.clone())
            .ok_or_else(|| format!("Database \"{name}\" is not mirrored on the {to} (1416)."))?;
        if session.role == MirroringRole::Principal {
            return Ok(());
        }
        if self.instances.get(&session.partner).is_some_and(|i| i.up) {
            return self
                .partner_failover(session.partner, &name)
                .map_err(|number| format!("Database \"{name}\" cannot fail over ({number})."));
        }
        if !force {
            return Err(format!(
                "The principal of database \"{name}\" cannot be reached (1418)."
            ));
        }
        self.serve_alone(to, &name);
        Ok(())
    }

    fn check_mirror(
        &self,
        name: &str,
        principal: Instance,
        partner: Instance,
        drop_existing: bool,
    ) -> Result<(), String> {
        let there = |key: &Instance| {
            self.instances
                .get(key)
                .filter(|i| i.up)
                .ok_or_else(|| format!("A connection to the {key} SQL instance cannot be opened."))
        };
        let source = there(&principal)?
            .database(name)
            .ok_or_else(|| format!("Database \"{name}\" does not exist on the primary."))?;
        if source.mirroring.is_some() {
            return Err(format!("Database \"{name}\" is mirrored already (1405)."));
        }
        if !source.serves() {
            return Err(format!(
                "Database \"{name}\" is not online on the primary (1464)."
            ));
        }
        if source.model != 1 {
            return Err(format!(
                "Database \"{name}\" is not in FULL recovery (1465)."
            ));
        }
        let bytes = source.data_bytes();
        let mirror = there(&partner)?;
        for file in &source.files {
            if let Some(volume) = mirror.volume_of(&file.path).filter(|it| it.free < bytes) {
                return Err(format!(
                    "There is insufficient free space on disk volume '{}' to create the database. The database requires {bytes} additional free bytes, while only {} bytes are available (3257).",
                    volume.mount, volume.free
                ));
            }
        }
        if let Some(leftover) = there(&partner)?.database(name) {
            if !drop_existing {
                return Err(format!("Database \"{name}\" exists on the mirror."));
            }
            if leftover.mirroring.is_some() {
                return Err(format!("Database \"{name}\" on the mirror is mirrored."));
            }
        }
        Ok(())
    }

    /// Full and log backup on the principal, both restored on the mirror, partners set.
    fn seed_mirror(
        &mut self,
        name: &str,
        principal: Instance,
        partner: Instance,
        share: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let (guid, full_guid, log_guid, copy_guid) = (
            self.guids.next(),
            self.guids.next(),
            self.guids.next(),
            self.guids.next(),
        );
        let files = self.files.clone();
        let mirror_name = self.instances[&partner].server_name.clone();
        let mirror_host = self.instances[&partner].host.clone();
        let mirror_key = self.instances[&partner].key.clone();
        let server = self
            .instances
            .get_mut(&principal)
            .ok_or("The primary is gone.")?;
        let (host, server_name) = (server.host.clone(), server.server_name.clone());
        let (viewer, version) = (server.key.clone(), server.version);
        let stamp = utc(now).strftime("%Y%m%d%H%M%S").to_string();
        let Some(database) = server.database_mut(name) else {
            return Err("The primary is gone.".to_owned());
        };
        database.write_log(16);
        let mut full = database.backup_set(SetKind::Full, 1, &server_name, version, utc(now));
        full.set_guid = full_guid;
        full.files = database
            .files
            .iter()
            .map(|f| (f.name.clone(), f.path.clone(), f.bytes))
            .collect();
        let mut log = database.backup_set(SetKind::Log, 1, &server_name, version, utc(now));
        log.set_guid = log_guid;
        log.database_backup_lsn = full.checkpoint_lsn;
        let (data, size) = (database.data_bytes(), 1024 * 1024);
        let (bak, trn) = (
            join(share, &format!("{name}_{stamp}.bak")),
            join(share, &format!("{name}_{stamp}.trn")),
        );
        for (path, set, size) in [(&bak, &full, data), (&trn, &log, size)] {
            files
                .write_backup(&viewer, path, FileView::of(vec![set.clone()], size), true)
                .and_then(|()| files.open(&mirror_key, path).map(|_| ()))
                .map_err(|os| {
                    format!("Cannot open backup device '{path}'. Operating system error {os}.")
                })?;
        }
        database.log_start = log.last_lsn;
        database.base = full.checkpoint_lsn;
        // A backup writes into the log itself.
        database.write_log(1);
        let session = |role, other, host: &str, name: &str| Mirroring {
            guid,
            role,
            state: MirroringState::Synchronizing,
            partner: other,
            partner_name: format!("TCP://{host}:5022"),
            partner_instance: name.to_owned(),
        };
        database.mirroring = Some(session(
            MirroringRole::Principal,
            partner,
            &mirror_host,
            &mirror_name,
        ));
        let mut copy = Database {
            guid: copy_guid,
            state: DatabaseState::Restoring,
            trustworthy: false,
            broker: false,
            created: utc(now),
            redo_start: log.last_lsn,
            mirroring: Some(session(
                MirroringRole::Mirror,
                principal,
                &host,
                &server_name,
            )),
            ..database.clone()
        };
        server.msdb.record_set(&full, &bak, "sa", data);
        server.msdb.record_set(&log, &trn, "sa", size);
        if let Some(mirror) = self.instances.get_mut(&partner) {
            mirror.databases.retain(|d| !d.is(name));
            copy.id = mirror.free_database_id();
            mirror.databases.push(copy);
            // What is restored is written down where it is restored.
            for (set, device, kind) in [(&full, &bak, "D"), (&log, &trn, "L")] {
                let backup_set_id = mirror.msdb.record_set(set, device, "sa", size);
                mirror.msdb.record_restore(RestoreRow {
                    id: 0,
                    date: utc(now),
                    database: name.to_owned(),
                    user: "sa".to_owned(),
                    backup_set_id,
                    kind,
                    replace: false,
                    recovery: false,
                });
            }
        }
        if !self.mirror_stalls {
            // Its backup and its restore come before that.
            let copying = self.service.for_bytes(data).saturating_mul(2);
            let at = after(now, copying.saturating_add(self.service.synchronizing));
            self.later(at, Event::Synchronized(guid));
        }
        self.advance(now);
        Ok(())
    }

    /// Lets every mirror be in step.
    pub(super) fn synchronize(&mut self) {
        let sessions = self
            .instances
            .values_mut()
            .flat_map(|server| &mut server.databases)
            .filter_map(|database| database.mirroring.as_mut());
        for session in sessions.filter(|it| it.state == MirroringState::Synchronizing) {
            session.state = MirroringState::Synchronized;
        }
    }

    /// `SET PARTNER OFF`: both sides forget; the mirror stays RESTORING. A partner that is down
    /// learns of it when it is back. False: not mirrored (1416).
    pub(in crate::rehearsal) fn partner_off(&mut self, instance: Instance, name: &str) -> bool {
        let database = self
            .instances
            .get_mut(&instance)
            .and_then(|i| i.database_mut(name));
        let Some(database) = database else {
            return false;
        };
        let Some(session) = database.mirroring.take() else {
            return false;
        };
        // What a principal that stays RECOVERING waits for is its quorum (`sql-server.md` 4).
        let starts = |database: &mut Database, role: MirroringRole| {
            if database.state == DatabaseState::Recovering && role == MirroringRole::Principal {
                database.state = DatabaseState::Online;
            }
        };
        starts(database, session.role);
        if let Some(other) = self
            .instances
            .get_mut(&session.partner)
            .filter(|i| i.up)
            .and_then(|i| i.database_mut(name))
            && other
                .mirroring
                .as_ref()
                .is_some_and(|m| m.guid == session.guid)
        {
            let theirs = other.mirroring.take();
            starts(other, theirs.map_or(MirroringRole::Mirror, |m| m.role));
        }
        true
    }

    /// `SET PARTNER FAILOVER` on the principal, in step.
    ///
    /// # Errors
    /// 1416, 1422.
    pub(in crate::rehearsal) fn partner_failover(
        &mut self,
        instance: Instance,
        name: &str,
    ) -> Result<(), u32> {
        let session = self
            .instances
            .get(&instance)
            .and_then(|i| i.database(name))
            .and_then(|d| d.mirroring.clone())
            .ok_or(1416_u32)?;
        if session.role != MirroringRole::Principal || session.state != MirroringState::Synchronized
        {
            return Err(1422);
        }
        let Some(principal) = self
            .instances
            .get_mut(&instance)
            .and_then(|i| i.database_mut(name))
        else {
            return Err(1422);
        };
        // The change of roles is written into the log.
        principal.write_log(1);
        let mut held = principal.clone();
        principal.state = DatabaseState::Restoring;
        principal.redo_start = principal.log_end;
        if let Some(m) = &mut principal.mirroring {
            m.role = MirroringRole::Mirror;
        }
        let spids = self
            .instances
            .get(&instance)
            .map(|i| i.users_of(name, 0))
            .unwrap_or_default();
        if let Some(server) = self.instances.get_mut(&instance) {
            for spid in spids {
                server.kill(spid);
            }
        }
        if let Some(mirror) = self
            .instances
            .get_mut(&session.partner)
            .and_then(|i| i.database_mut(name))
        {
            held.id = mirror.id;
            held.guid = mirror.guid;
            held.created = mirror.created;
            held.files.clone_from(&mirror.files);
            held.mirroring = mirror.mirroring.clone().map(|m| Mirroring {
                role: MirroringRole::Principal,
                ..m
            });
            *mirror = held;
        }
        Ok(())
    }

    /// Partners of a role that went down are DISCONNECTED.
    pub(super) fn partners_changed(&mut self, role: Role) {
        for server in self.instances.values_mut() {
            for mirroring in server
                .databases
                .iter_mut()
                .filter_map(|d| d.mirroring.as_mut())
            {
                if mirroring.partner.role == role {
                    mirroring.state = MirroringState::Disconnected;
                }
            }
        }
    }

    /// Partners of a role that is back: sessions that both sides know get in step again; one that the
    /// other side dropped ends here too.
    pub(super) fn partners_back(&mut self, role: Role, now: Timestamp) {
        let known: Vec<(Instance, [u8; 16])> = self
            .instances
            .iter()
            .filter(|(_, i)| i.up)
            .flat_map(|(key, i)| {
                i.databases
                    .iter()
                    .filter_map(|d| d.mirroring.as_ref())
                    .map(|m| (*key, m.guid))
            })
            .collect();
        let up: Vec<Instance> = self
            .instances
            .iter()
            .filter(|(_, i)| i.up)
            .map(|(key, _)| *key)
            .collect();
        let mut again = Vec::new();
        for (key, server) in &mut self.instances {
            for database in &mut server.databases {
                let Some(session) = &mut database.mirroring else {
                    continue;
                };
                if key.role != role && session.partner.role != role
                    || !up.contains(&session.partner)
                {
                    continue;
                }
                if known.contains(&(session.partner, session.guid)) {
                    session.state = MirroringState::Synchronizing;
                    again.push(session.guid);
                } else {
                    database.mirroring = None;
                }
            }
        }
        let at = after(now, self.service.synchronizing);
        for guid in again {
            self.later(at, Event::Synchronized(guid));
        }
        self.advance(now);
    }
}
