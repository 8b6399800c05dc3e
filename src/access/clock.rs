//! The time: read here and nowhere else above the doors.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time, on the wall or in a rehearsal.
///
/// Both count on from a beginning with tokio's clock, so that a paused clock moves both; the wall
/// clock is also monotonic that way and never jumps back inside a run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
    wall: std::time::Instant,
    simulated: bool,
}

impl Clock {
    /// The wall clock. Call inside a tokio runtime.
    pub fn wall() -> Self {
        Self {
            base: Timestamp::now(),
            started: Instant::now(),
            wall: std::time::Instant::now(),
            simulated: false,
        }
    }

    /// A clock that begins at `base` and moves with the (paused) runtime's.
    pub fn simulated(base: Timestamp) -> Self {
        Self {
            base,
            started: Instant::now(),
            wall: std::time::Instant::now(),
            simulated: true,
        }
    }

    /// The present moment, UTC.
    pub fn now(&self) -> Timestamp {
        self.base
            .saturating_add(self.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    /// Time since the clock was made.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time since then on the wall, which a paused clock does not move.
    pub fn wall_elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    /// True in a rehearsal.
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }
}
