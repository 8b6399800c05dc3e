//! The one place that starts a process: a PowerShell with the constant script
//! `src/powershell/answer.ps1` (`design.md` 9; `skype-powershell.md` 7).

use std::io::{self, Write as _};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tempfile::TempPath;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::system;
use super::{Launch, Launched, ProcessId};

/// The script that answers the line protocol.
const SCRIPT: &str = include_str!("../../powershell/answer.ps1");

/// How much of what a process writes to its standard error is kept: its beginning, which has the cause.
const KEPT: usize = 4 << 10;

/// How long a process that has closed its output may take to say why, and to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A PowerShell program that can be started.
///
/// It runs in a process group (Windows: a job object too) of its own, so that a Ctrl-C at the
/// terminal never reaches it, and all that it started ends with it.
pub struct Process {
    program: String,
    arguments: Vec<String>,
    /// Environment variable that it is not given.
    hidden: Option<String>,
}

impl Process {
    /// `[powershell] program` and `arguments` of the site file; `arguments` stand before ours.
    pub fn new(program: impl Into<String>, arguments: Vec<String>) -> Self {
        Self {
            program: program.into(),
            arguments,
            hidden: None,
        }
    }

    /// Hides an environment variable, which holds a secret, from the process and all that it starts.
    #[must_use]
    pub fn hiding(mut self, variable: &str) -> Self {
        self.hidden = Some(variable.to_owned());
        self
    }

    fn start(&self, script: TempPath) -> io::Result<(Stream, Option<ProcessId>)> {
        let mut command = CommandWrap::with_new(&self.program, |command| {
            command
                .args(&self.arguments)
                .args(["-NoProfile", "-NonInteractive"])
                .args(["-ExecutionPolicy", "Bypass", "-File"])
                .arg(&*script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(variable) = &self.hidden {
                command.env_remove(variable);
            }
        });
        command.wrap(KillOnDrop);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        command
            .wrap(process_wrap::tokio::CreationFlags(
                windows::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP,
            ))
            .wrap(process_wrap::tokio::JobObject);
        let mut tree = command.spawn().map(Tree).map_err(|cause| {
            let what = if cause.kind() == io::ErrorKind::NotFound {
                "is not there".to_owned()
            } else {
                format!("cannot be started: {cause}")
            };
            io::Error::new(cause.kind(), format!("`{}` {what}", self.program))
        })?;
        let pipes = (
            tree.0.stdin().take(),
            tree.0.stdout().take(),
            tree.0.stderr().take(),
        );
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let process = tree.0.id().and_then(system::process);
        let stream = Stream {
            state: State::Running(Running {
                input,
                output,
                complaints: Complaints {
                    pipe: Some(errors),
                    text: Vec::new(),
                },
                tree,
            }),
            script: Some(script),
        };
        Ok((stream, process))
    }
}

impl Launch for Process {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        async move {
            let script = tokio::task::spawn_blocking(write_script)
                .await
                .map_err(io::Error::other)?
                .map_err(|cause| {
                    io::Error::new(
                        cause.kind(),
                        format!("its script cannot be written to a temporary file: {cause}"),
                    )
                })?;
            let (stream, process) = self.start(script)?;
            Ok(Launched {
                stream: Box::new(stream),
                process,
            })
        }
        .boxed()
    }

    fn is_there(&self, process: &ProcessId) -> bool {
        system::is_there(process)
    }

    fn end(&self, process: &ProcessId) {
        system::end(process);
    }
}

/// A new file that only we can read and write, removed when its path is dropped.
fn write_script() -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new()
        .prefix("pchadr-")
        .suffix(".ps1")
        .tempfile()?;
    file.write_all(SCRIPT.as_bytes())?;
    // Closed: Windows would not let PowerShell open it.
    Ok(file.into_temp_path())
}

/// A process with all that it started; they end when this is dropped.
struct Tree(Box<dyn ChildWrapper>);

impl Drop for Tree {
    fn drop(&mut self) {
        // It fails when all have ended already.
        let _ = self.0.start_kill();
    }
}

/// Reads what the process writes, writes what it reads.
struct Stream {
    state: State,
    /// Removed with the first byte that comes: PowerShell has read all of it by then, and a file
    /// would outlive us if we were killed.
    script: Option<TempPath>,
}

enum State {
    Running(Running),
    /// It has closed its output, or its input.
    Ending(BoxFuture<'static, io::Error>),
    Ended,
}

struct Running {
    input: ChildStdin,
    output: ChildStdout,
    complaints: Complaints,
    // Last: the pipes are closed first.
    tree: Tree,
}

/// The beginning of what was written to standard error.
struct Complaints {
    /// `None` at its end.
    pipe: Option<ChildStderr>,
    text: Vec<u8>,
}

impl Complaints {
    /// Reads all that is there, so that the process never waits for a reader.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(pipe) = &mut self.pipe {
            let mut bytes = [0; 1024];
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(pipe).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.keep(buffer.filled()),
                _ => self.pipe = None,
            }
        }
        Poll::Ready(())
    }

    async fn drain(&mut self) {
        let mut bytes = [0; 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut bytes).await {
                Ok(read @ 1..) => self.keep(&bytes[..read]),
                _ => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT - self.text.len();
        self.text.extend(bytes.iter().take(room));
    }

    /// In one line.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ")
    }
}

impl Running {
    /// Ends it, and says what can be known about why.
    async fn end(self) -> io::Error {
        let Self {
            input,
            output,
            mut complaints,
            mut tree,
        } = self;
        drop((input, output));
        // A grandchild that is still there may hold the pipe open.
        let _ = tokio::time::timeout(LAST_WORDS, complaints.drain()).await;
        let status = match tokio::time::timeout(LAST_WORDS, tree.0.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "its output closed".to_owned(),
        };
        let said = match complaints.text() {
            said if said.is_empty() => String::new(),
            said => format!("; it wrote to standard error: {said}"),
        };
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("{status}{said}"))
    }
}

impl Stream {
    fn begin_to_end(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Running(running) => State::Ending(running.end().boxed()),
            other @ (State::Ending(_) | State::Ended) => other,
        };
    }

    /// The error that tells why it ended, once; afterwards it has ended.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let State::Ending(end) = &mut self.state else {
            return Poll::Ready(None);
        };
        let error = ready!(end.poll_unpin(cx));
        self.state = State::Ended;
        Poll::Ready(Some(error))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let State::Running(running) = &mut this.state {
            let _ = running.complaints.poll_drain(cx);
            let before = buffer.filled().len();
            let read = ready!(Pin::new(&mut running.output).poll_read(cx, buffer));
            if read.is_ok() && buffer.filled().len() > before {
                this.script = None;
                return Poll::Ready(Ok(()));
            }
            this.begin_to_end();
        }
        match ready!(this.poll_end(cx)) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let State::Running(running) = &mut this.state {
            match ready!(Pin::new(&mut running.input).poll_write(cx, bytes)) {
                Ok(written) => return Poll::Ready(Ok(written)),
                // It reads no more: why is worth more than that it does not.
                Err(_) => this.begin_to_end(),
            }
        }
        let error = ready!(this.poll_end(cx));
        Poll::Ready(Err(
            error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
        ))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Running(running) => Pin::new(&mut running.input).poll_flush(cx),
            State::Ending(_) | State::Ended => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Running(running) => Pin::new(&mut running.input).poll_shutdown(cx),
            State::Ending(_) | State::Ended => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
