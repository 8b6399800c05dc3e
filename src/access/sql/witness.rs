//! A stream that sees what the server says about encryption before the driver does.
//!
//! The driver's own end of a failed negotiation is a bare "tls handshake eof", or a wait to the
//! limit (`tds.md` 5.4, 8): here it gets its name, and no password was sent yet. It also sees that no
//! answer is longer than what is asked for can be: the driver would keep all of it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::Failure;
use super::sign_in::{Channel, Scope};
use crate::access::ByteStream;

/// A first answer is far shorter.
const LONGEST: usize = 4096;

/// All that a server says until a client is signed in, in bytes: a chain of certificates is the most of
/// it.
const SIGN_IN: usize = 64 << 10;

/// What was seen of the first answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// The first answer, as far as it came.
    bytes: Vec<u8>,
    verdict: Option<Failure>,
    /// True once more came after the first answer.
    went_on: bool,
    /// What may still come, in bytes; `None` = more came.
    left: Option<usize>,
}

impl Notes {
    /// Why the connection cannot go on, where the first answer tells.
    pub(super) fn verdict(&self) -> Option<Failure> {
        self.lock().verdict.clone()
    }

    /// True when the server never sent a byte.
    pub(super) fn is_silent(&self) -> bool {
        self.lock().bytes.is_empty()
    }

    /// True when the server said nothing after its first answer.
    pub(super) fn ended_after_first(&self) -> bool {
        !self.lock().went_on
    }

    /// From here on so many bytes may come.
    pub(super) fn allow(&self, bytes: usize) {
        self.lock().left = Some(bytes);
    }

    /// True when more came than may.
    pub(super) fn is_too_long(&self) -> bool {
        self.lock().left.is_none()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream under watch until the first answer is complete.
pub(super) struct Witness {
    stream: Box<dyn ByteStream>,
    wanted: Option<Scope>,
    watching: bool,
    notes: Notes,
}

impl Witness {
    /// Watches a stream.
    pub(super) fn new(stream: Box<dyn ByteStream>, channel: &Channel) -> Self {
        let notes = Notes::default();
        notes.allow(SIGN_IN);
        Self {
            stream,
            wanted: match channel {
                Channel::Clear => None,
                Channel::Tls { scope, .. } => Some(*scope),
            },
            watching: true,
            notes,
        }
    }

    /// Where it writes down what it sees.
    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }
}

/// What the bytes so far tell.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    /// More is needed.
    More,
    /// Go on.
    Fine,
    /// It cannot go on.
    Bad(Failure),
}

/// Reads the first answer of a server to a client that wants this much encryption.
fn judge(bytes: &[u8], wanted: Option<Scope>) -> Reading {
    let Some(first) = bytes.first() else {
        return Reading::More;
    };
    if wanted == Some(Scope::Strict) {
        // A TLS record: handshake or alert.
        return if matches!(first, 0x15 | 0x16) {
            Reading::Fine
        } else {
            Reading::Bad(Failure::NoStrict)
        };
    }
    if *first != 0x04 {
        return Reading::Bad(Failure::NotSqlServer);
    }
    let Some(&[high, low]) = bytes.get(2..4) else {
        return Reading::More;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(8..=LONGEST).contains(&length) {
        return Reading::Bad(Failure::NotSqlServer);
    }
    let Some(body) = bytes.get(8..length) else {
        return Reading::More;
    };
    match (encryption(body), wanted) {
        // 0 off, 1 on, 2 not supported, 3 required (`tds.md` 2.1).
        (Some(2), Some(Scope::All | Scope::Login)) | (Some(0), Some(Scope::All)) => {
            Reading::Bad(Failure::EncryptionRefused)
        }
        (Some(1 | 3), None) => Reading::Bad(Failure::EncryptionDemanded),
        // An answer without the option is the driver's to refuse.
        _ => Reading::Fine,
    }
}

/// The ENCRYPTION option of a PRELOGIN answer.
fn encryption(body: &[u8]) -> Option<u8> {
    for option in body.chunks_exact(5) {
        match option {
            [0xFF, ..] => return None,
            [0x01, high, low, ..] => {
                let offset = usize::from(u16::from_be_bytes([*high, *low]));
                return body.get(offset).copied();
            }
            _ => {}
        }
    }
    None
}

impl AsyncRead for Witness {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        let mut seen = this.notes.lock();
        seen.left = seen.left.and_then(|left| left.checked_sub(came.len()));
        if seen.left.is_none() {
            return Poll::Ready(Err(io::Error::other("the answer has no end")));
        }
        if this.watching {
            seen.bytes.extend_from_slice(came);
            match judge(&seen.bytes, this.wanted) {
                Reading::More => {}
                Reading::Fine => this.watching = false,
                Reading::Bad(failure) => {
                    let text = failure.to_string();
                    seen.verdict = Some(failure);
                    return Poll::Ready(Err(io::Error::other(text)));
                }
            }
        } else {
            seen.went_on |= !came.is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Witness {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(encryption: u8) -> Vec<u8> {
        let mut bytes = vec![0x04, 0x01, 0, 26, 0, 0, 1, 0];
        bytes.extend_from_slice(&[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF]);
        bytes.extend_from_slice(&[12, 0, 7, 208, 0, 0, encryption]);
        bytes
    }

    #[test]
    fn each_pair_of_wishes_has_its_end() {
        use Failure::{EncryptionDemanded, EncryptionRefused};
        let cases = [
            (
                None,
                [
                    None,
                    Some(EncryptionDemanded),
                    None,
                    Some(EncryptionDemanded),
                ],
            ),
            (
                Some(Scope::Login),
                [None, None, Some(EncryptionRefused), None],
            ),
            (
                Some(Scope::All),
                [Some(EncryptionRefused), None, Some(EncryptionRefused), None],
            ),
        ];
        for (wanted, ends) in cases {
            for (encryption, end) in (0..).zip(ends) {
                let expected = end.map_or(Reading::Fine, Reading::Bad);
                assert_eq!(
                    judge(&answer(encryption), wanted),
                    expected,
                    "{wanted:?} {encryption}"
                );
            }
        }
    }

    #[test]
    fn an_answer_is_waited_for_to_its_last_byte() {
        let whole = answer(2);
        for length in 0..whole.len() {
            assert_eq!(judge(&whole[..length], Some(Scope::All)), Reading::More);
        }
    }

    #[test]
    fn another_protocol_is_no_sql_server() {
        let web = b"HTTP/1.1 400 Bad Request\r\n";
        assert_eq!(judge(web, None), Reading::Bad(Failure::NotSqlServer));
        assert_eq!(
            judge(web, Some(Scope::Strict)),
            Reading::Bad(Failure::NoStrict)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(tail in proptest::collection::vec(any::<u8>(), 0..80), tds in any::<bool>()) {
            let mut bytes = if tds { vec![0x04, 0x01, 0, 40] } else { vec![] };
            bytes.extend(tail);
            for wanted in [None, Some(Scope::All), Some(Scope::Strict)] {
                judge(&bytes, wanted);
            }
        }
    }
}
