//! Reads a site file: [`Site::load`], [`Site::parse`], and the tables that need little checking.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Copy, Databases, Limits, LogBackups, LogShipping, PowerShell, Run, Shares, Site, Verify, pool,
    secret, sql,
};
use crate::model::{DatabaseName, SharePath};
use crate::problem::Problems;
use crate::problem::toml::{Field, Reported, Table, read};

/// Says why a site file gives no site.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the site file `{path}` cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is read, and wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

impl Site {
    /// Reads and checks the site file at `path`. Relative files that it names are looked for
    /// beside it.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        // Absolute, so that a run that is resumed from another folder finds the same files.
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let base_dir = absolute.parent().unwrap_or(Path::new(""));
        let file = path.display().to_string();
        Ok(Self::from_bytes(&bytes, &file, base_dir)?)
    }

    /// Checks the text of a site file.
    ///
    /// `file_name` is the name that problems carry; `base_dir` is the folder that relative files
    /// are joined to.
    pub fn parse(text: &str, file_name: &str, base_dir: &Path) -> Result<Self, Problems> {
        Self::from_bytes(text.as_bytes(), file_name, base_dir)
    }

    pub(super) fn from_bytes(bytes: &[u8], file: &str, base_dir: &Path) -> Result<Self, Problems> {
        read(bytes, file, |root| site(root, base_dir))
    }
}

fn site(mut root: Table<'_>, base_dir: &Path) -> Result<Site, Reported> {
    secret::refuse_written(&root);
    let pool = pool::read(&mut root);
    let database = database(&mut root);
    let compliance_off = database.as_ref().is_ok_and(|d| d.compliance.is_none());
    let sql = sql::read(&mut root, base_dir, compliance_off);
    let shares = shares(&mut root);
    let powershell = powershell(&mut root);
    let copy = copy(&mut root);
    let log_shipping = log_shipping(&mut root, base_dir);
    let log_backups = log_backups(&mut root, shares.as_ref().ok());
    let run_mirror = run_mirror(&mut root);
    let limits = limits(&mut root);
    root.finish();
    let shares = shares?;
    Ok(Site {
        pool: pool?,
        database: database?,
        sql: sql?,
        powershell: powershell?,
        copy: copy?,
        log_shipping: log_shipping?,
        log_backups: log_backups?,
        run: Run {
            mirror: run_mirror?.unwrap_or_else(|| shares.copy.join("pchadr-runs")),
        },
        limits: limits?,
        shares,
    })
}

fn database(root: &mut Table<'_>) -> Result<Databases, Reported> {
    let mut table = root.table("database")?;
    if !table.is_there() {
        let chat = "mgc".parse().map_err(|_| table.missing("chat", ""))?;
        return Ok(Databases {
            chat,
            compliance: None,
        });
    }
    let chat = table.required("chat", "chat = \"mgc\"", database_name);
    let compliance = table.optional("compliance", database_name);
    table.finish();
    let ((chat, _), compliance) = (chat?, compliance?);
    if let Some((name, field)) = &compliance
        && name.is(chat.as_str())
    {
        field.problem(
            &format!("`{name}` is the chat database already"),
            "write the compliance database, `mgccomp`, or leave the key out when compliance is off",
        );
    }
    Ok(Databases {
        chat,
        compliance: compliance.map(|(name, _)| name),
    })
}

fn database_name<'a>(field: &Field<'a>) -> Result<(DatabaseName, Field<'a>), Reported> {
    let name: DatabaseName = field.name("write the database's name, as in `mgc`")?;
    let system = ["master", "model", "msdb", "tempdb"];
    if system.iter().any(|system| name.is(system)) {
        return Err(field.problem(
            &format!("`{name}` is a database of SQL Server itself"),
            "write the pool's own database: `mgc` for chat, `mgccomp` for compliance",
        ));
    }
    Ok((name, field.clone()))
}

const A_PATH: &str = r"write an absolute path: '\\fs1\pchat-logs', 'E:\pchat-copy' or '/srv/pchat'";

/// What a file without the table lacks, so that it need not be asked twice.
const SHARES: &str = r"[shares]`, and below it `backup = '\\fs1\pchat-logs'` and `copy = '\\sql3.dc2.litwareinc.com\pchat-copy'";

