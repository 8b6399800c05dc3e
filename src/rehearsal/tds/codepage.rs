//! Code page 1252, that of `varchar` in the server's collation.

/// What the bytes 0x80 to 0x9F stand for; the five without a character stand for themselves.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Bytes of a text; a character that the code page lacks becomes `?`, as on the server.
pub(super) fn encode(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| {
            let high = (0x80..).zip(HIGH).find(|(_, high)| *high == character);
            match (high, u8::try_from(character)) {
                (Some((byte, _)), _) => byte,
                (None, Ok(byte)) if !(0x80..0xA0).contains(&byte) => byte,
                _ => b'?',
            }
        })
        .collect()
}

/// Text of bytes.
pub(super) fn decode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
            _ => char::from(*byte),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(encode(&decode(&all)), all);
    }

    #[test]
    fn a_character_without_a_byte_becomes_a_question_mark() {
        assert_eq!(encode("a€ü中\u{85}"), b"a\x80\xFC??");
    }
}
