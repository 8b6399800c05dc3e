//! A process as the system knows it: a PowerShell can outlive the program that started it.
//!
//! On Windows it does not: it stands in a job that ends with the last handle to it, which the program
//! holds (`JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`). On Linux a process group lives on.

/// A process that no later one of the same number is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// Its number.
    pub number: u32,
    /// What tells it from a later one of that number. Linux: the id of the boot, and the clock ticks
    /// from there to its start (`proc_pid_stat(5)`, field 22). Elsewhere empty.
    pub since: String,
}

/// That process, where it can be told from a later one.
pub(super) fn process(number: u32) -> Option<ProcessId> {
    let since = since(number)?;
    Some(ProcessId { number, since })
}

/// True while it is there. One that has ended and is not yet taken note of is not.
pub(super) fn is_there(process: &ProcessId) -> bool {
    !process.since.is_empty() && since(process.number).as_ref() == Some(&process.since)
}

#[cfg(target_os = "linux")]
fn since(number: u32) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, also a `)`: fields count from the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    // Field 3 is the state, 22 the start.
    let ticks = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| format!("{} {ticks}", boot.trim()))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "Linux may not know it")]
fn since(_number: u32) -> Option<String> {
    Some(String::new())
}

/// Ends the group that it leads.
#[cfg(target_os = "linux")]
pub(super) fn end(process: &ProcessId) {
    use rustix::process::{Pid, Signal, kill_process_group};

    let number = i32::try_from(process.number).ok().and_then(Pid::from_raw);
    if let (Some(number), true) = (number, is_there(process)) {
        // It fails when all have ended already.
        let _ = kill_process_group(number, Signal::KILL);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end(_process: &ProcessId) {}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_there_until_it_ends_and_a_later_one_of_its_number_is_another() {
        let mut sleep = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap();
        let known = process(sleep.id()).unwrap();
        assert!(is_there(&known));
        let other = ProcessId {
            since: known.since.replace(' ', " 9"),
            ..known.clone()
        };
        assert!(!is_there(&other));
        // Another one is never ended.
        end(&other);
        assert!(is_there(&known));
        end(&known);
        while is_there(&known) {
            std::thread::yield_now();
        }
        // It has ended, and nobody has taken note of that yet.
        assert!(std::fs::metadata(format!("/proc/{}", known.number)).is_ok());
        sleep.wait().unwrap();
        assert!(!is_there(&known));
        assert_eq!(process(known.number), None);
    }
}
