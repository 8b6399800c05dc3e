//! LOGIN7: who the client says it is, and the answer that lets it in (`tds.md` 2.1).

use super::Login;
use super::packet::DEFAULT_PACKET_SIZE;
use super::prelogin;
use super::reader::{Malformed, Reader, utf16};
use super::token::{self, COLLATION, done};
use crate::rehearsal::message::message;
use crate::rehearsal::value::ServerError;

/// Oldest version of the protocol that the server speaks (7.3): older clients know neither
/// `datetime2` nor the length of our numbers.
const OLDEST: u32 = 0x730A_0003;
/// Newest (7.4).
const NEWEST: u32 = 0x7400_0004;

/// Feature that a client may ask for: UTF-8 in varchar.
const UTF8: u8 = 0x0A;
const LAST_FEATURE: u8 = 0xFF;

/// A decoded LOGIN7.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login7 {
    /// What the server decides by.
    pub(super) login: Login,
    /// Of the packets that the client wants.
    pub(super) packet_size: usize,
    version: u32,
    /// Ids of the features it asked for; `None` where it sent no list.
    features: Option<Vec<u8>>,
}

impl Login7 {
    /// Decodes the body of the message.
    pub(super) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut head = Reader::new(body);
        let length = head.u32()?;
        if usize::try_from(length).is_ok_and(|length| length > body.len()) {
            return Err(Malformed("a login ended unexpectedly"));
        }
        let version = head.u32()?;
        if version < OLDEST {
            return Err(Malformed("the client speaks a TDS older than 7.3"));
        }
        let packet_size = match head.u32()? {
            size @ 512..=32_767 => usize::try_from(size).unwrap_or(DEFAULT_PACKET_SIZE),
            _ => DEFAULT_PACKET_SIZE, // 0 asks for the server's default
        };
        head.take(12)?; // version and process id of the client, connection id
        let [_, _, _, flags] = *head.take(4)? else {
            return Err(Malformed("a login has no flags"));
        };
        head.take(8)?; // time zone, language id

        let mut field = || -> Result<(usize, usize), Malformed> {
            Ok((head.u16()?.into(), head.u16()?.into()))
        };
        let [host, user, password, program, _server, extension] =
            [field()?, field()?, field()?, field()?, field()?, field()?];
        let [_library, _language, database] = [field()?, field()?, field()?];
        let text = |(offset, units)| at(body, offset)?.text(units);
        let (offset, units): (usize, usize) = password;
        let features = if flags & 0x10 == 0 {
            None
        } else {
            Some(features(body, extension)?)
        };
        Ok(Self {
            login: Login {
                user: text(user)?,
                password: utf16(&plain(at(body, offset)?.take(units * 2)?))?,
                host_name: text(host)?,
                program_name: text(program)?,
                database: text(database)?,
            },
            packet_size,
            version,
            features,
        })
    }

    /// The answer that lets the client in.
    pub(super) fn accept(&self, server: &str) -> Vec<u8> {
        let database = match self.login.database.as_str() {
            "" => "master",
            named => named,
        };
        let size = self.packet_size.to_string();
        let mut out = Vec::new();
        token::change_text(&mut out, token::DATABASE, database, "master");
        token::put_message(&mut out, &message(5701, &[database]), server);
        token::change_bytes(&mut out, token::SQL_COLLATION, &COLLATION, &[]);
        token::change_text(&mut out, token::LANGUAGE, "us_english", "");
        token::put_message(&mut out, &message(5703, &["us_english"]), server);
        token::login_ack(&mut out, self.version.min(NEWEST), prelogin::VERSION);
        token::change_text(&mut out, token::PACKET_SIZE, &size, &size);
        if let Some(features) = &self.features {
            out.push(token::FEATURE_ACK);
            if features.contains(&UTF8) {
                out.extend_from_slice(&[UTF8, 1, 0, 0, 0, 1]);
            }
            out.push(LAST_FEATURE);
        }
        done(&mut out, token::DONE, 0);
        out
    }
}

/// The answer that keeps a client out.
pub(super) fn refuse(error: &ServerError, server: &str) -> Vec<u8> {
    let mut out = Vec::new();
    token::put_message(&mut out, error, server);
    done(&mut out, token::DONE, token::FAILED);
    out
}

fn at(body: &[u8], offset: usize) -> Result<Reader<'_>, Malformed> {
    let mut reader = Reader::new(body);
    reader.take(offset)?;
    Ok(reader)
}

/// Undoes the veil over a password: nibbles swapped, then XOR 0xA5.
fn plain(veiled: &[u8]) -> Vec<u8> {
    veiled
        .iter()
        .map(|byte| (byte ^ 0xA5).rotate_left(4))
        .collect()
}

