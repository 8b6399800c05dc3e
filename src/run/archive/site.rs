//! Documents of a site that belong to no run: kept by whatever looks at it, for a run that may come
//! years later. On this machine, and a second copy beside those of the runs (`steps.md` 5.1).

use std::io;
use std::path::PathBuf;

use super::kept::{Kept, copies};
use super::{Archive, above};
use crate::model::Document;
use crate::model::document::Unread;
use crate::run::store::{Reach, keep_in, make_folders};

/// Folder of such documents, beside the runs.
const SITES: &str = "sites";

impl Archive {
    /// Keeps a document of a site under that name, here and in the mirror, durably.
    ///
    /// # Errors
    /// When one of the two copies cannot be written; the other one is written all the same.
    pub fn keep_of_site(&self, site: &str, document: Document, bytes: &[u8]) -> io::Result<()> {
        let [(_, here), (_, there)] = self.places_of(site);
        let (first, second) = (bytes.to_vec(), bytes.to_vec());
        let kept = self.here.ask(move || {
            make_folders(&here)?;
            keep_in(&here, document, &first)
        });
        let mirror = self.mirror.clone();
        let second = self.there.ask(move || {
            above(&mirror)?;
            make_folders(&there)?;
            keep_in(&there, document, &second)
        });
        second.and(kept)
    }

    /// The copies of a site's document: none, one or two.
    pub fn kept_of_site<T>(
        &self,
        site: &str,
        document: Document,
        read: impl Fn(&[u8]) -> Result<T, Unread>,
    ) -> Kept<T> {
        copies(self.places_of(site), document, read)
    }

    fn places_of(&self, site: &str) -> [(&Reach, PathBuf); 2] {
        let here = self.local.with_file_name(SITES).join(site);
        let there = self.mirror.join(SITES).join(site);
        [(&self.here, here), (&self.there, there)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    const DOCUMENT: Document = Document::LogShipping;

    fn text(bytes: &[u8]) -> Result<String, Unread> {
        String::from_utf8(bytes.to_vec()).map_err(|error| Unread::Damaged(error.to_string()))
    }

    fn kept(archive: &Archive, site: &str) -> Vec<String> {
        archive.kept_of_site(site, DOCUMENT, text).read
    }

    #[test]
    fn a_document_of_a_site_has_two_copies_and_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        archive.keep_of_site("pool-1", DOCUMENT, b"old").unwrap();
        archive.keep_of_site("pool-1", DOCUMENT, b"new").unwrap();
        assert_eq!(kept(&archive, "pool-1"), ["new", "new"]);
        assert!(archive.kept_of_site("pool-2", DOCUMENT, text).is_empty());
        let runs = archive.runs();
        assert!(runs.read.is_empty() && runs.lost.is_empty() && runs.unreadable.is_empty());
        assert!(archive.newest(DOCUMENT, |_| true, text).is_empty());
    }

    #[test]
    fn one_copy_is_kept_where_the_other_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("no-share/mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        assert!(archive.keep_of_site("pool-1", DOCUMENT, b"1").is_err());
        assert_eq!(kept(&archive, "pool-1"), ["1"]);
        assert!(!folder.path().join("no-share").exists());

        let mirror = folder.path().join("mirror");
        let state = folder.path().join("file");
        fs::write(&state, b"a file, no folder").unwrap();
        let archive = Archive::new(&state, mirror.to_str().unwrap());
        assert!(archive.keep_of_site("pool-1", DOCUMENT, b"2").is_err());
        assert_eq!(kept(&archive, "pool-1"), ["2"]);
    }

    #[test]
    fn of_two_copies_the_one_that_cannot_be_read_is_named_and_the_other_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        archive.keep_of_site("pool-1", DOCUMENT, b"1").unwrap();
        let path = folder.path().join("state/sites/pool-1/log-shipping.json");
        fs::write(&path, b"\xff").unwrap();
        let kept = archive.kept_of_site("pool-1", DOCUMENT, text);
        assert_eq!(kept.read, ["1"]);
        let [unreadable] = kept.unreadable.as_slice() else {
            panic!("{kept:?}")
        };
        assert_eq!((&unreadable.path, unreadable.is_there), (&path, true));
        // It can be there, and out of reach.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let kept = archive.kept_of_site("pool-1", DOCUMENT, text);
        assert_eq!(kept.read, ["1"]);
        assert_eq!(
            (&kept.unreadable[0].path, kept.unreadable[0].is_there),
            (&path, false)
        );
    }
}
