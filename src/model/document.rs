//! What is kept: the documents beside a journal and those of a site, each with its name, its version
//! and the program that wrote it.
//!
//! A kept document is read years later, by another version of this program. So it has types of its
//! own, apart from what steps observe and what commands print, and it obeys these rules:
//!
//! - **Within a version** a field may be added that a reader may leave unread. It is optional; its
//!   absence means what it meant before there was such a field; and nothing that a program does
//!   becomes wrong because it does not know the field, not even that it writes the document again
//!   without it. A reader passes over fields that it does not know.
//! - **Everything else is a new version**: a field that must be heeded, one that is always there, one
//!   that is gone or means something else, a new word where the old ones are a closed list, a new kind
//!   of record. A fencing number in the records of a run is such a field, although it is optional: a
//!   program that does not know it would go on with the run and send what the number should stop.
//! - A program writes the newest version that it knows and reads **every version before it**; one
//!   frozen document of each stands under `tests/it/frozen`.
//! - A later version is refused, with both versions and the program that wrote it named. It is not
//!   read in part, and not written over.
//!
//! The same rules hold for the journal, whose version is its `format`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// This program, as it names itself in what it writes.
pub const PROGRAM: &str = concat!("pchadr ", env!("CARGO_PKG_VERSION"));

/// Declares every document once: none can be kept that has no name, no version, or of which the
/// store does not know whether its two copies are reconciled.
macro_rules! documents {
    ($($(#[doc = $doc:literal])+ $kind:ident: $name:literal, version $version:literal, reconciled $reconciled:literal;)+) => {
        /// A document that is kept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Document {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Document {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Its file name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The version that this program writes.
            pub const fn version(self) -> u32 {
                match self {
                    $(Self::$kind => $version,)+
                }
            }

            /// True where it may change while a run goes on: where one copy of the run's record went
            /// further than the other, its document counts in both.
            pub const fn is_reconciled(self) -> bool {
                match self {
                    $(Self::$kind => $reconciled,)+
                }
            }
        }
    };
}

documents! {
    /// The plan of a run.
    Plan: "plan.json", version 1, reconciled true;
    /// The site as a run loaded it.
    Site: "site.json", version 1, reconciled true;
    /// The log-shipping configuration, which F1 destroys and a failback rebuilds.
    LogShipping: "log-shipping.json", version 1, reconciled true;
    /// The ports at which a site's named instances were last seen.
    Ports: "ports.json", version 1, reconciled false;
    /// The second data center before a failback changed it.
    BeforeFailback: "before-failback.json", version 1, reconciled true;
    /// The approval of the plan that a run takes.
    Approval: "approval.json", version 1, reconciled true;
}

/// Says that a document or a journal has a version that this program does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has version {found}, written by {}; this program, {PROGRAM}, reads {}", .by.as_deref().unwrap_or("an unknown program"), versions(*.reads))]
pub struct OtherVersion {
    /// Its version.
    pub found: u64,
    /// The newest version that is read here, and every one before it.
    pub reads: u32,
    /// The program that wrote it, where it says so.
    pub by: Option<String>,
}

impl OtherVersion {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        let by = self.by.as_deref().unwrap_or("the program that wrote it");
        format!("use {by}, or a later one")
    }
}

fn versions(newest: u32) -> String {
    if newest == 1 {
        "version 1".to_owned()
    } else {
        format!("versions 1 to {newest}")
    }
}

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// Another version of the program wrote it.
    #[error(transparent)]
    Version(#[from] OtherVersion),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Unread {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Version(version) => version.remedy(),
            Self::Damaged(_) => "put back its second copy".to_owned(),
        }
    }
}

/// What every document begins with.
#[derive(Deserialize)]
struct Head {
    /// The first documents of a site had none.
    #[serde(default = "first")]
    version: u64,
    /// The first version did not name it.
    program: Option<String>,
}

fn first() -> u64 {
    1
}

/// Sees that a version is one that is read here.
///
/// # Errors
/// When it is another one.
pub fn check_version(found: u64, reads: u32, by: Option<&str>) -> Result<(), OtherVersion> {
    if (1..=u64::from(reads)).contains(&found) {
        Ok(())
    } else {
        Err(OtherVersion {
            found,
            reads,
            by: by.map(str::to_owned),
        })
    }
}

impl Document {
    /// Reads it. Its version is asked for before anything else: another one may have other fields.
    ///
    /// # Errors
    /// When it is none, or of a later version.
    pub fn read<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, Unread> {
        let damaged = |cause: serde_json::Error| Unread::Damaged(cause.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
        check_version(head.version, self.version(), head.program.as_deref())?;
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// Spells it, for people too: its version, this program, then what it holds.
    ///
    /// # Errors
    /// None that is known: texts and numbers only.
    pub fn write(self, content: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Whole<'a, T> {
            version: u32,
            program: &'a str,
            #[serde(flatten)]
            content: &'a T,
        }
        let mut json = serde_json::to_vec_pretty(&Whole {
            version: self.version(),
            program: PROGRAM,
            content,
        })?;
        json.push(b'\n');
        Ok(json)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Content = BTreeMap<String, serde_json::Value>;

    #[test]
    fn what_is_written_names_its_version_and_the_program_and_is_read_again() {
        for document in Document::ALL {
            let json = document
                .write(&Content::from([("a".to_owned(), 1.into())]))
                .unwrap();
            let begins = format!(
                "{{\n  \"version\": {},\n  \"program\": \"{PROGRAM}\",\n",
                document.version()
            );
            assert!(json.starts_with(begins.as_bytes()), "{document:?}");
            let read: Content = document.read(&json).unwrap();
            assert_eq!(read["a"], 1, "{document:?}");
        }
    }

    #[test]
    fn another_version_is_refused_with_both_versions_and_the_program_named() {
        let written = br#"{"version":7,"program":"pchadr 9.2.0","others":true}"#;
        for document in Document::ALL {
            let unread = document.read::<Content>(written).unwrap_err();
            assert_eq!(
                unread.to_string(),
                format!(
                    "it has version 7, written by pchadr 9.2.0; this program, {PROGRAM}, reads version 1"
                )
            );
            assert_eq!(unread.remedy(), "use pchadr 9.2.0, or a later one");
        }
        let unread = Document::Plan
            .read::<Content>(br#"{"version":0}"#)
            .unwrap_err();
        assert!(unread.to_string().contains("written by an unknown program"));
        assert!(check_version(2, 2, None).is_ok() && check_version(1, 2, None).is_ok());
        let later = check_version(3, 2, None).unwrap_err();
        assert!(
            later.to_string().ends_with("reads versions 1 to 2"),
            "{later}"
        );
    }

    #[test]
    fn what_is_no_document_is_damaged_and_one_without_a_version_is_of_the_first() {
        for bytes in [&b""[..], b"{", b"[]", b"7", br#"{"version":"x"}"#] {
            let unread = Document::Site.read::<Content>(bytes).unwrap_err();
            assert!(matches!(unread, Unread::Damaged(_)), "{unread}");
        }
        assert!(Document::Site.read::<Content>(b"{}").is_ok());
    }
}
