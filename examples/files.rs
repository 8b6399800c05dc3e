//! Headers and copies against what the disks allow: each beside its peer, in turns, as ratios. What
//! is measured is what the program calls. A machine that is busy for a moment is measured again.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use jiff::Timestamp;
use jiff::civil::date;
use pchadr::access::copy::Copies;
use pchadr::access::files::Files;
use pchadr::access::headers::Headers;
use pchadr::access::shares::Shares;
use pchadr::model::Lsn;
use pchadr::rehearsal::backup_file::bytes_of;
use pchadr::rehearsal::backup_set::{BackupSet, SetKind};
use pchadr::rehearsal::folders::{Folders, Volume};
use pchadr::site::Verify;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

type Any = Box<dyn Error>;

/// Headers that take so many times what the C program takes are a step back. It lists nothing, parses
/// nothing and keeps nothing; 1.5 is what is wanted, and depends on how busy the machine is.
const SLOW: f64 = 3.0;

/// Tries before a limit counts as missed.
const TRIES: usize = 3;
/// Copiers, as a site file has them by default.
const PARALLEL: usize = 8;

#[expect(clippy::print_stdout, reason = "the figures are all that it is for")]
fn say(text: &str) {
    println!("{text}");
}

fn main() -> Result<(), Any> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    // On a disk: what memory holds needs no flush.
    let place = TempDir::new_in(".")?;
    let mut missed = Vec::new();
    headers(&runtime, place.path(), &mut missed)?;
    let small = Copied {
        what: "2,000 log backups of 82 KiB",
        files: 2_000,
        bytes: 82 * 1024,
        turns: 5,
    };
    let large = Copied {
        what: "20 log backups of 32 MiB",
        files: 20,
        bytes: 32 << 20,
        turns: 3,
    };
    for copied in [small, large] {
        copies(&runtime, place.path(), &copied, &mut missed)?;
    }
    slow(&mut missed)?;
    if missed.is_empty() {
        Ok(())
    } else {
        Err(missed.join("; ").into())
    }
}

fn set(number: u32) -> BackupSet {
    let day = date(2026, 10, 17).at(10, 45, 0, 0);
    BackupSet {
        kind: SetKind::Log,
        position: 1,
        server: r"SQL1\CHAT".to_owned(),
        database: "mgc".to_owned(),
        database_created: day,
        first_lsn: Lsn::new(39, number, 1),
        last_lsn: Lsn::new(39, number + 1, 1),
        checkpoint_lsn: Lsn::new(39, 1, 1),
        database_backup_lsn: Lsn::new(39, 1, 1),
        started: day,
        finished: day,
        software: (13, 0, 5081),
        compatibility_level: 130,
        database_version: 852,
        set_guid: [1; 16],
        family: [2; 16],
        first_fork: [3; 16],
        fork: [3; 16],
        fork_point: None,
        checksums: false,
        copy_only: false,
        force_offline: false,
        damaged: false,
        messages: 0,
        files: Vec::new(),
    }
}

/// A folder with `count` log backups of `bytes` bytes, none of them alike, flushed.
fn backups(folder: &Path, count: u32, bytes: usize) -> Result<(), Any> {
    fs::create_dir(folder)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for number in 0..count {
        let (head, tail) = bytes_of(&set(number));
        let mut file = head;
        while file.len() + tail.len() < bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.extend(state.to_le_bytes());
        }
        file.truncate(bytes - tail.len());
        file.extend(tail);
        fs::write(folder.join(format!("mgc_{number:05}.trn")), file)?;
    }
    run(Command::new("sync").arg("-f").arg(folder))
}

fn run(command: &mut Command) -> Result<(), Any> {
    let status = command.stdout(Stdio::null()).status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{command:?}: {status}").into())
}

