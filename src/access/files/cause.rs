//! What the system's error numbers mean.

use std::io::{self, ErrorKind};

use crate::access::shares::Cause;

#[cfg(windows)]
pub(super) fn cause(error: &io::Error) -> Cause {
    error.raw_os_error().map_or_else(|| general(error), windows)
}

#[cfg(not(windows))]
pub(super) fn cause(error: &io::Error) -> Cause {
    // The one number that the standard library has no word for: the host is down.
    if cfg!(target_os = "linux") && error.raw_os_error() == Some(112) {
        return Cause::Unreachable;
    }
    general(error)
}

/// System error codes of Windows, as `reference/skype-powershell.md` 10 tells them apart; beside
/// them 51, 1231, 1232, which say the same as 53.
#[cfg(any(windows, test))]
pub(super) fn windows(code: i32) -> Cause {
    match code {
        2 | 3 => Cause::NotFound,
        5 => Cause::Denied,
        32 | 33 => Cause::InUse,
        51 | 53 | 59 | 64 | 67 | 121 | 1231 | 1232 | 1326 => Cause::Unreachable,
        39 | 112 => Cause::Full,
        80 | 183 => Cause::Exists,
        _ => Cause::Other,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, which grow"
)]
fn general(error: &io::Error) -> Cause {
    match error.kind() {
        ErrorKind::NotFound => Cause::NotFound,
        ErrorKind::PermissionDenied => Cause::Denied,
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => Cause::InUse,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::TimedOut
        | ErrorKind::NotConnected
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionRefused
        | ErrorKind::StaleNetworkFileHandle => Cause::Unreachable,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Cause::Full,
        ErrorKind::AlreadyExists => Cause::Exists,
        _ => Cause::Other,
    }
}
