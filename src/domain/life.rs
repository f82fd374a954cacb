//! The life of a communiqué: state × act → entries or refusal.

use std::{fmt, str::FromStr};

use super::refusal::Refusal;

/// Where a communiqué stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The text is being settled.
    Drafting,
    /// Open for signature.
    Open,
    /// Every party has signed.
    Complete,
    /// Public.
    Published,
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [State::Drafting, State::Open, State::Complete, State::Published];
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drafting => "drafting",
            State::Open => "open",
            State::Complete => "complete",
            State::Published => "published",
        }
    }
}
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for State {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|v| v.as_str() == s)
            .ok_or_else(|| Refusal::malformed("state", "is none of drafting, open, complete, published"))
    }
}
