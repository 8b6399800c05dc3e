//! What happens when the program itself is wrong.

use std::any::Any;
use std::io::Write;
use std::panic;

use crate::report::error::write_error;
use crate::run::event::ErrorRecord;
use crate::run::exit::Exit;

/// Makes every panic, on any thread, end the program with status 70 and say what to do. The exit is
/// here, since a release build aborts right after the hook.
pub fn exit_on_panic() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let error = describe(place.as_deref(), panic.payload());
        let mut err = std::io::stderr();
        let told = write_error(&error, &mut err).and_then(|()| err.flush());
        // Without a reader the status alone says it.
        drop(told);
        std::process::exit(i32::from(Exit::Defect.code()));
    }));
}

fn describe(place: Option<&str>, payload: &dyn Any) -> ErrorRecord {
    let words = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words");
    ErrorRecord {
        what: format!(
            "a defect of pchadr {} at {}",
            env!("CARGO_PKG_VERSION"),
            place.unwrap_or("an unknown place")
        ),
        why: words.to_owned(),
        hint: "keep the run folder as it is; if a run was under way, look at the site before \
               anything else; send the authors this message, the command line and the run's \
               journal.jsonl"
            .to_owned(),
        ..ErrorRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_told_with_its_place_its_words_and_what_to_keep() {
        let payloads: [(Box<dyn Any>, &str); 3] = [
            (Box::new("one"), "one"),
            (Box::new("two".to_owned()), "two"),
            (Box::new(3), "no words"),
        ];
        for (payload, words) in payloads {
            let error = describe(Some("src/x.rs:1:2"), payload.as_ref());
            assert!(error.what.contains("src/x.rs:1:2"), "{}", error.what);
            assert_eq!(error.why, words);
            assert!(error.hint.contains("run folder"), "{}", error.hint);
        }
    }
}
