#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tokio::io::{DuplexStream, ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::*;
use crate::model::{Instance, Role};
use crate::site;

mod reading;
mod writing;

/// A site with everything: eight servers, four chat instances, compliance on its own instance at
/// the backup.
pub(super) fn site() -> site::Site {
    let hosts = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let mut instances: BTreeMap<Instance, SqlServer> = Role::ALL
        .iter()
        .zip(["sql1.dc1", "sql2.dc1", "sql3.dc2", "sql4.dc2"])
        .map(|(role, host)| {
            let server = format!(r"{host}.x.com\chat").parse().unwrap();
            (Instance::chat(*role), server)
        })
        .collect();
    instances.insert(
        Instance::compliance(Role::Backup),
        "sql5.dc2.x.com".parse().unwrap(),
    );
    let servers = ["pc1.x.com", "pc2.x.com", "pc3.x.com"];
    let backup_servers = ["pc5.x.com", "pc6.x.com", "pc7.x.com"];
    site::Site {
        pool: site::Pool {
            fqdn: "pchat.x.com".parse().unwrap(),
            identity: None,
            active_identity: None,
            primary_servers: hosts(&servers),
            backup_servers: hosts(&backup_servers),
            normal: hosts(&servers[..2]),
            failed_over: hosts(&backup_servers[..2]),
            front_ends: Vec::new(),
        },
        database: site::Databases {
            chat: "mgc".parse().unwrap(),
            compliance: Some("mgccomp".parse().unwrap()),
        },
        sql: site::Sql {
            instances,
            auth: site::Auth::Integrated,
            tls: site::Tls {
                encrypt: site::Encrypt::Required,
                ca: None,
                trust_server_certificate: false,
            },
        },
        shares: site::Shares {
            hosts_in_primary: Vec::new(),
            backup: r"\\fs1\logs".parse().unwrap(),
            copy: r"\\sql3\copy".parse().unwrap(),
            copy_local: r"E:\copy".parse().unwrap(),
            mirror: None,
            archive: None,
            extra: Vec::new(),
        },
        powershell: site::PowerShell {
            program: "powershell.exe".to_owned(),
            arguments: Vec::new(),
            module: "SkypeForBusiness".to_owned(),
        },
        copy: site::Copy {
            parallel: 8,
            verify: site::Verify::Header,
            overlap: true,
        },
        log_shipping: site::LogShipping::default(),
        log_backups: None,
        run: site::Run {
            mirror: r"\\sql3\copy/pchadr-runs".to_owned(),
        },
        limits: site::Limits::default(),
    }
}

/// What the databases were asked for.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) mirrors: Mutex<Vec<InstallMirror>>,
    pub(super) failovers: Mutex<Vec<FailOverDatabase>>,
    pub(super) pools: Mutex<Vec<Pool>>,
    pub(super) refuse: Mutex<Option<String>>,
    /// The one instance whose database serves without a mirror.
    pub(super) serves: Mutex<Option<SqlServer>>,
}

impl Databases for Asked {
    fn install_mirror(&self, request: InstallMirror) -> Result<(), String> {
        if let Some(text) = lock(&self.refuse).take() {
            return Err(text);
        }
        lock(&self.mirrors).push(request);
        Ok(())
    }

    fn can_be_principal(&self, _compliance: bool, server: &SqlServer) -> bool {
        *lock(&self.serves) == Some(server.clone())
    }

    fn serves_chat(&self, server: &SqlServer) -> bool {
        *lock(&self.serves) == Some(server.clone())
    }

    fn fail_over_database(&self, request: FailOverDatabase) -> Result<(), String> {
        lock(&self.failovers).push(request);
        Ok(())
    }

    fn active_servers_changed(&self, pool: &Pool) {
        lock(&self.pools).push(pool.clone());
    }
}

/// A site, and a shell that was started on it.
pub(super) struct Bench {
    pub(super) pool: Arc<Mutex<Pool>>,
    pub(super) asked: Arc<Asked>,
    pub(super) effects: Arc<Mutex<Vec<Effect>>>,
    pub(super) cmdlets: Arc<Cmdlets>,
}

