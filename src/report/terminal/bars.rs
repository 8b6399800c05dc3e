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
        let (bar, shape) = self
            .by_step
            .entry(progress.step.clone())
            .or_insert_with(|| {
                let bar = all.add(ProgressBar::no_length());
                bar.set_prefix(progress.step.clone());
                (bar, None)
            });
        let wanted = (progress.unit, progress.total > 0);
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
    use super::*;

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
