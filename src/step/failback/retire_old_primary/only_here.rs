//! What an old database holds that the second data center's does not, as far as the numbers of
//! messages tell (`steps.md` 6.3, O15).
//!
//! Both databases may have gone on since they parted, under the same numbers: what is told is the
//! least that is missing, and rooms in which the second data center is as far cannot be told apart.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::step::observe::Observed;
use crate::step::observe::database::{Content, Room};

/// The least that only the old database has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct OnlyHere {
    /// Rooms of which the other has no message, and their messages.
    rooms: usize,
    room_messages: i64,
    /// Rooms whose highest number is beyond the other's, and the messages that these have more, one
    /// a room at least.
    further: usize,
    further_messages: i64,
    /// By how many numbers at most.
    numbers: i64,
    /// Rooms that went on in the second data center: what the old one has there under the same
    /// numbers cannot be told.
    hidden: usize,
}

impl OnlyHere {
    /// `None` where one of them cannot be seen.
    pub(super) fn of(own: &Observed<Content>, other: &Observed<Content>) -> Option<Self> {
        let none = BTreeMap::new();
        let rooms = |content: &'_ Observed<Content>| match content {
            Observed::Seen(content) => Some(content.by_room.clone()),
            Observed::Absent => Some(none.clone()),
            Observed::Unknown(_) => None,
        };
        Some(Self::compare(&rooms(own)?, &rooms(other)?))
    }

    fn compare(own: &BTreeMap<String, Room>, other: &BTreeMap<String, Room>) -> Self {
        let mut found = Self::default();
        for (id, room) in own {
            match other.get(id) {
                None => {
                    found.rooms += 1;
                    found.room_messages += room.messages;
                }
                Some(theirs) if room.last > theirs.last => {
                    found.further += 1;
                    found.further_messages += (room.messages - theirs.messages).max(1);
                    found.numbers = found.numbers.max(room.last - theirs.last);
                }
                Some(theirs) if room.last < theirs.last => found.hidden += 1,
                Some(_) => {}
            }
        }
        found
    }

    pub(super) fn describe(&self) -> String {
        let count = |n: i64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let rooms = |n: usize| count(i64::try_from(n).unwrap_or(i64::MAX), "room");
        let mut parts = Vec::new();
        if self.rooms > 0 {
            parts.push(format!(
                "{} with {}",
                rooms(self.rooms),
                count(self.room_messages, "message")
            ));
        }
        if self.further > 0 {
            parts.push(format!(
                "at least {} in {} whose numbers go further by up to {}",
                count(self.further_messages, "message"),
                rooms(self.further),
                self.numbers
            ));
        }
        let told = if parts.is_empty() {
            "by their numbers, no message is only there".to_owned()
        } else {
            format!("only there: {}", parts.join("; "))
        };
        if self.hidden == 0 {
            return told;
        }
        format!(
            "{told}; in {} the second data center has gone on: what was never shipped of these cannot be told by numbers",
            rooms(self.hidden)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(of: &[(&str, i64, i64)]) -> BTreeMap<String, Room> {
        of.iter()
            .map(|(id, last, messages)| {
                let (last, messages) = (*last, *messages);
                ((*id).to_owned(), Room { last, messages })
            })
            .collect()
    }

    #[test]
    fn rooms_and_messages_that_only_the_old_database_has_are_counted() {
        let old = rooms(&[("a", 100, 40), ("b", 90, 30), ("c", 7, 7), ("d", 50, 20)]);
        let new = rooms(&[("a", 95, 36), ("b", 90, 30), ("d", 80, 25), ("e", 3, 3)]);
        let found = OnlyHere::compare(&old, &new);
        assert_eq!(
            found.describe(),
            "only there: 1 room with 7 messages; at least 4 messages in 1 room whose numbers go further by up to 5; in 1 room the second data center has gone on: what was never shipped of these cannot be told by numbers"
        );
        let behind = OnlyHere::compare(&rooms(&[("a", 100, 40)]), &rooms(&[("a", 500, 300)]));
        let told = behind.describe();
        assert!(told.ends_with("cannot be told by numbers"), "{told}");
        let same = OnlyHere::compare(&new, &new);
        assert_eq!(same, OnlyHere::default());
    }

    #[test]
    fn a_room_in_which_both_went_on_tells_one_message_at_least() {
        let old = rooms(&[("a", 105, 40)]);
        let new = rooms(&[("a", 104, 44)]);
        let found = OnlyHere::compare(&old, &new);
        assert_eq!((found.further, found.further_messages), (1, 1));
    }

    #[test]
    fn what_cannot_be_seen_is_not_compared() {
        let unknown = Observed::unseen("a reason");
        assert_eq!(OnlyHere::of(&unknown, &Observed::Absent), None);
        assert_eq!(OnlyHere::of(&Observed::Absent, &unknown), None);
    }
}
