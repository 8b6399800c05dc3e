//! Where the files of a restored database go: to the paths that the target's own files have.

use super::observe::backups::PlacedFile;

/// A file of the database that is restored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    /// Logical name.
    pub(super) name: &'a str,
    /// Path on the instance that it comes from.
    pub(super) path: &'a str,
    /// True for the transaction log.
    pub(super) log: bool,
}

/// The path of every file, in order; `None` where the target has no file of that kind to go by.
pub(super) fn targets(incoming: &[Incoming<'_>], own: &[PlacedFile]) -> Option<Vec<String>> {
    let mut free: Vec<&PlacedFile> = own.iter().collect();
    let mut targets = Vec::new();
    for file in incoming {
        let at = free
            .iter()
            .position(|it| it.log == file.log && it.name.eq_ignore_ascii_case(file.name))
            .or_else(|| free.iter().position(|it| it.log == file.log));
        targets.push(if let Some(at) = at {
            free.remove(at).path.clone()
        } else {
            // One more file than there was: beside its kin, under its own name.
            let kin = own.iter().find(|it| it.log == file.log)?;
            let end = kin.path.rfind(['\\', '/'])?;
            let name = file.path.rsplit(['\\', '/']).next()?;
            format!("{}{name}", &kin.path[..=end])
        });
    }
    Some(targets)
}
