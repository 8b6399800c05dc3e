//! What was made of a text, and follows from the text alone: the same statements are sent again and
//! again, and reading them is most of what a rehearsal takes.

use std::cell::RefCell;
use std::collections::HashMap;

/// How many texts are kept; then all are forgotten.
const MOST: usize = 500;

/// Keeps what was made of texts.
pub(super) struct Kept<T>(RefCell<HashMap<String, T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> Kept<T> {
    /// What was made of that text, or is made of it now.
    pub(super) fn of(&self, text: &str, read: impl FnOnce(&str) -> T) -> T {
        let kept = self.0.borrow().get(text).cloned();
        kept.unwrap_or_else(|| {
            let made = read(text);
            let mut all = self.0.borrow_mut();
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(text.to_owned(), made.clone());
            made
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_while_it_is_kept_and_no_more_are_kept_than_there_is_room_for() {
        let kept = Kept::default();
        assert_eq!(kept.of("a", str::len), 1);
        assert_eq!(kept.of("a", |_| 7), 1);
        assert_eq!(kept.of("bb", str::len), 2);
        for n in 0..MOST {
            kept.of(&format!("{n} more"), str::len);
        }
        assert!(kept.0.borrow().len() <= MOST);
        assert_eq!(kept.of("a", |_| 7), 7, "it was forgotten");
    }
}