pub(super) struct Shell {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let pool = Arc::new(Mutex::new(Pool::from_site(&site())));
        let asked = Arc::new(Asked::default());
        let effects: Arc<Mutex<Vec<Effect>>> = Arc::default();
        let cmdlets = Arc::new(Cmdlets::new(
            Arc::clone(&pool),
            Arc::clone(&asked) as Arc<dyn Databases>,
            Arc::clone(&effects) as Arc<dyn Witness>,
            ServiceTimes::ZERO,
        ));
        Self {
            pool,
            asked,
            effects,
            cmdlets,
        }
    }

    /// A process without the module.
    pub(super) fn start(&self) -> Shell {
        let (near, far) = duplex(4096);
        tokio::spawn(Arc::clone(&self.cmdlets).serve(far));
        let (reader, writer) = split(near);
        Shell {
            reader: BufReader::new(reader),
            writer,
        }
    }

    /// A process with the module.
    pub(super) async fn shell(&self) -> Shell {
        let mut shell = self.start();
        let answer = shell
            .ask(json!({ "nonce": "m", "import": "skypeforbusiness" }))
            .await;
        assert_eq!(answer.unwrap()["errors"], json!([]));
        shell
    }

    pub(super) fn effects(&self) -> Vec<(String, Value)> {
        let effects = lock(&self.effects);
        let pairs = effects.iter();
        pairs
            .map(|e| (e.cmdlet.clone(), e.parameters.clone()))
            .collect()
    }

    pub(super) fn active(&self) -> Vec<String> {
        lock(&self.pool).active().to_vec()
    }
}

impl Shell {
    async fn send(&mut self, request: &Value) {
        let line = format!("{request}\n");
        self.writer.write_all(line.as_bytes()).await.unwrap();
    }

    /// The raw answer line; `None` at the end of the stream.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let n = self.reader.read_line(&mut line).await.unwrap();
        (n > 0).then_some(line)
    }

    pub(super) async fn ask(&mut self, request: Value) -> Option<Value> {
        self.send(&request).await;
        let line = self.line().await?;
        let nonce = request["nonce"].as_str().unwrap();
        let json = line.strip_prefix(&format!("@pchadr {nonce} ")).unwrap();
        assert!(json.is_ascii());
        Some(serde_json::from_str(json).unwrap())
    }

    pub(super) async fn call(&mut self, cmdlet: &str, parameters: Value, ask: &[&str]) -> Value {
        let request = json!({
            "nonce": "n", "cmdlet": cmdlet, "parameters": parameters, "properties": ask,
        });
        self.ask(request).await.expect("the process died")
    }

    /// The objects of a call that must go well.
    pub(super) async fn look(&mut self, cmdlet: &str, parameters: Value, ask: &[&str]) -> Value {
        let answer = self.call(cmdlet, parameters, ask).await;
        assert_eq!(answer["errors"], json!([]), "{cmdlet}");
        answer["objects"].clone()
    }

    /// The id of the error of a call that must fail, without the class behind it.
    pub(super) async fn refusal(&mut self, cmdlet: &str, parameters: Value) -> String {
        let answer = self.call(cmdlet, parameters, &["Identity"]).await;
        assert_eq!(answer["objects"], json!([]), "{cmdlet}");
        let id = answer["errors"][0]["id"].as_str().expect("no error");
        assert!(answer["errors"][0]["message"].is_string());
        id.split(',').next().unwrap().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_works_before_the_right_module_is_imported() {
    let bench = Bench::new();
    let mut shell = bench.start();
    assert_eq!(
        shell.refusal("Get-CsService", json!({})).await,
        "CommandNotFoundException"
    );
    let answer = shell.ask(json!({ "nonce": "m", "import": "Lync" })).await;
    let answer = answer.unwrap();
    let id = answer["errors"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("Modules_ModuleNotFound,"), "{id}");
    assert_eq!(
        shell.refusal("Get-CsService", json!({})).await,
        "CommandNotFoundException"
    );
    let mut shell = bench.shell().await;
    assert_eq!(
        shell
            .refusal("Get-CsPersistentChatActiveServer", json!({}))
            .await,
        "CommandNotFoundException"
    );
    shell.look("get-csservice", json!({}), &[]).await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_ascii_whatever_was_sent() {
    let bench = Bench::new();
    let mut shell = bench.shell().await;
    let name = "Gr\u{fc}n \u{1f980} \u{2019}";
    let answer = shell
        .call("Get-CsPool", json!({ "Identity": name }), &[])
        .await;
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains(name), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_request_ends_the_process() {
    let bench = Bench::new();
    for line in ["", "nonsense", "{\"nonce\":1}", "[]"] {
        let mut shell = bench.start();
        shell
            .writer
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(shell.line().await, None, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_launched_shell_takes_its_times() {
    let bench = Bench::new();
    bench.cmdlets.set_times(ServiceTimes::real());
    let start = Instant::now();
    let launch = RehearsedPowerShell(Arc::clone(&bench.cmdlets));
    let mut stream = launch.launch().await.unwrap().stream;
    stream
        .write_all(b"{\"nonce\":\"a\",\"import\":\"SkypeForBusiness\"}\n")
        .await
        .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.unwrap();
    assert_eq!(
        line,
        "@pchadr a {\"errors\":[],\"objects\":[],\"warnings\":[]}\n"
    );
    let times = ServiceTimes::real();
    assert_eq!(start.elapsed(), times.start + times.import);
}
