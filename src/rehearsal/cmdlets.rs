//! The Skype cmdlets of the simulated site, at the line protocol of
//! [`access::powershell`](crate::access::powershell): binding, prompts and refusals as a
//! non-interactive PowerShell has them, effects on the pool and, through [`Databases`], on SQL
//! Server (`skype-powershell.md`).
//!
//! Where the reference knows no text or error id of the product, one is invented in PowerShell's
//! form; nothing should decide on them.

mod act;
mod binding;
mod fault;
mod look;
mod pool;
mod processes;

use std::fmt::Write;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, duplex, split,
};

pub use fault::{FaultKind, PowerShellFault};
pub use pool::{ChatServer, ManagementStore, Pool};
pub use processes::Processes;

use crate::access::powershell::{Launch, Launched, ProcessId};
use crate::model::SqlServer;
use binding::{Refusal, Spec};
use fault::{Faults, Moment};

/// Properties of one object that a cmdlet puts out.
type Object = Map<String, Value>;

/// What a mirror set-up asks of SQL Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallMirror {
    /// True for `PersistentChatCompliance`, false for `PersistentChat`.
    pub compliance: bool,
    /// Instance that was named: becomes the principal.
    pub principal: SqlServer,
    /// The mirror that the topology has for it.
    pub mirror: SqlServer,
    /// `-FileShare`
    pub share: String,
    /// `-DropExistingDatabasesOnMirror`
    pub drop_existing: bool,
}

/// What a failover between two partners of a mirror asks of SQL Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailOverDatabase {
    /// True for `PersistentChatCompliance`, false for `PersistentChat`.
    pub compliance: bool,
    /// The partner that shall be principal: the mirror, or else the primary, of the topology's pair.
    pub to: SqlServer,
    /// The other partner.
    pub from: SqlServer,
    /// `-Force`
    pub force: bool,
}

/// What the cmdlets do to the world's databases and sessions. Called without any lock held.
pub trait Databases: Send + Sync {
    /// Sets a mirror up: backs up, copies, restores, joins the partners. The error is shown.
    fn install_mirror(&self, request: InstallMirror) -> Result<(), String>;

    /// Says whether an instance holds a database that serves and has no mirror: asked where the
    /// topology has several instances at one address.
    fn can_be_principal(&self, compliance: bool, server: &SqlServer) -> bool;

    /// Says whether an instance holds a chat database that serves: asked as the one above.
    fn serves_chat(&self, server: &SqlServer) -> bool;

    /// Makes the other partner principal. The error is shown.
    fn fail_over_database(&self, request: FailOverDatabase) -> Result<(), String>;

    /// Tells that the pool's active servers, its state, or what services run, are others now: chat
    /// servers end and begin their sessions.
    fn active_servers_changed(&self, pool: &Pool);
}

/// Sees every effect at the instant at which it happens.
pub trait Witness: Send + Sync {
    /// A state-changing cmdlet took effect, with these parameters as they were sent.
    fn effect(&self, cmdlet: &str, parameters: &Value);
}

/// One effect, as a list of them keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Name of the cmdlet.
    pub cmdlet: String,
    /// Its parameters as they were sent.
    pub parameters: Value,
}

impl Witness for Mutex<Vec<Effect>> {
    fn effect(&self, cmdlet: &str, parameters: &Value) {
        lock(self).push(Effect {
            cmdlet: cmdlet.to_owned(),
            parameters: parameters.clone(),
        });
    }
}

/// How long things take. No source gives figures; those of [`ServiceTimes::real`] are guesses of
/// the right order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTimes {
    /// Starting the process.
    pub start: Duration,
    /// Importing the module.
    pub import: Duration,
    /// A cmdlet that reads.
    pub read: Duration,
    /// `Set-CsPersistentChatState`
    pub set_state: Duration,
    /// `Set-CsPersistentChatActiveServer`
    pub set_active_servers: Duration,
    /// `Start-CsWindowsService`, `Stop-CsWindowsService`
    pub service: Duration,
    /// `Install-CsMirrorDatabase`
    pub install_mirror: Duration,
    /// `Invoke-CsDatabaseFailover`
    pub fail_over_database: Duration,
}

