//! Whose record it is: a run that sleeps, and wakes up after another has gone on with its record, must
//! write nothing behind that (`design.md` 3, rule 17).

use serde_json::Value;

use super::{Journal, JournalError};

impl Journal {
    /// Lets every record from here on carry the number that the run took.
    pub fn number(&mut self, fence: u64) {
        self.fence = Some(fence);
    }

    /// Another run goes on: this one writes nothing any more, here or in its second copy.
    pub fn hand_over(&mut self) {
        self.taken_over = true;
    }

    /// A copy that went on without this run belongs to the one that goes on with it. What only lies
    /// behind it, and does not follow, is nobody's record: that copy is left alone.
    pub(super) fn see_it_is_ours(&mut self) -> Result<(), JournalError> {
        let unread = |source| JournalError::Store {
            action: "written",
            source,
        };
        if !self.taken_over {
            let others = self.store.written_by_others().map_err(unread)?;
            if others.is_empty() {
                return Ok(());
            }
            let first = others.split(|byte| *byte == b'\n').next();
            let next: Value = serde_json::from_slice(first.unwrap_or_default()).unwrap_or_default();
            if next.get("prev").and_then(Value::as_str) != Some(&self.tip) {
                return self.store.leave_to_others().map_err(unread);
            }
            self.taken_over = true;
        }
        Err(JournalError::TakenOver)
    }
}
