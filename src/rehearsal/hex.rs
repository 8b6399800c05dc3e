//! Bytes and GUIDs as text.

use super::backup_set::Guid;

/// Bytes as hexadecimal digits, upper case.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let pairs = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.map(|digit| digit.to_ascii_uppercase()).collect()
}

/// Reads hexadecimal digits; an odd one stands alone in front.
pub fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut digits: Vec<u8> = digits.chars().map(digit).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        digits.insert(0, 0);
    }
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// A GUID as it is shown.
pub fn guid_text(guid: &Guid) -> String {
    let all = hex(guid);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &all[part]);
    parts.join("-")
}

/// A GUID in its one form, in any case, perhaps in braces; what follows it is ignored.
pub fn parse_guid(text: &str) -> Option<Guid> {
    let text = text.trim_start_matches(' ');
    let body = match text.strip_prefix('{') {
        Some(inner) => inner.get(..36).filter(|_| inner[36..].starts_with('}'))?,
        None => text.get(..36)?,
    };
    let parts: Vec<&str> = body.split('-').collect();
    if !parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    parse_hex(&parts.concat())?.try_into().ok()
}

/// Between the order in which a GUID is shown and that in which it is stored and sent: its first
/// three groups are numbers, lowest byte first. Its own reverse.
pub fn reordered(mut guid: Guid) -> Guid {
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_reads_back_what_it_shows() {
        let guid = [0xAB; 16];
        let shown = "ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB";
        assert_eq!(guid_text(&guid), shown);
        for text in [
            shown.to_owned(),
            shown.to_lowercase(),
            format!("  {{{shown}}}"),
            format!("{shown} and more"),
        ] {
            assert_eq!(parse_guid(&text), Some(guid), "{text}");
        }
        for text in [
            "",
            "ab",
            "ABABABAB-ABAB-ABAB-ABAB-ABABABABABAG",
            "ABABABABA-BAB-ABAB-ABAB-ABABABABABAB",
            "{ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB",
            "é",
        ] {
            assert_eq!(parse_guid(text), None, "{text}");
        }
    }

    #[test]
    fn an_odd_digit_stands_alone_in_front() {
        assert_eq!(parse_hex("1ff"), Some(vec![1, 0xFF]));
        assert_eq!(parse_hex("1g"), None);
    }
}