impl ServiceTimes {
    /// Everything at once.
    pub const ZERO: Self = Self {
        start: Duration::ZERO,
        import: Duration::ZERO,
        read: Duration::ZERO,
        set_state: Duration::ZERO,
        set_active_servers: Duration::ZERO,
        service: Duration::ZERO,
        install_mirror: Duration::ZERO,
        fail_over_database: Duration::ZERO,
    };

    /// As on a site.
    pub const fn real() -> Self {
        Self {
            start: Duration::from_secs(1),
            import: Duration::from_secs(20),
            read: Duration::from_secs(2),
            set_state: Duration::from_secs(5),
            set_active_servers: Duration::from_secs(8),
            service: Duration::from_secs(15),
            install_mirror: Duration::from_mins(3),
            fail_over_database: Duration::from_secs(20),
        }
    }
}

/// The management shell of the simulated site.
pub struct Cmdlets {
    pool: Arc<Mutex<Pool>>,
    databases: Arc<dyn Databases>,
    witness: Arc<dyn Witness>,
    times: Mutex<ServiceTimes>,
    faults: Mutex<Faults>,
    processes: Processes,
    missing: AtomicBool,
}

impl Cmdlets {
    /// Makes a shell over a pool.
    pub fn new(
        pool: Arc<Mutex<Pool>>,
        databases: Arc<dyn Databases>,
        witness: Arc<dyn Witness>,
        times: ServiceTimes,
    ) -> Self {
        Self {
            pool,
            databases,
            witness,
            times: Mutex::new(times),
            faults: Mutex::default(),
            processes: Processes::default(),
            missing: AtomicBool::new(false),
        }
    }

    /// The processes that were started.
    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    /// True while a fault is still to strike.
    pub fn has_faults(&self) -> bool {
        !lock(&self.faults).is_empty()
    }

    /// Sets other service times.
    pub fn set_times(&self, times: ServiceTimes) {
        *lock(&self.times) = times;
    }

    /// Adds a fault; it is used up when it strikes.
    pub fn fail(&self, fault: PowerShellFault) {
        lock(&self.faults).add(fault);
    }

    /// From now on there is no PowerShell to start.
    pub fn remove(&self) {
        self.missing.store(true, Ordering::SeqCst);
    }

