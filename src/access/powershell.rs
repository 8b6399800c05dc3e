//! The Skype cmdlets, through one PowerShell process (DESIGN 9).
//!
//! The line protocol, ASCII only both ways. One request a line:
//!
//! ```json
//! {"nonce":"5e1f…","import":"SkypeForBusiness"}
//! {"nonce":"80aa…","cmdlet":"Get-CsService","parameters":{"PersistentChatServer":true},"properties":["Identity","ActiveServers"]}
//! ```
//!
//! and one answer a line, found by its frame and nonce, whatever else is printed between:
//!
//! ```text
//! @pchadr 80aa… {"objects":[{"Identity":"PersistentChatServer:…","ActiveServers":["pc1…"]}],"errors":[],"warnings":[]}
//! ```
//!
//! `parameters` are splatted: a switch is `true`, a list modifier an object (`{"Add":"…"}`), `null`
//! is `$null`. `properties` names what is read of each object: a text, a list of texts, or `null`
//! where the property is null; a property that the object lacks is left out. An error is
//! `{"message","id","category"}`, `id` being PowerShell's `FullyQualifiedErrorId`; any entry in
//! `errors` means that the cmdlet failed, non-terminating or not.

use std::io;

use futures_util::future::BoxFuture;

use super::ByteStream;

/// Starts the process that answers the line protocol: a PowerShell, or the rehearsal's cmdlets.
pub trait Launch: Send + Sync {
    /// Starts one. Dropping the stream ends it and all that it started.
    fn launch(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;
}

/// The one PowerShell process of a run.
pub struct PowerShellDoor {}