fn shares(root: &mut Table<'_>) -> Result<Shares, Reported> {
    let mut table = root.required("shares", SHARES, Field::table)?;
    let path = |field: &Field<'_>| field.name::<SharePath>(A_PATH);
    let backup = table.required("backup", r"backup = '\\fs1\pchat-logs'", path);
    let copy = table.required(
        "copy",
        r"copy = '\\sql3.dc2.litwareinc.com\pchat-copy'",
        |f| Ok((path(f)?, f.clone())),
    );
    let copy_local = table.optional("copy_local", path);
    let mirror = table.optional("mirror", |field| {
        let path = path(field)?;
        if path.unc_host().is_some() || path.as_str().starts_with('/') {
            return Ok(path);
        }
        Err(field.problem(
            "is a folder of one machine, and both instances of a mirror must reach it",
            r"write a share: `mirror = '\\fs1\pchat-mirror'`",
        ))
    });
    let archive = table.optional("archive", path);
    let extra = table.optional("extra", |field| {
        let read: Vec<_> = field.list()?.iter().map(path).collect();
        read.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let hosts_in_primary = table.or("hosts_in_primary", Vec::new(), pool::servers);

    if sql::names_backup_mirror(root) && !table.has("mirror") {
        table.missing(
            "mirror",
            r"sql.backup_mirror is set, and Install-CsMirrorDatabase needs a share that both instances reach: write `mirror = '\\fs1\pchat-mirror'`",
        );
    }
    if let (Ok(backup), Ok((copy, field))) = (&backup, &copy)
        && backup.is(copy)
    {
        field.problem(
            "is the same folder as shares.backup",
            "log backups are copied from the one to the other: name the folder that the backup's copy job fills",
        );
    }
    table.finish();
    let (copy, _) = copy?;
    Ok(Shares {
        backup: backup?,
        copy_local: copy_local?.unwrap_or_else(|| copy.clone()),
        copy,
        mirror: mirror?,
        archive: archive?,
        extra: extra?.unwrap_or_default(),
        hosts_in_primary: pool::names(hosts_in_primary?),
    })
}

fn powershell(root: &mut Table<'_>) -> Result<PowerShell, Reported> {
    let mut table = root.table("powershell")?;
    let text = |field: &Field<'_>| field.text().map(str::to_owned);
    let program = table.or("program", "powershell.exe".to_owned(), text);
    let module = table.or("module", "SkypeForBusiness".to_owned(), text);
    let arguments = table.or("arguments", Vec::new(), |field| {
        // All are read before the first one that failed ends this.
        let read: Vec<_> = field.list()?.iter().map(text).collect();
        read.into_iter().collect()
    });
    table.finish();
    Ok(PowerShell {
        program: program?,
        arguments: arguments?,
        module: module?,
    })
}

fn copy(root: &mut Table<'_>) -> Result<Copy, Reported> {
    let mut table = root.table("copy")?;
    let ways = [("header", Verify::Header), ("hash", Verify::Hash)];
    let parallel = table.or("parallel", 8, |f| f.number(1, 64));
    let verify = table.or("verify", Verify::Header, |f| f.choice(&ways));
    let overlap = table.or("overlap", true, Field::flag);
    table.finish();
    Ok(Copy {
        parallel: parallel?,
        verify: verify?,
        overlap: overlap?,
    })
}

fn log_shipping(root: &mut Table<'_>, base_dir: &Path) -> Result<LogShipping, Reported> {
    let mut table = root.table("log_shipping")?;
    let saved = table.optional("saved", |f| Ok(base_dir.join(f.text()?)));
    table.finish();
    Ok(LogShipping { saved: saved? })
}

/// Whether a folder is another, or below it, as far as the spelling tells.
fn lies_in(folder: &SharePath, other: &SharePath) -> bool {
    let spelled = |path: &str| {
        if path.starts_with('/') {
            path.to_owned()
        } else {
            path.to_lowercase()
        }
    };
    folder.is(other) || spelled(folder.as_str()).starts_with(&spelled(&other.join("")))
}

/// `shares`, where they could be read: what stands in their folders would be taken for log shipping's.
fn log_backups(
    root: &mut Table<'_>,
    shares: Option<&Shares>,
) -> Result<Option<LogBackups>, Reported> {
    let mut table = root.table("log_backups")?;
    if !table.is_there() {
        return Ok(None);
    }
    let folder = table.required("folder", r"folder = 'D:\chat-log-backups'", |field| {
        let folder: SharePath = field.name(A_PATH)?;
        let mut of_log_shipping = shares.into_iter().flat_map(|shares| {
            let own = [
                ("backup", &shares.backup),
                ("copy", &shares.copy),
                ("copy_local", &shares.copy_local),
            ];
            own.into_iter()
                .chain(shares.extra.iter().map(|extra| ("extra", extra)))
        });
        match of_log_shipping.find(|(_, share)| lies_in(&folder, share)) {
            Some((key, share)) => Err(field.problem(
                &format!("lies in shares.{key}, `{share}`, a folder of log shipping"),
                "name a folder of its own: log backups of another fork must not lie among those that log shipping restores",
            )),
            None => Ok(folder),
        }
    });
    let every = table.or("every", 15, |field| field.number(1, 60));
    table.finish();
    Ok(Some(LogBackups {
        folder: folder?,
        every: every?,
    }))
}

fn run_mirror(root: &mut Table<'_>) -> Result<Option<String>, Reported> {
    let mut table = root.table("run")?;
    let mirror = table.optional("mirror", |field| {
        let path: SharePath = field.name(A_PATH)?;
        Ok(path.to_string())
    });
    table.finish();
    mirror
}

fn limits(root: &mut Table<'_>) -> Result<Limits, Reported> {
    let mut table = root.table("limits")?;
    let default = Limits::default();
    let connect = table.or("connect", default.connect, limit);
    let login = table.or("login", default.login, limit);
    let query = table.or("query", default.query, limit);
    let step = table.or("step", default.step, limit);
    let settle = table.or("settle", default.settle, limit);
    let poll = table.or("poll", default.poll, limit);
    let jobs = table.or("jobs", default.jobs, limit);
    let stall = table.or("stall", default.stall, limit);
    let powershell = table.or("powershell", default.powershell, limit);
    let mirror = table.or("mirror", default.mirror, limit);
    let preflight = table.or("preflight", default.preflight, limit);
    let replication = table.or("replication", default.replication, limit);
    let log_age = table.or("log_age", default.log_age, limit);
    let lag = table.or("lag", default.lag, limit);
    let restore = table.or("restore", default.restore, |field| {
        if field.as_text() == Some("none") {
            Ok(None)
        } else {
            limit(field).map(Some)
        }
    });
    table.finish();
    Ok(Limits {
        connect: connect?,
        login: login?,
        query: query?,
        step: step?,
        settle: settle?,
        poll: poll?,
        jobs: jobs?,
        stall: stall?,
        powershell: powershell?,
        mirror: mirror?,
        preflight: preflight?,
        replication: replication?,
        log_age: log_age?,
        lag: lag?,
        restore: restore?,
    })
}

/// Reads a time limit: a whole number of seconds, minutes or hours.
fn limit(field: &Field<'_>) -> Result<Duration, Reported> {
    // Longer ones are slips, and clocks cannot add them.
    const LONGEST: u64 = 365 * 24 * 3600;
    let hint = "write a whole number and its unit, as in \"5s\", \"10m\" or \"2h\"";
    let text = match field.as_text() {
        Some(_) => field.text()?,
        None => return Err(field.problem("expected a time in quotes", hint)),
    };
    if text == "none" {
        return Err(field.problem("`none` is no limit, and this wait needs one", hint));
    }
    let seconds = text
        .strip_suffix('s')
        .map(|n| (n, 1))
        .or_else(|| text.strip_suffix('m').map(|n| (n, 60)))
        .or_else(|| text.strip_suffix('h').map(|n| (n, 3600)))
        .filter(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|(n, unit)| n.parse::<u64>().ok()?.checked_mul(unit));
    match seconds {
        None => Err(field.problem(&format!("`{text}` is no time"), hint)),
        Some(0) => Err(field.problem("no time at all is no limit", hint)),
        Some(n) if n > LONGEST => {
            Err(field.problem(&format!("`{text}` is more than a year"), hint))
        }
        Some(n) => Ok(Duration::from_secs(n)),
    }
}
