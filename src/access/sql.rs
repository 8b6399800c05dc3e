//! SQL Server: the one file that names the driver.

use std::io;

use futures_util::future::BoxFuture;

use super::ByteStream;
use crate::model::Instance;

/// Opens a byte stream to an instance: a socket, or the rehearsal's pipe.
pub trait Dial: Send + Sync {
    /// Connects to the instance; TLS is not its matter.
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;
}

/// Every connection of a run.
pub struct SqlDoor {}
