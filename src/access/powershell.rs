//! The Skype cmdlets, through one PowerShell process (`design.md` 9).
//!
//! The line protocol, ASCII only both ways. One request a line:
//!
//! ```json
//! {"nonce":"5e1f…","import":"SkypeForBusiness"}
//! {"nonce":"80aa…","cmdlet":"Get-CsService","parameters":{"PersistentChatServer":true},"properties":["Identity","ActiveServers"]}
//! ```
//!
//! and one answer a line, found by its frame and nonce, whatever else is printed between:
//!
//! ```text
//! @pchadr 80aa… {"objects":[{"Identity":"PersistentChatServer:…","ActiveServers":["pc1…"]}],"errors":[],"warnings":[]}
//! ```
//!
//! `parameters` are splatted: a switch is `true`, a list modifier an object (`{"Add":"…"}`), `null`
//! is `$null`. `properties` names what is read of each object: a text, a list of texts, or `null`
//! where the property is null; a property that the object lacks is left out. An error is
//! `{"message","id","category"}`, `id` being PowerShell's `FullyQualifiedErrorId`; any entry in
//! `errors` means that the cmdlet failed, non-terminating or not.

mod process;
mod system;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

pub use process::Process;
pub use system::ProcessId;

use super::ByteStream;
use super::sql::Fate;
use crate::model::{IntoRemedies as _, Place, Problem, Remedy};

/// Longest line that is read: many times what any pool answers.
const LINE: u64 = 4 << 20;

/// Starts the process that answers the line protocol: a PowerShell, or the rehearsal's cmdlets.
pub trait Launch: Send + Sync {
    /// Starts one. Dropping the stream ends it and all that it started.
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>>;

    /// True while one is there that an execution of this program started on this machine. It may be
    /// there although that execution was killed.
    fn is_there(&self, process: &ProcessId) -> bool;

    /// Ends such a one, with all that it started.
    fn end(&self, process: &ProcessId);
}

/// A process that was started.
pub struct Launched {
    /// Its input and output.
    pub stream: Box<dyn ByteStream>,
    /// Which it is, where the system says so.
    pub process: Option<ProcessId>,
}

/// An object that a cmdlet returned: property name to text, list of texts, or null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Object(BTreeMap<String, Option<Property>>);

/// Value of a property.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Property {
    Text(String),
    List(Vec<String>),
}

impl Object {
    /// A text property; `None` where it is missing, null or a list.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Some(Property::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list property; null is the empty list, a text a list of one; `None` where it is missing.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        Some(match self.0.get(name)? {
            None => Vec::new(),
            Some(Property::Text(text)) => vec![text.clone()],
            Some(Property::List(list)) => list.clone(),
        })
    }
}

/// A cmdlet to call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// Its name.
    pub cmdlet: &'a str,
    /// Its parameters.
    pub parameters: BTreeMap<&'a str, Value>,
    /// What is read of each object that it returns.
    pub properties: &'a [&'a str],
    /// Its own time limit; `None` = the door's.
    pub limit: Option<Duration>,
}

/// Why a cmdlet failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// PowerShell could not be started.
    NotStarted(String),
    /// The caller withheld it when it heard which process it would go to.
    Withheld,
    /// The module could not be imported.
    NoModule {
        /// Its name.
        module: String,
        /// PowerShell's words.
        text: String,
    },
    /// The cmdlet said so.
    Refused {
        /// The message.
        message: String,
        /// `FullyQualifiedErrorId`.
        id: String,
    },
    /// The process ended without an answer; why, where it can be known.
    Ended(String),
    /// It answered what is no answer.
    Garbled(String),
    /// Nothing came within the limit; the process was ended.
    TimedOut(Duration),
}

/// What a cmdlet answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The objects that it returned.
    pub objects: Vec<Object>,
    /// Its warnings.
    pub warnings: Vec<String>,
}

/// A cmdlet that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmdletError {
    /// Which.
    pub cmdlet: String,
    /// Why.
    pub failure: Failure,
    /// The errors that it told behind the first.
    pub further: Vec<String>,
    /// Its warnings.
    pub warnings: Vec<String>,
    /// Whether it took effect. A cmdlet that failed may have done half of its work.
    pub fate: Fate,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => write!(f, "PowerShell did not start: {why}"),
            Self::Withheld => f.write_str("it was not sent"),
            Self::NoModule { module, text } => {
                write!(f, "the module `{module}` could not be imported: {text}")
            }
            Self::Refused { message, .. } => f.write_str(message),
            Self::Ended(why) if why.is_empty() => f.write_str("PowerShell ended without an answer"),
            Self::Ended(why) => write!(f, "PowerShell ended without an answer: {why}"),
            Self::Garbled(line) => write!(f, "PowerShell gave an answer that is none: {line}"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
        }
    }
}