    /// Answers the line protocol until the stream ends, or a line is no request. What is under way
    /// when the other end goes away takes no effect any more.
    pub async fn serve<S>(self: Arc<Self>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (reader, mut writer) = split(stream);
        let mut reader = BufReader::new(reader);
        let mut imported = false;
        loop {
            let mut line = Vec::new();
            if !matches!(reader.read_until(b'\n', &mut line).await, Ok(1..)) {
                return;
            }
            // A script that cannot read its input ends; so does this.
            let Ok(request) = serde_json::from_slice::<Request>(&line) else {
                return;
            };
            let answer = tokio::select! {
                biased;
                () = self.abandoned(&mut reader) => return,
                answer = self.answer(&request, &mut imported) => answer,
            };
            let Some(answer) = answer else { return };
            let frame = format!("@pchadr {} {}\n", request.nonce, ascii(&answer));
            let sent = writer.write_all(frame.as_bytes()).await;
            if sent.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    }

    /// Ends when the program has gone, unless what is under way outlives it.
    async fn abandoned(&self, reader: &mut (impl AsyncBufRead + Unpin)) {
        hang_up(reader).await;
        if self.processes.outlive() {
            pending::<()>().await;
        }
    }

    /// The answer to a request; `None` where the process dies of it.
    async fn answer(&self, request: &Request, imported: &mut bool) -> Option<Value> {
        if let Some(module) = &request.import {
            rest(self.times().import).await;
            let known = self.pool().module.clone();
            return Some(frame(if known.eq_ignore_ascii_case(module) {
                *imported = true;
                Ok(Vec::new())
            } else {
                Err(Refusal::no_module(module))
            }));
        }
        let name = request.cmdlet.as_deref().unwrap_or_default();
        let spec = Spec::find(name).filter(|_| *imported);
        let Some(spec) = spec else {
            return Some(frame(Err(Refusal::unknown_command(name))));
        };
        let bound = match binding::bind(spec, &request.parameters) {
            Ok(bound) => bound,
            Err(refusal) => return Some(frame(Err(refusal))),
        };
        rest(spec.time(self.times())).await;

        let fault = lock(&self.faults).strike(spec);
        if let Some(kind) = fault
            && kind.moment() == Moment::Before
        {
            return self.suffer(kind, spec).await;
        }
        let sent = Value::Object(request.parameters.clone());
        let result = self.act(spec, &bound, &sent);
        match fault {
            Some(kind) => self.suffer(kind, spec).await,
            None => Some(frame(result.map(|objects| {
                objects
                    .iter()
                    .map(|object| choose(object, &request.properties))
                    .collect()
            }))),
        }
    }

    async fn suffer(&self, kind: FaultKind, spec: &Spec) -> Option<Value> {
        match kind {
            FaultKind::ErrorBefore | FaultKind::ErrorAfter => {
                let mut answer = frame(Err(Refusal::transient(spec)));
                answer["errors"]
                    .as_array_mut()?
                    .push(Refusal::consequence(spec).to_json());
                Some(answer)
            }
            FaultKind::WarningBefore | FaultKind::WarningAfter => {
                let mut answer = frame(Ok(Vec::new()));
                answer["warnings"] = json!([
                    "Failed to read security information from a remote registry.",
                    format!("{} encountered errors. Consult the log file.", spec.name),
                ]);
                Some(answer)
            }
            FaultKind::CutBefore | FaultKind::CutAfter => None,
            FaultKind::SilenceBefore | FaultKind::SilenceAfter => pending().await,
        }
    }

    /// An effect has happened: tells the witness, then the world.
    fn happened(&self, spec: &Spec, sent: &Value, pool: Option<&Pool>) {
        self.witness.effect(spec.name, sent);
        if let Some(pool) = pool {
            self.databases.active_servers_changed(pool);
        }
    }

    fn times(&self) -> ServiceTimes {
        *lock(&self.times)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        lock(&self.pool)
    }
}

/// The cmdlets as a PowerShell that can be started.
pub struct RehearsedPowerShell(pub Arc<Cmdlets>);

impl Launch for RehearsedPowerShell {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        async move {
            if self.0.missing.load(Ordering::SeqCst) {
                // ERROR_FILE_NOT_FOUND, and ENOENT.
                return Err(io::Error::from_raw_os_error(2));
            }
            rest(self.0.times().start).await;
            let (near, far) = duplex(64 << 10);
            let process = self.0.processes.begin();
            let (cmdlets, number) = (Arc::clone(&self.0), process.number);
            tokio::spawn(async move {
                let ended = cmdlets.processes.ended(number);
                tokio::select! {
                    () = Arc::clone(&cmdlets).serve(far) => {}
                    () = ended => {}
                }
                cmdlets.processes.end(number);
            });
            Ok(Launched {
                stream: Box::new(near),
                process: Some(process),
            })
        }
        .boxed()
    }

    fn is_there(&self, process: &ProcessId) -> bool {
        self.0.processes.is_there(process.number)
    }

    fn end(&self, process: &ProcessId) {
        self.0.processes.end(process.number);
    }
}

/// One line of input.
#[derive(Deserialize)]
struct Request {
    nonce: String,
    #[serde(default)]
    import: Option<String>,
    #[serde(default)]
    cmdlet: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    properties: Vec<String>,
}

/// Ends when the other end of the stream has gone.
async fn hang_up(reader: &mut (impl AsyncBufRead + Unpin)) {
    if matches!(reader.fill_buf().await, Ok(bytes) if !bytes.is_empty()) {
        pending::<()>().await;
    }
}

async fn rest(time: Duration) {
    if time > Duration::ZERO {
        tokio::time::sleep(time).await;
    }
}

/// The asked properties of an object; one that it lacks is left out.
fn choose(object: &Object, properties: &[String]) -> Object {
    properties
        .iter()
        .filter_map(|name| {
            let (_, value) = object.iter().find(|(k, _)| k.eq_ignore_ascii_case(name))?;
            Some((name.clone(), value.clone()))
        })
        .collect()
}

fn frame(result: Result<Vec<Object>, Refusal>) -> Value {
    let (objects, errors) = match result {
        Ok(objects) => (objects, Vec::new()),
        Err(refusal) => (Vec::new(), vec![refusal.to_json()]),
    };
    json!({ "objects": objects, "errors": errors, "warnings": [] })
}

/// JSON with every character beyond ASCII escaped.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// What a mutex guards, whoever panicked with it: values change by whole steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
