//! The PowerShell door, the script that answers it, and the commands that plans print, in a real
//! PowerShell engine with a module of ours in the vendor's place (`modules/SkypeForBusiness`).

mod door;
mod plan;
mod script;
mod trouble;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pchadr::access::powershell::{
    Call, CmdletError, Launch, Launched, Object, PowerShellDoor, Process, ProcessId,
};
use serde_json::{Value, json};

/// The engine, or `None`, said loudly, where this checkout has none beside it.
fn engine() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/pwsh/pwsh");
    if program.is_file() {
        return Some(program);
    }
    // Not `eprintln!`: the test runner would swallow it.
    writeln!(io::stderr(), "SKIPPED: {} is not there", program.display()).unwrap();
    None
}

/// A pool of the test module, in a file of its own.
struct Pool {
    folder: tempfile::TempDir,
    engine: PathBuf,
}

impl Pool {
    fn new() -> Option<Self> {
        let pool = Self {
            engine: engine()?,
            folder: tempfile::tempdir().unwrap(),
        };
        pool.write(&json!({
            "Identity": "PersistentChatServer:pchat.litwareinc.com",
            "PoolFqdn": "pchat.litwareinc.com",
            "PoolState": "Normal",
            "ActiveServers": ["pc1.dc1.litwareinc.com", "pc2.dc1.litwareinc.com"],
            "InactiveServers": ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"],
            "Mirror": null,
            "Stopped": [],
            "ActiveMaster": "fe1.dc1.litwareinc.com",
            "Trouble": "",
        }));
        Some(pool)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("pool.json")
    }

    fn write(&self, state: &Value) {
        std::fs::write(self.file(), state.to_string()).unwrap();
    }

    fn read(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    fn set(&self, name: &str, value: impl Into<Value>) {
        let mut state = self.read();
        state[name] = value.into();
        self.write(&state);
    }

    /// Seconds that a process of this pool sleeps, by which it is found among all others.
    fn nap(&self) -> String {
        let name = self.folder.path().to_str().unwrap();
        let digits: u32 = name.bytes().map(u32::from).fold(7, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte) % 1_000_000
        });
        format!("300.{digits:06}{}", std::process::id())
    }

    /// Words that start the engine with this pool and the modules of the tests.
    fn arguments(&self) -> Vec<String> {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/powershell/modules");
        vec![
            format!("PSModulePath={}", modules.display()),
            format!("PCHADR_TEST_POOL={}", self.file().display()),
            format!("PCHADR_TEST_NAP={}", self.nap()),
            self.engine.to_str().unwrap().to_owned(),
        ]
    }

    fn open(&self) -> Door {
        self.open_with("SkypeForBusiness", Duration::from_mins(1))
    }

    fn open_with(&self, module: &str, limit: Duration) -> Door {
        let starts = Arc::new(AtomicUsize::new(0));
        let launch = Counted(
            Process::new("/usr/bin/env", self.arguments()),
            Arc::clone(&starts),
        );
        Door {
            door: PowerShellDoor::new(Arc::new(launch), module, limit, 0x5e1f),
            starts,
        }
    }
}

/// Counts how often the engine is started.
struct Counted(Process, Arc<AtomicUsize>);

impl Launch for Counted {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.launch()
    }

    fn is_there(&self, process: &ProcessId) -> bool {
        self.0.is_there(process)
    }

    fn end(&self, process: &ProcessId) {
        self.0.end(process);
    }
}

struct Door {
    door: PowerShellDoor,
    starts: Arc<AtomicUsize>,
}

impl Door {
    async fn call(
        &self,
        cmdlet: &str,
        parameters: Value,
        properties: &[&str],
    ) -> Result<Vec<Object>, CmdletError> {
        let Value::Object(given) = parameters else {
            panic!("parameters are an object");
        };
        let parameters: BTreeMap<&str, Value> = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        self.door
            .call(Call {
                cmdlet,
                parameters,
                properties,
                limit: None,
            })
            .await
    }

    /// Sets the pool's state, as `set-pool-state` does.
    async fn set_state(&self, state: &str) -> Result<Vec<Object>, CmdletError> {
        let parameters = json!({
            "Identity": "PersistentChatServer:pchat.litwareinc.com",
            "PoolState": state,
            "Confirm": false,
        });
        self.call("Set-CsPersistentChatState", parameters, &[])
            .await
    }

    fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }
}
