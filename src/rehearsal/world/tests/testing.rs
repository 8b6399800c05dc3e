//! A site, a world of it, and a client of its instances, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::memory::MemoryFiles;
use crate::model::{DatabaseName, SharePath};
use crate::rehearsal::backup_set::Form;
use crate::rehearsal::tds::{Flow, Login, Reply, Request, Session};
use crate::rehearsal::value::{Column, Datum, Relation, ServerError};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::*;
use crate::site::{
    Auth, Copy, Databases, Encrypt, Limits, LogShipping, Pool, PowerShell, Run, Shares, Sql, Tls,
    Verify,
};

pub(in crate::rehearsal) const PRIMARY: Instance = Instance::chat(Role::Primary);
pub(in crate::rehearsal) const PRIMARY_MIRROR: Instance = Instance::chat(Role::PrimaryMirror);
pub(in crate::rehearsal) const BACKUP: Instance = Instance::chat(Role::Backup);
pub(in crate::rehearsal) const BACKUP_MIRROR: Instance = Instance::chat(Role::BackupMirror);

pub(in crate::rehearsal) fn site() -> Site {
    let fqdn = |name: &str| format!("{name}.litwareinc.com").parse::<Fqdn>().unwrap();
    let path = |text: &str| text.parse::<SharePath>().unwrap();
    let server = |text: &str| text.parse::<SqlServer>().unwrap();
    let (one, two) = (
        vec![fqdn("pc1"), fqdn("pc2")],
        vec![fqdn("pc5"), fqdn("pc6")],
    );
    Site {
        pool: Pool {
            fqdn: fqdn("pchat"),
            identity: None,
            active_identity: None,
            primary_servers: one.clone(),
            backup_servers: two.clone(),
            normal: one,
            failed_over: two,
            front_ends: Vec::new(),
        },
        database: Databases {
            chat: "mgc".parse::<DatabaseName>().unwrap(),
            compliance: Some("mgccomp".parse::<DatabaseName>().unwrap()),
        },
        sql: Sql {
            instances: BTreeMap::from([
                (PRIMARY, server(r"sql1.dc1.litwareinc.com\chat")),
                (PRIMARY_MIRROR, server(r"sql2.dc1.litwareinc.com\chat")),
                (BACKUP, server(r"sql3.dc2.litwareinc.com\chat")),
                (BACKUP_MIRROR, server(r"sql4.dc2.litwareinc.com\chat")),
            ]),
            auth: Auth::Integrated,
            tls: Tls {
                encrypt: Encrypt::Off,
                ca: None,
                trust_server_certificate: false,
            },
        },
        shares: Shares {
            hosts_in_primary: Vec::new(),
            backup: path(r"\\fs1\pchat-logs"),
            copy: path(r"\\sql3\pchat-copy"),
            copy_local: path(r"E:\pchat-copy"),
            mirror: Some(path(r"\\fs1\pchat-mirror")),
            archive: None,
            extra: Vec::new(),
        },
        powershell: PowerShell {
            program: "powershell.exe".into(),
            arguments: Vec::new(),
            module: "SkypeForBusiness".into(),
        },
        copy: Copy {
            parallel: 1,
            verify: Verify::Header,
            overlap: true,
        },
        log_shipping: LogShipping::default(),
        log_backups: None,
        run: Run {
            mirror: r"\\sql3\pchat-copy\pchadr-runs".into(),
        },
        limits: Limits::default(),
    }
}

/// A world with six logs, two restored, four copied, and its files.
pub(in crate::rehearsal) struct Fixture {
    pub(in crate::rehearsal) world: Shared,
    pub(in crate::rehearsal) files: Arc<MemoryFiles>,
    pub(in crate::rehearsal) logs: Vec<MadeLog>,
}

pub(in crate::rehearsal) fn clock() -> Now {
    let base: Timestamp = "2024-05-06T07:08:09Z".parse().unwrap();
    let started = Instant::now();
    Arc::new(move || base.saturating_add(started.elapsed()).unwrap())
}

pub(in crate::rehearsal) fn copied(log: &MadeLog) -> String {
    join(r"E:\pchat-copy", &log.name)
}

