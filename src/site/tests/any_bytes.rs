//! Whatever stands in the file, reading it ends with a site or with problems.

use std::path::Path;

use proptest::prelude::*;

use super::super::{EXAMPLE, Site};

/// Bytes around what a site file is made of, so that more than the TOML parser is reached.
fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        proptest::sample::select(EXAMPLE.lines().collect::<Vec<_>>())
            .prop_map(|l| l.trim_start_matches("# ").as_bytes().to_vec()),
        r#"[a-z_.]{0,12} = ["'\[{]?[^\n]{0,12}["'\]}]?"#.prop_map(String::into_bytes),
        r"\[{1,2}[a-z.]{1,12}\]{1,2}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(line, 0..24).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader_and_every_refusal_has_a_problem_in_the_file(
        bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), scraps()]
    ) {
        if let Err(found) = Site::from_bytes(&bytes, "f", Path::new("")) {
            let lines = bytes.split(|b| *b == b'\n').count();
            prop_assert!(!found.problems.is_empty());
            prop_assert!(found.problems.iter().all(|p| (1..=lines).contains(&p.line)));
            prop_assert!(found.problems.is_sorted_by_key(|p| (p.line, p.column)));
        }
    }

    #[test]
    fn any_cut_and_any_changed_byte_of_the_example_is_read_without_panic(
        cut in 0..EXAMPLE.len(), at in 0..EXAMPLE.len(), byte: u8
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = Site::from_bytes(&bytes, "f", Path::new(""));
    }
}
