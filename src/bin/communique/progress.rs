//! Progress of long transfers, on standard error, for people alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that shows bytes moved; nothing where nobody looks.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over so many bytes. What is written here is the tool's own wording or was made safe to show.
    pub fn new(what: &str, bytes: u64, shown: bool) -> Self {
        // indicatif draws nothing where standard error is no terminal.
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target)
            .with_message(communique::domain::text::escape_line(what));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }
    /// So many bytes in all have been moved.
    pub fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
