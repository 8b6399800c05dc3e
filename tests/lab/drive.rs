//! The program, driven on a lab: its own state folder, its journal, its status, a second opinion.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pchadr::model::Role;
use serde_json::{Value, json};
use tempfile::TempDir;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

use crate::bench::{LONG, Lab, program, run};

/// What a failover needs to be said where nobody is there to be asked.
pub(crate) const CONSENT: [&str; 3] = ["--yes", "--accept-loss-after", "end-of-chain"];

/// A machine that runs the program: its state folder, gone afterwards.
pub(crate) struct Machine {
    home: TempDir,
    /// The site file.
    pub(crate) site: PathBuf,
}

impl Machine {
    pub(crate) fn of(lab: &Lab) -> Self {
        Self::with_site(lab.folder.join("site.toml"))
    }

    pub(crate) fn with_site(site: PathBuf) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            site,
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The program with those words, then the site file.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(words)
            .arg("--config")
            .arg(&self.site)
            .env("PCHADR_STATE", self.state())
            .env("HOME", self.home.path())
            .env_remove("PCHADR_CONFIG")
            .env_remove("USER");
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        run(&mut self.command(words), "")
    }

    /// A failover with every consent, and with those words.
    pub(crate) fn failover(&self, words: &[&str]) -> Output {
        let mut all = vec!["failover"];
        all.extend(CONSENT);
        all.extend(words);
        self.run(&all)
    }

    /// Starts a failover with every consent. Who starts it ends it.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let mut all = vec!["failover"];
        all.extend(CONSENT);
        all.extend(words);
        self.begin(&all)
    }

    /// Starts a failback with every consent. Who starts it ends it.
    pub(crate) fn start_failback(&self) -> Running {
        self.begin(&["failback", "--yes"])
    }

    /// Starts undoing the last run, with every consent. Who starts it ends it.
    pub(crate) fn start_abort(&self) -> Running {
        self.begin(&["abort", "--yes"])
    }

    pub(crate) fn begin(&self, words: &[&str]) -> Running {
        let child = self
            .command(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(child)
    }

    pub(crate) fn status(&self) -> Value {
        let said = self.run(&["status", "--output", "json"]);
        let status: Value = serde_json::from_slice(&said.stdout).unwrap();
        let two = !status["two_writable"].is_null();
        let instances = status["instances"].as_object().unwrap();
        let unseen = |it: &Value| it["reachable"] == false || !it["error"].is_null();
        let unseen = !status["pool"]["error"].is_null() || instances.values().any(unseen);
        let code = if two || unseen { 3 } else { 0 };
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        status
    }

    /// Run folders, oldest first.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.state().join("runs")) else {
            return Vec::new();
        };
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        // Two ids of one second have no order.
        runs.sort_by_key(|run| Some(records(run).first()?["at"].to_string()));
        runs
    }

    /// The records of the newest run; none while there is no run.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.runs()
            .last()
            .map(|run| records(run))
            .unwrap_or_default()
    }

    /// Waits until the newest run has a record that is wanted.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let end = Instant::now() + LONG;
        while !self.journal().iter().any(&wanted) {
            assert!(Instant::now() < end, "{what} is never recorded");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The whole lines of a journal.
pub(crate) fn records(run: &Path) -> Vec<Value> {
    let bytes = fs::read(run.join("journal.jsonl")).unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    bytes[..whole]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// How each step of a run ended, from its last record.
pub(crate) fn outcomes(journal: &[Value]) -> BTreeMap<String, String> {
    let last = journal.last().unwrap();
    assert_eq!(last["event"], "run_finished", "{last}");
    serde_json::from_value(last["steps"].clone()).unwrap()
}

/// The commands of a run: step and number.
pub(crate) fn commands(journal: &[Value]) -> Vec<String> {
    journal
        .iter()
        .filter(|record| record["event"] == "command")
        .map(|record| format!("{} {}", record["step"].as_str().unwrap(), record["n"]))
        .collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that is under way; killed with its test.
pub(crate) struct Running(Child);

impl Running {
    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.0.id().to_string())
            .status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end; status and standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + LONG;
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the run does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut said = String::new();
        let mut errors = self.0.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What of a status does not depend on which ports the lab got.
pub(crate) fn end_state(status: &Value) -> Value {
    let mut status = status.clone();
    for instance in status["instances"].as_object_mut().unwrap().values_mut() {
        let instance = instance.as_object_mut().unwrap();
        instance.remove("server");
        instance.remove("error");
    }
    status
}

/// How a site stands after a failover (`design.md` 8, `status` JSON).
pub(crate) fn failed_over() -> Value {
    let database = |state: &str, role: &str, partner: &str| {
        json!({"state": state, "standby": false, "recovery_model": "FULL",
            "mirroring": {"role": role, "state": "SYNCHRONIZED", "partner": partner}})
    };
    let dead = json!({"reachable": false, "databases": {}, "log_shipping": null});
    json!({
        "version": 1,
        "pool": {
            "state": "FailedOver",
            "active_servers": ["pc5.dc2.litwareinc.com", "pc6.dc2.litwareinc.com"],
        },
        "instances": {
            "primary": dead,
            "primary_mirror": dead,
            "backup": {"reachable": true, "log_shipping": null,
                "databases": {"mgc": database("ONLINE", "PRINCIPAL", "SQL4"), "mgccomp": database("ONLINE", "PRINCIPAL", "SQL4")}},
            "backup_mirror": {"reachable": true, "log_shipping": null,
                "databases": {"mgc": database("RESTORING", "MIRROR", "SQL3"), "mgccomp": database("RESTORING", "MIRROR", "SQL3")}},
        },
    })
}

/// Every file below a folder but the records of runs: path, and all its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            } else if !path.ends_with("pchadr-runs") {
                folders.push(path);
            }
        }
    }
    found
}

/// A connection of the driver, in other hands than the program's.
pub(crate) struct Raw {
    runtime: tokio::runtime::Runtime,
    client: Client<tokio_util::compat::Compat<tokio::net::TcpStream>>,
}

impl Raw {
    pub(crate) fn to(lab: &Lab, role: Role) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut config = Config::new();
        config.host("127.0.0.1");
        config.port(lab.port(role));
        config.authentication(AuthMethod::sql_server("pchadr", lab.password()));
        config.encryption(EncryptionLevel::Required);
        config.trust_cert_ca(lab.folder.join("ca.pem").display().to_string());
        let client = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(config.get_addr())
                .await
                .unwrap();
            stream.set_nodelay(true).unwrap();
            Box::pin(Client::connect(config, stream.compat_write()))
                .await
                .unwrap()
        });
        Self { runtime, client }
    }

    /// Runs a batch; gives the first column of its first result as text, or the server's error.
    pub(crate) fn ask(&mut self, batch: &str) -> Result<Vec<String>, String> {
        let client = &mut self.client;
        self.runtime.block_on(async {
            let told = |error: tiberius::error::Error| error.to_string();
            let stream = client.simple_query(batch).await.map_err(told)?;
            let rows = stream.into_first_result().await.map_err(told)?;
            Ok(rows
                .iter()
                .map(|row| row.get::<&str, _>(0).unwrap_or_default().to_owned())
                .collect())
        })
    }

    /// The only value of a batch that must go well.
    pub(crate) fn value(&mut self, batch: &str) -> String {
        self.ask(batch).unwrap().join("|")
    }
}
