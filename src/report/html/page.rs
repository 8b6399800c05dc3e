//! Writes HTML: markup is a word of this program, and everything else is escaped, here and nowhere else.

use crate::report::steers;

/// A page that is being written.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Markup of ours: known when the program is built, so that no value can be in it.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Text, whatever it holds.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(&escape(text));
        self
    }

    /// `<tag name="value">`: values may hold anything.
    pub(super) fn open(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
    ) -> &mut Self {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.text.push_str(&escape(value));
            self.text.push('"');
        }
        self.text.push('>');
        self
    }

    /// `</tag>`, and a new line.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push_str(">\n");
        self
    }

    /// An element of a class that holds text only.
    pub(super) fn leaf(&mut self, tag: &'static str, class: &str, text: &str) -> &mut Self {
        if class.is_empty() {
            self.open(tag, &[]);
        } else {
            self.open(tag, &[("class", class)]);
        }
        self.text(text).close(tag)
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Text that means itself in an element and in a quoted attribute. Lines stay lines; what would turn the
/// direction of what follows, or steer, is spelled out.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if steers(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(html: &str) -> String {
        let entities = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
        ];
        let read = entities
            .iter()
            .fold(html.to_owned(), |text, (entity, c)| text.replace(entity, c));
        read.replace("&amp;", "&")
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup_and_every_text_can_be_read(text in any::<String>()) {
            let safe = escape(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'']), "{safe}");
            prop_assert!(!safe.chars().any(|c| steers(c) && c != '\n' && c != '\t'), "{safe}");
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            for (at, _) in safe.match_indices('&') {
                prop_assert!(entities.iter().any(|it| safe[at..].starts_with(it)), "{safe}");
            }
            if !text.chars().any(steers) {
                prop_assert_eq!(read_back(&safe), text);
            }
        }
    }
}
