//! `pchadr lab-shell`: the lab's stand-in for PowerShell. It joins its own input and output with the
//! cmdlets of a lab, and takes the arguments that a PowerShell would get.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
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

/// Carries bytes between the standard streams and the lab until the lab closes the connection.
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
    std::thread::spawn(move || {
        // Its end is passed on; the answers still come.
        let _ = carry(&mut io::stdin().lock(), &mut &input);
        let _ = input.shutdown(Shutdown::Write);
    });
    carry(&mut &lab, out)?;
    Ok(Exit::Done)
}

/// Copies, and passes every piece on at once.
fn carry(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all(&bytes[..read])?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
