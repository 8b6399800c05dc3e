//! A lab as a process of its own, and the clients that reach it. Nothing outlives its test, and
//! nothing is waited for without an end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pchadr::model::{Instance, Role};
use pchadr::site::{Auth, Secret, Site};
use tempfile::TempDir;

/// Longest time that anything takes here.
pub(crate) const LONG: Duration = Duration::from_mins(1);

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_pchadr")
}

/// An open lab; killed at its end.
pub(crate) struct Lab {
    pub(crate) site: Site,
    pub(crate) folder: PathBuf,
    process: Child,
    input: Option<ChildStdin>,
    /// Lines of its standard error.
    told: Receiver<String>,
    /// Removed when the lab has ended.
    own: Option<TempDir>,
}

impl Lab {
    pub(crate) fn open(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lab = Self::open_in(folder.path(), arguments);
        lab.own = Some(folder);
        lab
    }

    /// Opens one in a folder and waits for its site file.
    pub(crate) fn open_in(folder: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(program())
            .arg("lab")
            .arg("--dir")
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let (sender, told) = channel();
        let errors = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        // It says that it is open when its site file is there.
        let mut first = [0];
        let read = process.stdout.as_mut().unwrap().read(&mut first).unwrap();
        if read == 0 {
            let said: Vec<String> = told.iter().collect();
            let _ = process.wait();
            panic!("the lab did not open: {said:?}");
        }
        Self {
            site: Site::load(&folder.join("site.toml")).unwrap(),
            folder: folder.to_owned(),
            process,
            input,
            told,
            own: None,
        }
    }

    pub(crate) fn port(&self, role: Role) -> u16 {
        let server = &self.site.sql.instances[&Instance::chat(role)];
        assert_eq!(server.host, "127.0.0.1");
        server.port.unwrap()
    }

    /// The password, from where the site file says.
    pub(crate) fn password(&self) -> String {
        let Auth::Sql {
            password: Secret::File(path),
            ..
        } = &self.site.sql.auth
        else {
            panic!("{:?}", self.site.sql.auth);
        };
        std::fs::read_to_string(path).unwrap()
    }

    /// Files of a share, sorted.
    pub(crate) fn files(&self, share: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.join("shares").join(share))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// Types a line on its standard input, and gives what it answers.
    pub(crate) fn happen(&mut self, event: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{event}").unwrap();
        self.told()
    }

    /// The next line that it tells.
    pub(crate) fn told(&self) -> String {
        self.told.recv_timeout(LONG).unwrap()
    }

    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn is_open(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Sends a signal, by name.
    pub(crate) fn send(&self, name: &str) {
        let kill = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.process.id().to_string())
            .status();
        assert!(kill.unwrap().success());
    }

    /// Sends a signal, by name, and gives the status with which the lab ends.
    pub(crate) fn signal(&mut self, name: &str) -> Option<i32> {
        self.send(name);
        wait(&mut self.process).code()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait(process: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + LONG;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            let _ = process.kill();
            panic!("the process does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a command to its end with that input.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = process.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that ends early takes no more.
        let _ = to.write_all(input.as_bytes());
    });
    let read = |stream: Box<dyn Read + Send>| {
        let mut stream = stream;
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let out = read(Box::new(process.stdout.take().unwrap()));
    let err = read(Box::new(process.stderr.take().unwrap()));
    let status = wait(&mut process);
    writer.join().unwrap();
    Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

/// `tsql` of `FreeTDS`, as configured for one instance of a lab.
pub(crate) struct Tsql {
    folder: TempDir,
    password: String,
    /// What `freetds.conf` says beside host and port.
    pub(crate) more: String,
    port: u16,
}

impl Tsql {
    /// For an instance of a lab; `None`, said loudly, where this machine has no `tsql`.
    pub(crate) fn of(lab: &Lab, role: Role) -> Option<Self> {
        if Command::new("tsql").arg("-C").output().is_err() {
            // Not `eprintln!`: the test runner would swallow it.
            writeln!(io::stderr(), "SKIPPED: tsql (freetds-bin) is not there").unwrap();
            return None;
        }
        let ca = lab.folder.join("ca.pem");
        Some(Self {
            folder: tempfile::tempdir().unwrap(),
            password: lab.password(),
            more: format!(
                "encryption = require\nca file = {}\ncheck certificate hostname = yes\n",
                ca.display()
            ),
            port: lab.port(role),
        })
    }

    pub(crate) fn with_password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    pub(crate) fn with(mut self, more: &str) -> Self {
        more.clone_into(&mut self.more);
        self
    }

    /// Runs batches, each ended by a line `go`; gives rows (tabs between, headers too) and messages.
    pub(crate) fn run(&self, batches: &str) -> (String, String) {
        let file = self.folder.path().join("freetds.conf");
        let text = format!(
            "[lab]\nhost = 127.0.0.1\nport = {}\ntds version = 7.4\nclient charset = UTF-8\n{}",
            self.port, self.more
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("tsql");
        command.env("FREETDSCONF", &file).args([
            "-S",
            "lab",
            "-U",
            "pchadr",
            "-o",
            "q",
            "-P",
            &self.password,
        ]);
        let said = run(&mut command, batches);
        (
            String::from_utf8(said.stdout).unwrap(),
            String::from_utf8(said.stderr).unwrap(),
        )
    }

    /// Runs one batch that must go well; gives its rows.
    pub(crate) fn rows(&self, batch: &str) -> Vec<String> {
        let (out, err) = self.run(&format!("{batch}\ngo\n"));
        assert!(!err.contains("severity 1"), "{err}");
        out.lines().map(str::to_owned).collect()
    }
}
