//! `pchadr lab-shell`: the lab's stand-in for PowerShell. It joins its own input and output with the
//! cmdlets of a lab, and takes the arguments that a PowerShell would get.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;

use super::error::Failure;
use crate::run::exit::Exit;

/// How long the lab may take to take the call.
const CONNECT: Duration = Duration::from_secs(5);

/// `pchadr lab-shell`, as `[powershell]` of the lab's site file has it.
#[derive(Debug, Args)]
pub struct LabShellOptions {
    /// Call the lab at ADDRESS
    pub address: SocketAddr,
    /// Show the token in FILE
    pub token: PathBuf,
    /// Ignore what a PowerShell would get
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<OsString>,
}

/// Lines: of requests that were passed on, less those of answers that came.
#[derive(Default)]
struct Open {
    lines: Mutex<usize>,
    changed: Condvar,
}

impl Open {
    fn add(&self, bytes: &[u8]) {
        *self.lock() += lines(bytes);
    }

    fn take(&self, bytes: &[u8]) {
        let mut open = self.lock();
        *open = open.saturating_sub(lines(bytes));
        self.changed.notify_all();
    }

    fn wait_until_none(&self) {
        let open = self.lock();
        let none = self.changed.wait_while(open, |open| *open > 0);
        drop(none.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, usize> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// Carries bytes between the standard streams and the lab until the lab closes the connection. As a
/// PowerShell it is through with a cmdlet before it sees that its input has ended.
///
/// # Errors
/// When the lab cannot be reached, or its token not be read.
pub fn command(options: &LabShellOptions, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let failed = |what: String| {
        move |error: io::Error| {
            Failure::new(
                Exit::Refused,
                what,
                error.to_string(),
                "open the lab again with `pchadr lab`".to_owned(),
            )
        }
    };
    let token = std::fs::read(&options.token).map_err(failed(format!(
        "the lab's token `{}` cannot be read",
        options.token.display()
    )))?;
    let unreachable = format!("no lab answers at {}", options.address);
    let lab = TcpStream::connect_timeout(&options.address, CONNECT)
        .and_then(|lab| {
            lab.set_nodelay(true)?;
            (&lab).write_all(&token)?;
            (&lab).write_all(b"\n")?;
            Ok(lab)
        })
        .map_err(failed(unreachable))?;
    let input = lab.try_clone()?;
    let open = Arc::new(Open::default());
    let sent = Arc::clone(&open);
    std::thread::spawn(move || {
        let mut to = &input;
        let _ = carry(&mut io::stdin().lock(), |bytes| {
            sent.add(bytes);
            to.write_all(bytes)
        });
        sent.wait_until_none();
        let _ = input.shutdown(Shutdown::Write);
    });
    // Who asked may be gone: the lab is heard out all the same.
    let mut told = Ok(());
    carry(&mut &lab, |bytes| {
        if told.is_ok() {
            told = out.write_all(bytes).and_then(|()| out.flush());
        }
        open.take(bytes);
        Ok(())
    })?;
    told?;
    Ok(Exit::Done)
}

/// Passes on every piece as it comes.
fn carry(from: &mut dyn Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => to(&bytes[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
