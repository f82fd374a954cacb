//! Moments: RFC 3339, UTC with `Z`, whole seconds. One moment has one spelling.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::msg;

/// A moment in UTC, to the second, within the years 1970 to 9998.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(i64);

/// The last second of 9998: the year 9999 is not whole in every library.
const LAST: i64 = 253_370_764_799;

impl Time {
    /// The moment so many seconds after 1970 began; held within 1970 … 9998.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST))
    }
    /// Seconds since 1970 began.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0
    }
    /// So many seconds later (earlier, if negative).
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }
    /// Year, month, day, hour, minute, second.
    #[must_use]
    pub fn civil(self) -> (i16, i8, i8, i8, i8, i8) {
        let t = jiff::Timestamp::from_second(self.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
        (t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second())
    }
    /// Parses `2026-11-23T09:00:00Z`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for offsets, fractions, leap seconds, lower case and dates that do not exist.
    pub fn parse(s: &str) -> Result<Self, Refusal> {
        s.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| Self(t.as_second()))
            .filter(|t| (0..=LAST).contains(&t.0) && t.to_string() == s)
            .ok_or_else(|| {
                Refusal::malformed("time", msg!("not a time such as 2026-11-23T09:00:00Z (UTC, whole seconds)"))
            })
    }
}

impl TryFrom<String> for Time {
    type Error = Refusal;
    fn try_from(s: String) -> Result<Self, Refusal> {
        Self::parse(&s)
    }
}
impl FromStr for Time {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        Self::parse(s)
    }
}
impl From<Time> for String {
    fn from(t: Time) -> String {
        t.to_string()
    }
}
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, mo, d, h, mi, s) = self.civil();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
    }
}
impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for good in ["1970-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "2028-02-29T12:00:00Z", "9998-12-31T23:59:59Z"] {
            assert_eq!(Time::parse(good).map(|t| t.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-02-28T23:59:60Z",
            "2026-02-28T23:59:59.0Z",
            "2026-02-28T23:59:59+00:00",
            "2026-02-28t23:59:59z",
            "2026-02-28 23:59:59Z",
            "2026-02-28T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z",
            "2026-02-28T23:59:59",
            "",
        ] {
            assert!(Time::parse(bad).is_err(), "{bad}");
        }
    }
}
