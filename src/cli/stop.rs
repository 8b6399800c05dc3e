//! The operator's stop: once = at the next safe point, twice = now. Closing the console and SIGTERM
//! count like Ctrl-C.

use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use crate::run::exit::Exit;

/// Watches for the stop for as long as the runtime lives. The second one ends the process: the
/// record is on the disk, and the run goes on with `resume`.
pub(super) fn watch(stop: CancellationToken, resume: String) {
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
        tell("\nstopping at the next safe point; once more to leave at once\n");
        signal().await;
        tell(&format!(
            "\nleft; what was sent may still take effect\n  go on with: {resume}\n"
        ));
        std::process::exit(Exit::Stopped.code().into());
    });
}

fn tell(text: &str) {
    // A console that is gone cannot be told.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(windows)]
async fn signal() {
    match tokio::signal::windows::ctrl_close() {
        Ok(mut close) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = close.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