impl fmt::Display for CmdletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.cmdlet, self.failure)
    }
}

impl std::error::Error for CmdletError {}

impl CmdletError {
    /// What to do; empty where only the cmdlet knows.
    pub fn remedies(&self) -> Vec<Remedy> {
        match &self.failure {
            Failure::NotStarted(_) => {
                "see `[powershell] program` of the site file, and whether a policy of this machine forbids scripts (`Get-ExecutionPolicy -List` in PowerShell)"
            }
            Failure::NoModule { .. } => {
                "install the Skype for Business administrative tools on this machine, or see `[powershell] module`"
            }
            // The cmdlet's own words are all that is known.
            Failure::Refused { .. } | Failure::Withheld => "",
            Failure::Ended(_) | Failure::Garbled(_) | Failure::TimedOut(_) => {
                "look at the pool with `pchadr status`"
            }
        }
        .into_remedies()
    }
}

impl From<&CmdletError> for Problem {
    fn from(error: &CmdletError) -> Self {
        let mut said = vec![error.failure.to_string()];
        said.extend(error.further.iter().cloned());
        said.extend(error.warnings.iter().map(|it| format!("warning: {it}")));
        let problem = Self {
            what: error.cmdlet.clone(),
            ..Self::new(said.join("; "), error.remedies())
        };
        problem.at(match error.failure {
            Failure::NotStarted(_) | Failure::NoModule { .. } | Failure::Withheld => {
                Place::ThisMachine
            }
            Failure::Refused { .. }
            | Failure::Ended(_)
            | Failure::Garbled(_)
            | Failure::TimedOut(_) => Place::PowerShell,
        })
    }
}

impl From<CmdletError> for Problem {
    fn from(error: CmdletError) -> Self {
        Self::from(&error)
    }
}

#[derive(Serialize)]
struct Request<'a> {
    nonce: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdlet: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a BTreeMap<&'a str, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a [&'a str]>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    objects: Vec<Object>,
    #[serde(default)]
    errors: Vec<ErrorRecord>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct ErrorRecord {
    message: String,
    #[serde(default)]
    id: String,
}

/// A process, and what it says.
struct Running {
    pipe: BufReader<Box<dyn ByteStream>>,
    process: Option<ProcessId>,
}

/// The one PowerShell process of a run.
pub struct PowerShellDoor {
    launch: Arc<dyn Launch>,
    module: String,
    limit: Duration,
    nonce: u64,
    calls: AtomicU64,
    process: tokio::sync::Mutex<Option<Running>>,
}

impl PowerShellDoor {
    /// A door that starts its process when it is first needed. `nonce` is random, made once near
    /// `main`; `limit` is for one cmdlet.
    pub fn new(launch: Arc<dyn Launch>, module: &str, limit: Duration, nonce: u64) -> Self {
        Self {
            launch,
            module: module.to_owned(),
            limit,
            nonce,
            calls: AtomicU64::new(0),
            process: tokio::sync::Mutex::new(None),
        }
    }

    /// Calls a cmdlet. One at a time; after anything but an answer the process is ended and the
    /// next call starts another.
    pub async fn call(&self, call: Call<'_>) -> Result<Vec<Object>, CmdletError> {
        let answer = self.call_told(call, &|_| true).await?;
        Ok(answer.objects)
    }

