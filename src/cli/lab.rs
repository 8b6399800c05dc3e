//! `pchadr lab`: the simulated site on this machine, for any client (`design.md` 10).

mod told;

use std::future::Future;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::error::{Failure, output};
use super::options::LogsOutput as Output;
use super::rehearse::saved_before;
use crate::access::Clock;
use crate::plan::hex;
use crate::rehearsal::lab::{Event, FolderError, Lab, LabError, Options};
use crate::rehearsal::simulated::{Logs, Recipe, Times};
use crate::rehearsal::tds::Encryption;
use crate::rehearsal::trouble::TROUBLES;
use crate::rehearsal::world::Start;
use crate::report::one_line;
use crate::run::exit::Exit;
use crate::site::{EXAMPLE, Site};
use crate::step::saved::Saved;

/// How often the world is looked at: jobs run, unknown statements are told.
const BEAT: Duration = Duration::from_millis(250);

/// `pchadr lab`, as typed.
#[derive(Debug, Args)]
pub struct LabOptions {
    /// Keep site.toml and all that it names in folder DIR; its shares start anew
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,

    /// Begin in STATE: normal, disaster (the first data center is lost), or failed-over (it is
    /// rebuilt, and the second one serves)
    #[arg(long, value_enum, value_name = "STATE", hide_possible_values = true)]
    pub state: LabState,

    /// Encrypt connections as WORD says: optional, required, strict or off
    #[arg(
        long,
        value_enum,
        value_name = "WORD",
        default_value = "optional",
        hide_possible_values = true
    )]
    pub encrypt: LabEncryption,

    /// Take as long for the work of the site as WORD says: zero, or real
    #[arg(
        long,
        value_enum,
        value_name = "WORD",
        default_value = "zero",
        hide_possible_values = true
    )]
    pub service_times: LabTimes,

    /// Simulate the site of FILE [default: an example site]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Begin with N log backups
    #[arg(long, value_name = "N", default_value_t = 24,
        value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub logs: u32,

    /// Write log backups that only an instance can read, as compressed ones are
    #[arg(long)]
    pub compressed: bool,

    /// Make the same LSNs as another lab of this seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Print in FORM: human or json
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: Output,
}

/// `--state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabState {
    /// The primary serves.
    Normal,
    /// The primary data center is lost.
    Disaster,
    /// The primary data center is rebuilt, and the backup serves.
    FailedOver,
}

/// `--encrypt`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabEncryption {
    /// As the client likes.
    Optional,
    /// TLS, or the client is refused.
    Required,
    /// TDS 8.0.
    Strict,
    /// None.
    Off,
}

/// `--service-times`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabTimes {
    /// Nothing takes time.
    Zero,
    /// As on a middling site.
    Real,
}

/// Opens a lab, tells on `out` how to reach it, and keeps it open until the program is told to end.
/// Events come from the standard input; what happens is told on `err`.
///
/// # Errors
/// When it cannot be opened.
pub fn command(
    options: &LabOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = match &options.config {
        Some(path) => Site::load(path)?,
        None => Site::parse(EXAMPLE, "the example site", Path::new(""))?,
    };
    let lab = Options {
        folder: options.dir.clone(),
        state: match options.state {
            LabState::Normal => Start::Normal,
            LabState::Disaster => Start::Disaster,
            LabState::FailedOver => Start::FailedOver,
        },
        encryption: match options.encrypt {
            LabEncryption::Optional => Encryption::Optional,
            LabEncryption::Required => Encryption::Required,
            LabEncryption::Strict => Encryption::Strict,
            LabEncryption::Off => Encryption::NotSupported,
        },
        times: match options.service_times {
            LabTimes::Zero => Times::Zero,
            LabTimes::Real => Times::Real,
        },
        logs: usize::try_from(options.logs)?,
        compressed: options.compressed,
        seed: options.seed,
        password: secret()?,
        token: secret()?,
        saved,
        shell: std::env::current_exe().context("the program does not know where it is")?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        // From here on an order to end is obeyed, not died of.
        let end = end().context("cannot watch for the order to end")?;
        let mut opened = Lab::open(&site, Clock::wall(), &lab)
            .await
            .map_err(|error| refusal(&error))?;
        told::opened(&opened, &lab, options.output, out).map_err(output)?;
        out.flush().map_err(output)?;
        keep_open(&mut opened, end, err).await;
        Ok(Exit::Done)
    })
}

