//! Progress of what takes long, on standard error, for people alone: transfers by bytes, audits by entries.

use communique::domain::message::Tell;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{profile, speech};

const BYTES: &str = "{wide_bar} {bytes}/{total_bytes} {msg}";
const ENTRIES: &str = "{wide_bar} {pos}/{len} {msg}";

/// A bar that shows bytes moved, or entries checked; nothing where nobody looks.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over so many bytes.
    pub fn new(what: &(impl Tell + ?Sized), bytes: u64, shown: bool) -> Self {
        Self::on(target(shown), BYTES, what, bytes)
    }
    /// A bar over entries of a log; how many they are is told later ([`Progress::of`]).
    pub fn entries(what: &(impl Tell + ?Sized), shown: bool) -> Self {
        Self::on(target(shown), ENTRIES, what, 0)
    }
    fn on(target: ProgressDrawTarget, template: &str, what: &(impl Tell + ?Sized), all: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(all), target).with_message(speech::shown(&what.message()));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }
    /// So many bytes in all have been moved.
    pub fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
    /// So many are done, of so many.
    pub fn of(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }
    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn target(shown: bool) -> ProgressDrawTarget {
    // indicatif draws nothing where standard error is no terminal.
    let dumb = profile::variable("TERM").is_none_or(|term| term == "dumb");
    if shown && !dumb { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