    /// The same. `may` hears to which process it is about to be sent, and can withhold it.
    pub async fn call_told(
        &self,
        call: Call<'_>,
        may: &(dyn Fn(&ProcessId) -> bool + Send + Sync),
    ) -> Result<Answer, CmdletError> {
        let error = |failure, fate| CmdletError {
            cmdlet: call.cmdlet.to_owned(),
            failure,
            further: Vec::new(),
            warnings: Vec::new(),
            fate,
        };
        let mut slot = self.process.lock().await;
        let mut process = match slot.take() {
            Some(process) => process,
            None => self
                .start()
                .await
                .map_err(|failure| error(failure, Fate::NotSent))?,
        };
        if process
            .process
            .as_ref()
            .is_some_and(|process| !may(process))
        {
            *slot = Some(process);
            return Err(error(Failure::Withheld, Fate::NotSent));
        }
        let request = Request {
            nonce: "",
            import: None,
            cmdlet: Some(call.cmdlet),
            parameters: Some(&call.parameters),
            properties: Some(call.properties),
        };
        let limit = call.limit.unwrap_or(self.limit);
        let began = tokio::time::Instant::now();
        let answer = tokio::time::timeout(limit, self.exchange(&mut process, request)).await;
        let cmdlet = call.cmdlet;
        tracing::debug!(cmdlet, took = ?began.elapsed(), answered = matches!(answer, Ok(Ok(_))), "called");
        match answer {
            Ok(Ok(response)) => {
                *slot = Some(process);
                let warnings = response.warnings;
                let mut errors = response.errors.into_iter();
                match errors.next() {
                    None => Ok(Answer {
                        objects: response.objects,
                        warnings,
                    }),
                    Some(first) => {
                        let failure = Failure::Refused {
                            message: first.message,
                            id: first.id,
                        };
                        Err(CmdletError {
                            further: errors.map(|it| it.message).collect(),
                            warnings,
                            ..error(failure, Fate::Refused)
                        })
                    }
                }
            }
            Ok(Err(failure)) => Err(error(failure, Fate::Unknown)),
            Err(_) => Err(error(Failure::TimedOut(limit), Fate::Unknown)),
        }
    }

    /// True while a process is there that an earlier execution started on this machine.
    pub fn is_there(&self, process: &ProcessId) -> bool {
        self.launch.is_there(process)
    }

    /// Ends such a one, with all that it started.
    pub fn end(&self, process: &ProcessId) {
        self.launch.end(process);
    }

    async fn start(&self) -> Result<Running, Failure> {
        let Launched { stream, process } = self
            .launch
            .launch()
            .await
            .map_err(|cause| Failure::NotStarted(cause.to_string()))?;
        let mut process = Running {
            pipe: BufReader::new(stream),
            process,
        };
        let request = Request {
            nonce: "",
            import: Some(&self.module),
            cmdlet: None,
            parameters: None,
            properties: None,
        };
        let importing = self.exchange(&mut process, request);
        let response = tokio::time::timeout(self.limit, importing)
            .await
            .map_err(|_| Failure::TimedOut(self.limit))?
            // One that ends before it has answered once never began.
            .map_err(|failure| match failure {
                Failure::Ended(why) if why.is_empty() => {
                    Failure::NotStarted("it ended without a word".to_owned())
                }
                Failure::Ended(why) => Failure::NotStarted(why),
                other @ (Failure::NotStarted(_)
                | Failure::Withheld
                | Failure::NoModule { .. }
                | Failure::Refused { .. }
                | Failure::Garbled(_)
                | Failure::TimedOut(_)) => other,
            })?;
        match response.errors.into_iter().next() {
            None => Ok(process),
            Some(first) => Err(Failure::NoModule {
                module: self.module.clone(),
                text: first.message,
            }),
        }
    }

    async fn exchange(
        &self,
        process: &mut Running,
        request: Request<'_>,
    ) -> Result<Response, Failure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let nonce = format!("{:016x}{call:08x}", self.nonce);
        let request = Request {
            nonce: &nonce,
            ..request
        };
        let json =
            serde_json::to_string(&request).map_err(|cause| Failure::Garbled(cause.to_string()))?;
        let mut line = ascii(&json);
        line.push('\n');
        let broken = |cause: io::Error| Failure::Ended(cause.to_string());
        let pipe = &mut process.pipe;
        pipe.write_all(line.as_bytes()).await.map_err(broken)?;
        pipe.flush().await.map_err(broken)?;
        let frame = format!("@pchadr {nonce} ");
        loop {
            let mut bytes = Vec::new();
            let read = (&mut *pipe)
                .take(LINE)
                .read_until(b'\n', &mut bytes)
                .await
                .map_err(broken)?;
            if read == 0 {
                return Err(Failure::Ended(String::new()));
            }
            if read as u64 == LINE {
                return Err(Failure::Garbled("a line without an end".to_owned()));
            }
            let line = String::from_utf8_lossy(&bytes);
            if let Some(json) = line.strip_prefix(&frame) {
                return serde_json::from_str(json.trim_end())
                    .map_err(|_| Failure::Garbled(json.trim_end().chars().take(160).collect()));
            }
        }
    }
}

/// Spells a JSON text in ASCII: the pipe's code page then does not matter.
fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
