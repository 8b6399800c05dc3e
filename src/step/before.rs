//! How the second data center was before a failback changed it: what `abort` puts back. Each step
//! writes down what it is about to take away, durably, before it does.

use serde::{Deserialize, Serialize};

use super::hands::{Hands, StepError};
use super::observe::database::Database;

/// Name of the document in the run folder.
pub const DOCUMENT: &str = "before-failback.json";

/// What was seen before it was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Version of this format.
    pub version: u32,
    /// The active list, before it was cleared.
    pub active_servers: Option<Vec<String>>,
    /// Services that are stopped: server, short name.
    pub stopped_services: Vec<(String, String)>,
    /// True where the chat database of the second data center was mirrored.
    pub chat_mirrored: bool,
    /// True where its compliance database was.
    pub compliance_mirrored: bool,
    /// The backup's chat database, before it was closed.
    pub chat: Option<Database>,
}

impl Before {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is none, or of a later format.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let before: Self = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
        if before.version == 1 {
            Ok(before)
        } else {
            Err(format!(
                "format {} is not known to this version",
                before.version
            ))
        }
    }

    /// Writes down one thing more.
    pub(super) fn note<K>(
        hands: &Hands<'_, K>,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), StepError> {
        let unreadable = |why: String| {
            StepError::other(
                format!("`{DOCUMENT}` of this run: {why}"),
                "put back its second copy, then go on with --resume",
            )
        };
        let mut before = match hands.ledger.kept(DOCUMENT)? {
            Some(bytes) => Self::read(&bytes).map_err(unreadable)?,
            None => Self::default(),
        };
        before.version = 1;
        change(&mut before);
        let mut json =
            serde_json::to_vec_pretty(&before).map_err(|cause| unreadable(cause.to_string()))?;
        json.push(b'\n');
        Ok(hands.ledger.keep(DOCUMENT, &json)?)
    }
}
