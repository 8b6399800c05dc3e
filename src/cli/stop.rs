//! The operator's stop: once = at the next safe point, twice = now. Closing the console and SIGTERM
//! count like Ctrl-C.

use std::io::{self, Write as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::run::exit::Exit;

/// How long a console may take to be told a last word.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Watches for the stop for as long as the process lives. The second one ends the process: the
/// record is on the disk, and the run goes on with `resume`.
///
/// On a thread of its own, which waits for nothing else: whatever a run waits for, somebody listens.
pub(super) fn watch(stop: CancellationToken, resume: String) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("stop".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let mut signals = Signals::new();
                signals.next().await;
                stop.cancel();
                tell("\nstopping at the next safe point; once more to leave at once\n".to_owned());
                signals.next().await;
                let told = tell(format!(
                    "\nleft; what was sent may still take effect\n  go on with: {resume}\n"
                ));
                // A console that takes nothing must not keep the process.
                let _ = told.recv_timeout(LAST_WORD);
                leave();
            });
        })?;
    Ok(())
}

/// Ends the process at once: what else hangs in it, a thread or a library, is not asked.
fn leave() -> ! {
    let (done, never) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _kept = done;
        std::process::exit(Exit::Stopped.code().into());
    });
    // An exit that hangs in a handler of some library.
    let _ = never.recv_timeout(LAST_WORD);
    std::process::abort();
}

/// Tells it, on a thread of its own: the receiver hears when it is told.
fn tell(text: String) -> mpsc::Receiver<()> {
    let (told, hear) = mpsc::channel();
    thread::spawn(move || {
        // A console that is gone cannot be told.
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = told.send(());
    });
    hear
}

/// Every signal that means stop. They are heard from here on: one that comes between two waits is not
/// lost.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self(kinds.into_iter().flat_map(signal).collect())
    }

    async fn next(&mut self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let signals = self.0.iter_mut().map(|it| Box::pin(it.recv()));
        futures_util::future::select_all(signals).await;
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: Option<tokio::signal::windows::CtrlC>,
    close: Option<tokio::signal::windows::CtrlClose>,
}

#[cfg(windows)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Self {
            interrupt: ctrl_c().ok(),
            close: ctrl_close().ok(),
        }
    }

    async fn next(&mut self) {
        match (&mut self.interrupt, &mut self.close) {
            (Some(interrupt), Some(close)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = close.recv() => {}
                }
            }
            (Some(interrupt), None) => drop(interrupt.recv().await),
            (None, Some(close)) => drop(close.recv().await),
            (None, None) => std::future::pending().await,
        }
    }
}
