//! Progress bars, one for each step that acts.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::one_line;
use crate::run::event::{Progress, Unit};

/// The bars below the lines.
pub(super) struct Bars {
    all: MultiProgress,
    by_step: BTreeMap<String, (ProgressBar, Option<Shape>)>,
}

/// What a bar looks like: its unit, and whether its end is known.
type Shape = (Unit, bool);

impl Bars {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        Self {
            all: MultiProgress::with_draw_target(target),
            by_step: BTreeMap::new(),
        }
    }

    /// Lets `put` write lines while no bar is in the way.
    pub(super) fn suspend(&self, put: impl FnOnce()) {
        self.all.suspend(put);
    }

    pub(super) fn begin(&mut self, step: &str) {
        self.show(&Progress {
            step: step.to_owned(),
            done: 0,
            total: 0,
            unit: Unit::Waiting,
            detail: "started".to_owned(),
        });
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        let all = &self.all;
        let wanted = (progress.unit, progress.total > 0);
        let (bar, shape) = self
            .by_step
            .entry(progress.step.clone())
            .or_insert_with(|| {
                // With a look of its own before it is drawn: the library's has a bar without an end.
                let bar = ProgressBar::no_length().with_style(style(wanted));
                let bar = all.add(bar.with_prefix(progress.step.clone()));
                (bar, Some(wanted))
            });
        if *shape != Some(wanted) {
            bar.set_style(style(wanted));
            *shape = Some(wanted);
        }
        if progress.total > 0 {
            bar.set_length(progress.total);
        } else {
            bar.unset_length();
        }
        bar.set_position(progress.done);
        bar.set_message(one_line(&progress.detail).into_owned());
    }

    pub(super) fn end(&mut self, step: &str) {
        if let Some((bar, _)) = self.by_step.remove(step) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    pub(super) fn clear(&mut self) {
        let steps: Vec<String> = self.by_step.keys().cloned().collect();
        for step in steps {
            self.end(&step);
        }
    }
}

/// No rate and no time to go: indicatif knows the wall clock only, and a rehearsal's is another.
fn template((unit, has_end): Shape) -> &'static str {
    match (unit, has_end) {
        (Unit::Bytes, true) => "  {prefix}  [{bar:30}] {bytes} of {total_bytes}  {wide_msg}",
        (Unit::Bytes, false) => "  {prefix}  {bytes}  {wide_msg}",
        (Unit::Files, true) => "  {prefix}  [{bar:30}] {pos} of {len} files  {wide_msg}",
        (Unit::Files, false) => "  {prefix}  {pos} files  {wide_msg}",
        (Unit::Percent, _) => "  {prefix}  [{bar:30}] {pos} %  {wide_msg}",
        (Unit::Waiting, _) => "  {prefix}  {wide_msg}",
    }
}

fn style(shape: Shape) -> ProgressStyle {
    ProgressStyle::with_template(template(shape))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::TermLike;

    use super::*;
    use crate::report::sample::Paper;

    /// A terminal that keeps what was drawn, one line a bar.
    #[derive(Clone)]
    struct Screen(Paper);

    impl std::fmt::Debug for Screen {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Screen")
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            90
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            io::Write::write_all(&mut self.0.clone(), text.as_bytes())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_shows_how_far_its_step_is_and_what_it_is_at() {
        let shapes = [
            (
                3_u64 << 20,
                12_u64 << 20,
                Unit::Bytes,
                "[=======>                      ] 3.00 MiB of 12.00 MiB",
            ),
            (3 << 20, 0, Unit::Bytes, "apply-logs  3.00 MiB  mgc_7.trn"),
            (
                4,
                8,
                Unit::Files,
                "[===============>              ] 4 of 8 files",
            ),
            (4, 0, Unit::Files, "apply-logs  4 files  mgc_7.trn"),
            (50, 100, Unit::Percent, "] 50 %  mgc_7.trn"),
            (0, 0, Unit::Waiting, "apply-logs  mgc_7.trn"),
        ];
        for (done, total, unit, shown) in shapes {
            let paper = Paper::default();
            let target = ProgressDrawTarget::term_like(Box::new(Screen(paper.clone())));
            let mut bars = Bars::new(target);
            bars.show(&Progress {
                step: "apply-logs".to_owned(),
                done,
                total,
                unit,
                detail: "mgc_7.trn".to_owned(),
            });
            bars.suspend(|| ());
            let text = paper.text();
            assert!(text.contains(shown), "{unit:?}: {text}");
            bars.end("apply-logs");
            assert!(bars.by_step.is_empty());
        }
    }

    #[test]
    fn every_template_is_valid() {
        for unit in [Unit::Bytes, Unit::Files, Unit::Percent, Unit::Waiting] {
            for has_end in [true, false] {
                let template = template((unit, has_end));
                assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
            }
        }
    }
}