fn installed(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn path_of(path: &Path) -> Result<&str, Any> {
    path.to_str().ok_or_else(|| "a path is no text".into())
}

/// Seconds that the program takes for the headers of a folder.
fn read_headers(runtime: &Runtime, folder: &str, count: usize) -> Result<f64, Any> {
    let headers = Headers::default();
    let began = Instant::now();
    let files =
        runtime.block_on(headers.folder(&Files, folder, |name| format!("{folder}/{name}")))?;
    let took = began.elapsed().as_secs_f64();
    let read = files.iter().filter(|file| file.read.is_ok()).count();
    assert_eq!(read, count, "headers that were read");
    Ok(took)
}

/// Kibibytes of `/proc/self/status`, where the system has it.
fn memory(key: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok()
}

fn headers(runtime: &Runtime, place: &Path, missed: &mut Vec<String>) -> Result<(), Any> {
    let (few, many) = (place.join("few"), place.join("many"));
    backups(&few, 1_000, 24 * 1024)?;
    backups(&many, 10_000, 24 * 1024)?;
    let (few, many) = (path_of(&few)?, path_of(&many)?);

    let before = (
        memory("VmRSS"),
        fs::write("/proc/self/clear_refs", "5").ok(),
    );
    read_headers(runtime, many, 10_000)?;
    if let ((Some(before), Some(())), Some(peak)) = (before, memory("VmHWM")) {
        let each = (peak - before) * 1024.0 / 10_000.0;
        say(&format!(
            "headers of 10,000 files: {each:.0} bytes a file at their peak, of 1024"
        ));
        if each > 1024.0 {
            missed.push(format!("headers take {each:.0} bytes a file"));
        }
    }

    let peer = place.join("peer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/files_peer.c");
    let compiled = installed("cc")
        && run(Command::new("cc")
            .args(["-O2", "-pthread", "-o"])
            .arg(&peer)
            .arg(source))
        .is_ok();
    if !compiled {
        say("!! SKIPPED: headers have no peer: there is no cc here");
    }
    let mut ratios = Vec::new();
    for _ in 0..TRIES {
        let (mut ours, mut theirs, mut tenth) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..15 {
            ours.push(read_headers(runtime, many, 10_000)?);
            tenth.push(read_headers(runtime, few, 1_000)?);
            if compiled {
                let output = Command::new(&peer).arg(many).output()?;
                let text = String::from_utf8(output.stdout)?;
                let seconds = text
                    .strip_suffix(" 10000\n")
                    .ok_or("the peer read other files")?;
                theirs.push(seconds.parse()?);
            }
        }
        let (ours, tenth) = (median(ours), median(tenth));
        let linear = ours / tenth;
        say(&format!(
            "headers: 1,000 files {:.1} ms, 10,000 files {:.1} ms, ratio {linear:.1} of 20",
            tenth * 1e3,
            ours * 1e3
        ));
        let mut good = linear < 20.0;
        if compiled {
            let theirs = median(theirs);
            let ratio = ours / theirs;
            say(&format!(
                "headers of 10,000 files: {:.1} ms, the C program {:.1} ms, ratio {ratio:.2} (wanted: 1.5; refused: {SLOW})",
                ours * 1e3,
                theirs * 1e3
            ));
            good &= ratio <= SLOW;
        }
        if good {
            return Ok(());
        }
        ratios.push(format!("{linear:.1}"));
    }
    missed.push(format!("headers are too slow, {TRIES} times"));
    Ok(())
}

struct Copied {
    what: &'static str,
    files: u32,
    bytes: usize,
    turns: usize,
}

/// Seconds that the program takes to copy a folder: proved, flushed, named.
fn copy(runtime: &Runtime, from: &str, to: &str, verify: Verify) -> Result<f64, Any> {
    fs::create_dir(to)?;
    let began = Instant::now();
    let names = runtime.block_on(Files.list(from))?;
    let mut names: Vec<String> = names.into_iter().map(|entry| entry.name).collect();
    names.sort();
    copy_names(runtime, &Files, (from, to), &names, verify, PARALLEL)?;
    Ok(began.elapsed().as_secs_f64())
}

fn copy_names(
    runtime: &Runtime,
    shares: &dyn Shares,
    (from, to): (&str, &str),
    names: &[String],
    verify: Verify,
    parallel: usize,
) -> Result<(), Any> {
    let stop = CancellationToken::new();
    let copies = Copies::new(shares, verify, parallel, &stop);
    let copies = &copies;
    let copy = names.iter().map(|name| async move {
        let (from, to) = (format!("{from}/{name}"), format!("{to}/{name}"));
        copies.copy(&from, &to, &|_| {}).await
    });
    let at_once = if parallel == 1 { 1 } else { copies.at_once() };
    let results: Vec<_> =
        runtime.block_on(futures_util::stream::iter(copy).buffered(at_once).collect());
    for result in results {
        result?;
    }
    Ok(())
}

/// Seconds that other programs take, one after another.
fn others(commands: &mut [Command]) -> Result<f64, Any> {
    let began = Instant::now();
    for command in commands {
        run(command)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn copies(
    runtime: &Runtime,
    place: &Path,
    copied: &Copied,
    missed: &mut Vec<String>,
) -> Result<(), Any> {
    let from = place.join(format!("of-{}", copied.files));
    backups(&from, copied.files, copied.bytes)?;
    if !installed("cp") {
        say("!! SKIPPED: copies have no peer: there is no cp here");
        return Ok(());
    }
    let rsync = installed("rsync");
    if !rsync {
        say("!! SKIPPED: copies are not compared with rsync: it is not here");
    }
    let from = path_of(&from)?;
    let target = |who: &str| -> Result<PathBuf, Any> {
        let path = place.join(format!("to-{who}"));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        run(Command::new("sync").arg("-f").arg(place))?;
        Ok(path)
    };
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..copied.turns {
            for (verify, n) in [(Verify::Header, 0), (Verify::Hash, 1)] {
                let to = target("ours")?;
                times[n].push(copy(runtime, from, path_of(&to)?, verify)?);
            }
            let to = target("cp")?;
            times[2].push(others(&mut [
                copying("cp", &["-r"], from, &to),
                flushing(&to),
            ])?);
            if rsync {
                let to = target("rsync")?;
                let from = format!("{from}/");
                times[3].push(others(&mut [
                    copying("rsync", &["-r"], &from, &to),
                    flushing(&to),
                ])?);
            }
        }
        let [ours, hashed, cp, other] = times.map(|it| (!it.is_empty()).then(|| median(it)));
        let (Some(ours), Some(hashed), Some(cp)) = (ours, hashed, cp) else {
            return Err("nothing was measured".into());
        };
        say(&format!(
            "{}, proved and flushed: {:.0} ms, cp -r and sync -f {:.0} ms, ratio {:.2} of 1.2; hashed {:.0} ms, {:.2}",
            copied.what,
            ours * 1e3,
            cp * 1e3,
            ours / cp,
            hashed * 1e3,
            hashed / cp
        ));
        let mut good = ours <= 1.2 * cp;
        if let Some(other) = other {
            say(&format!(
                "  rsync -r and sync -f {:.0} ms, ratio {:.2} of 1",
                other * 1e3,
                ours / other
            ));
            good &= ours < other;
        }
        best = best.min(ours / cp);
        if good {
            return Ok(());
        }
    }
    missed.push(format!("{} take {best:.2} of cp at best", copied.what));
    Ok(())
}

fn copying(program: &str, words: &[&str], from: &str, to: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(words).arg(from).arg(to);
    command
}

fn flushing(folder: &Path) -> Command {
    let mut command = Command::new("sync");
    command.arg("-f").arg(folder);
    command
}

/// A share that takes 20 ms for every operation, simulated: against one operation after another.
fn slow(missed: &mut Vec<String>) -> Result<(), Any> {
    const FILES: u32 = 256;
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let folders = Folders::new(Arc::new(|| Timestamp::UNIX_EPOCH));
    for (name, path) in [("logs", "/logs"), ("one", "/one"), ("many", "/many")] {
        folders.add(Volume {
            latency: Duration::from_millis(20),
            ..Volume::new(name, path, "fs1")
        });
    }
    let mut names = Vec::new();
    for number in 0..FILES {
        let name = format!("mgc_{number:05}.trn");
        folders
            .put_backup(&format!("/logs/{name}"), vec![set(number)], 82 * 1024)
            .map_err(|error| error.to_string())?;
        names.push(name);
    }
    let took = |work: &dyn Fn() -> Result<(), Any>| -> Result<f64, Any> {
        let now = || runtime.block_on(async { tokio::time::Instant::now() });
        let began = now();
        work()?;
        Ok((now() - began).as_secs_f64())
    };
    let one = took(&|| {
        for name in &names {
            runtime.block_on(folders.ends(&format!("/logs/{name}"), 8192))?;
        }
        Ok(())
    })?;
    let many = took(&|| {
        let headers = Headers::default();
        let join = |name: &str| format!("/logs/{name}");
        let files = runtime.block_on(headers.folder(&folders, "/logs", join))?;
        assert_eq!(files.len(), names.len());
        Ok(())
    })?;
    let mut tell = |what: &str, one: f64, many: f64| {
        let times = one / many;
        say(&format!(
            "{what} at 20 ms an operation: {many:.1} s, one after another {one:.1} s, {times:.1} times faster of 6"
        ));
        if times < 6.0 {
            missed.push(format!(
                "{what} of a slow share are {times:.1} times faster"
            ));
        }
    };
    tell("headers", one, many);
    let copy = |to: &'static str, parallel: usize| {
        let (names, folders, runtime) = (&names, &folders, &runtime);
        move || {
            copy_names(
                runtime,
                folders,
                ("/logs", to),
                names,
                Verify::Header,
                parallel,
            )
        }
    };
    let one = took(&copy("/one", 1))?;
    let many = took(&copy("/many", PARALLEL))?;
    tell("copies", one, many);
    std::io::stdout().flush()?;
    Ok(())
}