impl Fixture {
    pub(in crate::rehearsal) fn new(change: impl FnOnce(&mut WorldOptions)) -> Self {
        let now = clock();
        let files = Arc::new(MemoryFiles::new());
        let mut recipe = LogRecipe::new("mgc", r"SQL1\chat", 6, at_or(utc(now()), -120));
        recipe.servers.push(r"SQL2\chat".to_owned());
        recipe.turn = 2;
        let mut options = WorldOptions::new(now, files.clone());
        options.logs = recipe.make();
        options.restored = 2;
        options.copied = 4;
        change(&mut options);
        let logs = options.logs.clone();
        for (i, log) in logs.iter().enumerate() {
            let view = FileView {
                size: log.size,
                sets: vec![log.set.clone()],
                damaged: false,
                form: Form::default(),
            };
            if i < options.copied {
                files.put(&copied(log), view.clone());
            }
            files.put(&join(r"\\fs1\pchat-logs", &log.name), view);
        }
        Self {
            world: World::build(&site(), &options),
            files,
            logs,
        }
    }

    pub(in crate::rehearsal) fn client(&self, instance: Instance) -> Client {
        Client::new(&self.world, instance)
    }

    /// Looks at an instance.
    pub(in crate::rehearsal) fn at<T>(
        &self,
        instance: Instance,
        look: impl FnOnce(&mut SqlInstance) -> T,
    ) -> T {
        self.world
            .with(|state| look(state.instances.get_mut(&instance).unwrap()))
    }

    /// `RESTORE LOG` of a copied file, NORECOVERY.
    pub(in crate::rehearsal) fn restore(&self, n: usize) -> String {
        format!(
            "RESTORE LOG [mgc] FROM DISK = N'{}' WITH FILE = 1, NORECOVERY",
            copied(&self.logs[n])
        )
    }
}

/// What a batch answered.
#[derive(Debug, Default)]
pub(in crate::rehearsal) struct Told {
    pub(in crate::rehearsal) sets: Vec<Relation>,
    pub(in crate::rehearsal) infos: Vec<ServerError>,
    pub(in crate::rehearsal) errors: Vec<ServerError>,
    pub(in crate::rehearsal) dones: usize,
    pub(in crate::rehearsal) cut: bool,
}

impl Told {
    pub(in crate::rehearsal) fn numbers(&self) -> Vec<u32> {
        self.errors.iter().map(|e| e.number).collect()
    }

    pub(in crate::rehearsal) fn printed(&self) -> Vec<&str> {
        self.infos.iter().map(|i| i.message.as_str()).collect()
    }
}

impl Reply for Told {
    fn columns(&mut self, columns: &[Column]) {
        self.sets.push(Relation {
            columns: columns.to_vec(),
            rows: Vec::new(),
        });
    }
    fn row(&mut self, row: &[Datum]) {
        self.sets.last_mut().unwrap().rows.push(row.to_vec());
    }
    fn info(&mut self, message: &ServerError) {
        self.infos.push(message.clone());
    }
    fn error(&mut self, error: &ServerError) {
        self.errors.push(error.clone());
    }
    fn done(&mut self, _rows: Option<u64>) {
        self.dones += 1;
    }
}

pub(in crate::rehearsal) struct Client(pub(in crate::rehearsal) Box<dyn Session>);

impl Client {
    pub(in crate::rehearsal) fn new(world: &Shared, instance: Instance) -> Self {
        let login = Login {
            user: "pchadr".into(),
            host_name: "admin1".into(),
            program_name: "pchadr".into(),
            ..Login::default()
        };
        Self(world.server(instance).login(&login).unwrap())
    }

    pub(in crate::rehearsal) async fn run(&mut self, sql: &str) -> Told {
        let mut told = Told::default();
        let request = Request::Batch {
            sql: sql.to_owned(),
            parameters: Vec::new(),
        };
        told.cut = self.0.run(request, &mut told).await == Flow::Cut;
        told
    }

    /// Runs a batch and gives the errors' numbers.
    pub(in crate::rehearsal) async fn numbers(&mut self, sql: &str) -> Vec<u32> {
        self.run(sql).await.numbers()
    }

    /// Runs a batch that has to succeed.
    pub(in crate::rehearsal) async fn ok(&mut self, sql: &str) -> Told {
        let told = self.run(sql).await;
        assert_eq!(told.numbers(), [0_u32; 0], "{sql}: {:?}", told.errors);
        assert!(!told.cut && told.dones > 0, "{sql}");
        told
    }

    /// Goes away after so much time, if the batch is not through by then; says whether it was.
    pub(in crate::rehearsal) async fn drop_after(&mut self, sql: &str, time: Duration) -> bool {
        tokio::time::timeout(time, self.run(sql)).await.is_ok()
    }
}
