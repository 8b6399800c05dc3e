//! How the second data center was before a failback changed it: what `abort` puts back. Each step
//! writes down what it is about to take away, durably, before it does.

use serde::{Deserialize, Serialize};

use super::hands::{Hands, StepError};
use super::observe::database::Database;
use super::stored::maybe;
use crate::model::Document;
use crate::model::document::Unread;

/// What was seen before it was taken away: what [`Document::BeforeFailback`] holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The active list, before it was cleared.
    pub active_servers: Option<Vec<String>>,
    /// Services that are stopped: server, short name.
    pub stopped_services: Vec<(String, String)>,
    /// True where the chat database of the second data center was mirrored.
    pub chat_mirrored: bool,
    /// True where its compliance database was.
    pub compliance_mirrored: bool,
    /// The backup's chat database, before it was closed.
    #[serde(with = "maybe")]
    pub chat: Option<Database>,
}

impl Before {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is none, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        Document::BeforeFailback.read(bytes)
    }

    /// Writes down one thing more.
    pub(super) fn note<K>(
        hands: &Hands<'_, K>,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), StepError> {
        let document = Document::BeforeFailback;
        let mut before = match hands.ledger.kept(document)? {
            Some(bytes) => Self::read(&bytes).map_err(|unread| {
                StepError::other(
                    format!("`{}` of this run: {unread}", document.name()),
                    unread.remedy(),
                )
            })?,
            None => Self::default(),
        };
        change(&mut before);
        let json = document
            .write(&before)
            .map_err(|cause| StepError::other(cause.to_string(), ""))?;
        Ok(hands.ledger.keep(document, &json)?)
    }
}