/// Lets the lab live until `end`.
async fn keep_open(lab: &mut Lab, end: impl Future<Output = ()>, err: &mut dyn Write) {
    let mut end = std::pin::pin!(end);
    let mut lines = lines_of_input();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Who no longer reads what is told may still use the lab: writing may fail.
        let mut tell = |text: &str| drop(writeln!(err, "{}", one_line(text)));
        tokio::select! {
            () = &mut end => return,
            Some(line) = lines.recv() => match line.trim() {
                "" => {}
                "help" => {
                    for (event, what) in Event::HELP {
                        tell(&format!("{event:<20} {what}"));
                    }
                    for trouble in TROUBLES.iter().filter(|it| it.in_lab()) {
                        tell(&format!("  {:<18} {}", trouble.name, trouble.what));
                    }
                }
                line => match line.parse::<Event>() {
                    Ok(event) => match lab.happen(event).await {
                        Ok(()) => tell(&format!("{line}: done")),
                        Err(error) => tell(&format!("{line}: {error}")),
                    },
                    Err(unknown) => tell(&unknown.to_string()),
                },
            },
            _ = beat.tick() => {
                if let Err(error) = lab.follow() {
                    tell(&format!("an instance is back, and has no port: {error}"));
                }
                for statement in lab.unknown() {
                    tell(&format!("the lab does not know: {statement}"));
                }
            }
        }
    }
}

/// The lines of the standard input. A thread of its own: a read of it cannot be given up.
fn lines_of_input() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Ends when the program is told to: Ctrl-C, SIGTERM, a terminal or console that closes.
#[cfg(unix)]
fn end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Ends when the program is told to: Ctrl-C, Ctrl-Break, a console that closes.
#[cfg(windows)]
fn end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
    let mut interrupt = ctrl_c()?;
    let mut broken = ctrl_break()?;
    let mut close = ctrl_close()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = broken.recv() => {}
            _ = close.recv() => {}
        }
    })
}

/// The log-shipping configuration that a site of the lab had before its failover, read by the
/// program itself from the same site in memory.
fn saved(site: &Site) -> io::Result<Vec<u8>> {
    let read = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let recipe = Recipe::failed_over(Logs::Made(1));
        let saved = runtime.block_on(saved_before(site, &recipe));
        let Some(saved) = saved.map_err(io::Error::other)? else {
            return Err(io::Error::other("the site ships no log"));
        };
        // The time of the site in memory means nothing here.
        let taken_at = Clock::wall().now();
        Ok(Saved { taken_at, ..saved }.to_json()?)
    };
    // A thread of its own: the lab's runtime already has this one.
    let held = std::thread::scope(|threads| threads.spawn(read).join());
    held.unwrap_or_else(|_| Err(io::Error::other("the site in memory ended early")))
}

/// 160 random bits as text.
fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(hex(&bytes))
}

fn refusal(error: &LabError) -> anyhow::Error {
    let (exit, hint) = match error {
        LabError::Folder(FolderError::NotOurs(_)) => (
            Exit::Refused,
            "name another folder with --dir; nothing was changed in this one",
        ),
        LabError::Folder(FolderError::InUse(_)) => (
            Exit::Refused,
            "end the other lab, or name another folder with --dir",
        ),
        LabError::Folder(FolderError::Io(..)) | LabError::Io(..) => (
            Exit::Refused,
            "name a folder of this machine that you may write, and that has room",
        ),
        LabError::SiteFile(_) => (
            Exit::Usage,
            "name a folder with a short, plain path with --dir",
        ),
        LabError::NoKeys(_) => (Exit::Defect, ""),
    };
    Failure::new(
        exit,
        "the lab cannot be opened".to_owned(),
        error.to_string(),
        hint.to_owned(),
    )
    .into()
}