/// Ids of the features asked for: the extension holds the offset of their list.
fn features(body: &[u8], (offset, _): (usize, usize)) -> Result<Vec<u8>, Malformed> {
    let list = at(body, offset)?.u32()?;
    let list = usize::try_from(list).map_err(|_| Malformed("a feature list lies far away"))?;
    let mut reader = at(body, list)?;
    let mut found = Vec::new();
    loop {
        match reader.u8()? {
            LAST_FEATURE => return Ok(found),
            id => {
                let length = reader.u32()?;
                let length =
                    usize::try_from(length).map_err(|_| Malformed("a feature is too long"))?;
                reader.take(length)?;
                found.push(id);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A LOGIN7 with the fields that matter, and a feature list.
    fn login7(version: u32, packet_size: u32, features: &[u8]) -> Vec<u8> {
        let mut body = vec![0_u8; 94];
        body[4..8].copy_from_slice(&version.to_le_bytes());
        body[8..12].copy_from_slice(&packet_size.to_le_bytes());
        let password: Vec<u8> = "pä$$"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .map(|byte| byte.rotate_left(4) ^ 0xA5)
            .collect();
        for (place, text) in [(36, "host"), (40, "sa"), (48, "app"), (68, "msdb")] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            field(&mut body, place, &bytes, text.len());
        }
        field(&mut body, 44, &password, password.len() / 2);
        if !features.is_empty() {
            body[27] = 0x10;
            let list = u32::try_from(body.len() + 4).unwrap().to_le_bytes();
            field(&mut body, 56, &list, 4);
            body.extend_from_slice(features);
        }
        let length = u32::try_from(body.len()).unwrap();
        body[..4].copy_from_slice(&length.to_le_bytes());
        body
    }

    fn field(body: &mut Vec<u8>, place: usize, bytes: &[u8], length: usize) {
        let offset = u16::try_from(body.len()).unwrap().to_le_bytes();
        let length = u16::try_from(length).unwrap().to_le_bytes();
        body[place..place + 2].copy_from_slice(&offset);
        body[place + 2..place + 4].copy_from_slice(&length);
        body.extend_from_slice(bytes);
    }

    #[test]
    fn names_password_and_features_are_read() {
        let asked = [
            0x01, 0, 0, 0, 0, UTF8, 1, 0, 0, 0, 1, 0x63, 0, 0, 0, 0, 0xFF,
        ];
        let decoded = Login7::decode(&login7(NEWEST, 8000, &asked)).unwrap();
        assert_eq!(
            decoded,
            Login7 {
                login: Login {
                    user: "sa".to_owned(),
                    password: "pä$$".to_owned(),
                    host_name: "host".to_owned(),
                    program_name: "app".to_owned(),
                    database: "msdb".to_owned(),
                },
                packet_size: 8000,
                version: NEWEST,
                features: Some(vec![1, UTF8, 0x63]),
            }
        );
        let answer = decoded.accept("SQL1");
        let acknowledged = [token::FEATURE_ACK, UTF8, 1, 0, 0, 0, 1, 0xFF, token::DONE];
        assert!(answer.windows(9).any(|bytes| bytes == acknowledged));
    }

    #[test]
    fn packet_size_zero_asks_for_the_default() {
        for (asked, given) in [(0, 4096), (511, 4096), (512, 512), (32_768, 4096)] {
            let decoded = Login7::decode(&login7(NEWEST, asked, &[])).unwrap();
            assert_eq!(decoded.packet_size, given, "{asked}");
        }
    }

    #[test]
    fn a_client_older_than_7_3_is_refused() {
        assert!(Login7::decode(&login7(0x7209_0002, 0, &[])).is_err());
        assert!(Login7::decode(&login7(OLDEST, 0, &[])).is_ok());
    }

    #[test]
    fn a_login_cut_anywhere_is_refused() {
        let whole = login7(NEWEST, 0, &[UTF8, 1, 0, 0, 0, 1, 0xFF]);
        for length in 0..whole.len() {
            assert!(Login7::decode(&whole[..length]).is_err(), "{length}");
            // Also where it does not even say that there should be more.
            let mut part = whole[..length].to_vec();
            part.splice(..length.min(4), 0_u32.to_le_bytes());
            assert!(Login7::decode(&part).is_err(), "{length}");
        }
    }

    #[test]
    fn a_debug_print_of_a_login_hides_the_password() {
        let decoded = Login7::decode(&login7(NEWEST, 0, &[])).unwrap();
        assert!(!format!("{decoded:?}").contains("pä"));
    }
}
