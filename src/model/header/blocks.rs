//! The descriptor blocks at both ends of a file, and where they lie.

use jiff::civil::DateTime;

use super::bytes::Bytes;
use super::{END_BYTES, Media, Unreadable};

/// Descriptor blocks take whole kibibytes, filemarks one physical block.
const FORMAT_BLOCK: usize = 1024;

/// Words that the checksum of a block's common header covers.
const HEADER_WORDS: usize = 25;
/// Words that the checksum of a stream's header covers.
const STREAM_WORDS: usize = 10;
/// Length of a stream's header.
const STREAM_HEADER: usize = 22;

/// Offsets in blocks.
const FIRST_STREAM: usize = 8;
const TAPE_FAMILY: usize = 52;
const TAPE_SEQUENCE: usize = 52 + 8;
const SSET_NUMBER: usize = 52 + 10;
const ESET_NUMBER: usize = 52 + 26;
const ESET_DATE: usize = 52 + 28;

/// Bytes that the closing configuration took in every real file: its block rounded up.
const CLOSING_BYTES: [usize; 2] = [3 * FORMAT_BLOCK, 4 * FORMAT_BLOCK];

/// Where the blocks lie in a file with physical blocks of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    physical: usize,
}

/// What the blocks at the end give.
pub(super) struct End<'a> {
    /// When the end of the set was written.
    pub(super) written: Option<DateTime>,
    /// From the closing `SCIN` on.
    pub(super) configuration: Bytes<'a>,
}

impl Layout {
    /// Finds the first size of physical blocks whose places hold the set's or the volume's block.
    pub(super) fn probe(head: Bytes<'_>) -> Result<Self, Unreadable> {
        let layout = (9..=16)
            .map(|power| Self {
                physical: 1 << power,
            })
            .find(|it| head.is(*b"SSET", it.set()) || head.is(*b"VOLB", it.volume()))
            .ok_or(Unreadable::NoBlocks)?;
        if layout.configuration() + FORMAT_BLOCK > head.len().max(END_BYTES) {
            return Err(Unreadable::BlockSize {
                bytes: layout.physical,
            });
        }
        Ok(layout)
    }

    /// Checks the blocks at the start; answers the configuration, from its `SCIN` on.
    pub(super) fn start(self, head: Bytes<'_>) -> Result<Bytes<'_>, Unreadable> {
        block(head, *b"TAPE", 0, "media block (TAPE)")?;
        block(head, *b"SFMB", self.mark(), "filemark (SFMB)")?;
        let set = block(head, *b"SSET", self.set(), "start of the set (SSET)")?;
        block(head, *b"VOLB", self.volume(), "volume block (VOLB)")?;
        let configuration = block(
            head,
            *b"MSCI",
            self.configuration(),
            "opening configuration (MSCI)",
        )?;
        if set.u16(SSET_NUMBER) != Some(1) {
            return Err(set.damaged("number of the first set", SSET_NUMBER));
        }
        stream(configuration)
    }

    /// Checks the blocks at the end; `None` where the end of the set is not there.
    pub(super) fn end(self, tail: Bytes<'_>, size: u64) -> Result<Option<End<'_>>, Unreadable> {
        let place = |from_end: usize| tail.len().checked_sub(from_end);
        let mark = place(self.physical);
        let set = place(self.physical + self.block());
        let whole = size.is_multiple_of(512);
        let (Some(mark), Some(set), true) = (mark, set, whole) else {
            return Ok(None);
        };
        if !tail.is(*b"SFMB", mark) || !tail.is(*b"ESET", set) {
            return Ok(None);
        }
        block(tail, *b"SFMB", mark, "last filemark (SFMB)")?;
        let set = block(tail, *b"ESET", set, "end of the set (ESET)")?;
        match set.u16(ESET_NUMBER) {
            Some(1) => {}
            Some(sets) if sets > 1 => return Err(Unreadable::SeveralSets { sets }),
            _ => return Err(set.damaged("number of the last set", ESET_NUMBER)),
        }

        // Behind the closing copy: filemark, end of the set, its map, end of the map, filemark.
        let behind = 2 * self.physical + 3 * self.block();
        let closing = CLOSING_BYTES
            .iter()
            .filter_map(|bytes| place(behind + bytes.next_multiple_of(self.block())))
            .find(|offset| tail.is(*b"MSLS", *offset));
        let closing = closing.ok_or(Unreadable::NoClosingCopy)?;
        let configuration = block(tail, *b"MSLS", closing, "closing configuration (MSLS)")?;
        Ok(Some(End {
            written: set.date(ESET_DATE),
            configuration: stream(configuration)?,
        }))
    }

    /// Length of a descriptor block without data.
    fn block(self) -> usize {
        FORMAT_BLOCK.max(self.physical)
    }

    fn mark(self) -> usize {
        self.block()
    }

    fn set(self) -> usize {
        self.mark() + self.physical
    }

    fn volume(self) -> usize {
        self.set() + self.block()
    }

    fn configuration(self) -> usize {
        self.volume() + self.block()
    }
}

/// The media set, as the first block names it.
pub(super) fn media(head: Bytes<'_>) -> Option<Media> {
    let tape = block(head, *b"TAPE", 0, "media block (TAPE)").ok()?;
    Some(Media {
        family: tape.u32(TAPE_FAMILY)?,
        sequence: tape.u16(TAPE_SEQUENCE)?,
    })
}

/// The block `name` at `offset`, its checksum verified.
fn block<'a>(
    bytes: Bytes<'a>,
    name: [u8; 4],
    offset: usize,
    what: &'static str,
) -> Result<Bytes<'a>, Unreadable> {
    let block = bytes.from(offset);
    if block.is(name, 0) && block.xor_holds(HEADER_WORDS) {
        Ok(block)
    } else {
        Err(block.damaged(what, 0))
    }
}

/// The payload of a block's first stream, the configuration, from its `SCIN` on.
fn stream(block: Bytes<'_>) -> Result<Bytes<'_>, Unreadable> {
    let what = "configuration stream (MQCI)";
    let offset = usize::from(block.u16(FIRST_STREAM).unwrap_or_default());
    let stream = block.from(offset);
    if !stream.is(*b"MQCI", 0) || !stream.xor_holds(STREAM_WORDS) {
        return Err(stream.damaged(what, 0));
    }
    let payload = stream.from(STREAM_HEADER);
    let part = payload.u16(4).map(u64::from);
    if !payload.is(*b"SCIN", 0) || part > stream.u64(8) {
        return Err(payload.damaged("configuration (SCIN)", 0));
    }
    Ok(payload)
}
