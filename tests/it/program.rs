//! Runs the program: an empty environment, an empty folder, whole output.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The example site file.
pub(crate) fn litware() -> PathBuf {
    root().join("runbooks/litware.toml")
}

/// A site file without mirrors, compliance and everything else that can be left out.
pub(crate) fn no_mirrors() -> PathBuf {
    root().join("tests/it/no-mirrors.toml")
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program in a folder of its own.
pub(crate) struct Program {
    pub(crate) folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How it ended and what it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Writes a file into its folder.
    /// The folder that it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pchadr"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Windows programs do not start without it.
        if let Some(system) = std::env::var_os("SystemRoot") {
            command.env("SystemRoot", system);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said::from(output)
    }

    /// `failover --dry-run` and more, for that site file.
    pub(crate) fn dry_run(&self, site: &Path, more: &[&str]) -> Said {
        let mut arguments = vec![
            OsStr::new("failover"),
            OsStr::new("--dry-run"),
            OsStr::new("--config"),
            site.as_os_str(),
        ];
        arguments.extend(more.iter().map(OsStr::new));
        self.run(&arguments)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// The output of a command that was done and had nothing else to say.
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// The error of a command that ended with `status` and printed no data.
    pub(crate) fn refused(self, status: i32) -> String {
        assert_eq!(
            (self.status, self.out.as_str()),
            (Some(status), ""),
            "{self:?}"
        );
        self.err
    }
}
