//! Documents of a site that belong to no run: kept by whatever looks at it, for a run that may come
//! years later. On this machine, and a second copy beside those of the runs (`steps.md` 5.1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Archive;
use crate::run::store::keep_in;

/// Folder of such documents, beside the runs.
const SITES: &str = "sites";

impl Archive {
    /// Keeps a document of a site under that name, here and in the mirror, durably.
    ///
    /// # Errors
    /// When one of the two copies cannot be written; the other one is written all the same.
    pub fn keep_of_site(&self, site: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let [here, there] = self.folders_of(site);
        let kept = fs::create_dir_all(&here).and_then(|()| keep_in(&here, name, bytes));
        self.keep_second(&there, name, bytes).and(kept)
    }

    /// The readable copies of a site's document: none, one or two.
    pub fn kept_of_site(&self, site: &str, name: &str) -> Vec<Vec<u8>> {
        let folders = self.folders_of(site).into_iter();
        folders
            .filter_map(|folder| fs::read(folder.join(name)).ok())
            .collect()
    }

    fn folders_of(&self, site: &str) -> [PathBuf; 2] {
        let here = self.local.with_file_name(SITES).join(site);
        [here, self.mirror.join(SITES).join(site)]
    }

    fn keep_second(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.above_the_mirror()?;
        fs::create_dir_all(folder)?;
        keep_in(folder, name, bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_a_site_has_two_copies_and_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        archive.keep_of_site("pool-1", "a.json", b"old").unwrap();
        archive.keep_of_site("pool-1", "a.json", b"new").unwrap();
        let both = vec![b"new".to_vec(), b"new".to_vec()];
        assert_eq!(archive.kept_of_site("pool-1", "a.json"), both);
        assert!(archive.kept_of_site("pool-2", "a.json").is_empty());
        assert!(archive.runs().is_empty());
        let any = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        assert_eq!(archive.newest("a.json", |_| true, any), None);
    }

    #[test]
    fn one_copy_is_kept_where_the_other_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = folder.path().join("no-share/mirror");
        let archive = Archive::new(&folder.path().join("state"), mirror.to_str().unwrap());
        assert!(archive.keep_of_site("pool-1", "a.json", b"1").is_err());
        assert_eq!(archive.kept_of_site("pool-1", "a.json"), [b"1"]);
        assert!(!folder.path().join("no-share").exists());

        let mirror = folder.path().join("mirror");
        let state = folder.path().join("file");
        fs::write(&state, b"a file, no folder").unwrap();
        let archive = Archive::new(&state, mirror.to_str().unwrap());
        assert!(archive.keep_of_site("pool-1", "a.json", b"2").is_err());
        assert_eq!(archive.kept_of_site("pool-1", "a.json"), [b"2"]);
    }
}
