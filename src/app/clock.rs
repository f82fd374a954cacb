//! Whether the machine's clock can be believed. Entries get their times from it, and log time never goes back.
//!
//! No clock can be checked against itself. What is known is that time goes on evenly while the process runs, as the machine's monotonic
//! clock measures it, and about when the exchange last ran: by the log's last entry, and by a file beside the log that is written every
//! minute.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use tokio::time::{Duration, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::machine::ThisMachine;
use crate::{domain::time::Time, exchange::ports::Machine};

/// How far the clock may leap while the exchange runs, in seconds: more than whoever keeps a clock corrects at once, and less than
/// any deadline is about.
const LEAP_SECONDS: i64 = 60;
/// How often the clock is looked at for the operator's log.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// At how many looks the time is kept in the file.
const LOOKS: u32 = 60;
/// Largest file that is read, in bytes. A larger one is some other file.
const FILE_LIMIT: usize = 64;
const DAY: i64 = 86_400;
/// How long the clock is held against what it showed once.
const ANCHORED: Duration = Duration::from_secs(86_400);

/// The machine of an exchange that is served.
pub(super) struct Clock {
    /// What the clock showed at the start, or a day at most before, and the monotonic one.
    begun: Mutex<(Time, Instant)>,
    /// When the exchange last ran, if that is too long ago to believe what the clock shows.
    ran: OnceLock<Time>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { begun: Mutex::new((ThisMachine.now(), Instant::now())), ran: OnceLock::new() }
    }
    /// Takes up when the exchange last ran: by its log's last entry, and by the file. A clock that has gone on by more than so many
    /// days since is not believed.
    pub(super) fn take_up(&self, last: Option<Time>, path: &Path, days: u64) {
        let kept = read(path).unwrap_or_else(|error| {
            warn!(path = %path.display(), %error, "when the exchange last ran cannot be read; the log's last entry tells");
            None
        });
        let Some(ran) = last.max(kept) else { return };
        let most = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY);
        if self.begun().0.unix().saturating_sub(ran.unix()) > most {
            let _ = self.ran.set(ran);
        }
    }
    fn begun(&self) -> (Time, Instant) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Once a day of a clock that is believed, what it shows is taken up anew: the small steps by which it is kept, and pauses of a
    /// virtual machine, must not add up for ever.
    fn go_on(&self, now: Time) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.1.elapsed() >= ANCHORED {
            *begun = (now, Instant::now());
        }
    }
    fn suspect_at(&self, now: Time, passed: Duration) -> Option<Time> {
        let expected = self.begun().0.plus(i64::try_from(passed.as_secs()).unwrap_or(i64::MAX));
        let leapt = now.unix().abs_diff(expected.unix()) > LEAP_SECONDS.unsigned_abs();
        if leapt { Some(expected) } else { self.ran.get().copied() }
    }
}

impl Machine for Clock {
    fn now(&self) -> Time {
        ThisMachine.now()
    }
    fn random(&self) -> [u8; 32] {
        ThisMachine.random()
    }
    fn suspect(&self) -> Option<Time> {
        self.suspect_at(ThisMachine.now(), self.begun().1.elapsed())
    }
}

/// Tells the operator when the clock is no longer believed, and when it is again; keeps the time in the file while it is.
pub(super) async fn follow(clock: Arc<Clock>, path: Arc<Path>, stop: CancellationToken) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut looks) = (None, 0);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (now, suspect) = (clock.now(), clock.suspect());
        match (before, suspect) {
            (None, Some(expected)) => error!(
                %now, %expected,
                "the clock cannot be believed: nothing is written; set it, and start the exchange anew, with --accept-clock if it is right"
            ),
            (Some(_), None) => info!(%now, "the clock is believed again"),
            _ => {}
        }
        before = suspect;
        if suspect.is_none() {
            clock.go_on(now);
        }
        if looks % LOOKS == 0 && suspect.is_none() {
            let path = path.clone();
            let kept = tokio::task::spawn_blocking(move || keep(&path, now)).await;
            if let Err(error) = kept.unwrap_or_else(|error| Err(io::Error::other(error))) {
                error!(%error, "the time was not kept; it is tried again");
            }
        }
        looks = looks.wrapping_add(1);
    }
}

/// Writes the file whole or not at all. One that is lost in a power cut says too little, and never too much.
fn keep(path: &Path, now: Time) -> io::Result<()> {
    let new = path.with_extension("clock.new");
    fs::write(&new, format!("{now}\n"))?;
    fs::rename(&new, path)
}

fn read(path: &Path) -> io::Result<Option<Time>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = std::str::from_utf8(bytes.get(..FILE_LIMIT.min(bytes.len())).unwrap_or_default());
    let time = text.ok().and_then(|text| text.trim_end().parse().ok());
    time.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it holds no time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEARS: i64 = 5 * 365 * DAY;

    fn clock(at: Time) -> Clock {
        Clock { begun: Mutex::new((at, Instant::now())), ..Clock::start() }
    }

    #[test]
    fn a_clock_that_leaps_is_not_believed_until_it_is_back() {
        let begun = Time::from_unix(1_790_000_000);
        let clock = clock(begun);
        let hour = Duration::from_secs(3600);
        let expected = begun.plus(3600);
        for (off, suspect) in [
            (0, None),
            (LEAP_SECONDS, None),
            (-LEAP_SECONDS, None),
            (LEAP_SECONDS + 1, Some(expected)),
            (-LEAP_SECONDS - 1, Some(expected)),
            (YEARS, Some(expected)),
            (-YEARS, Some(expected)),
            (0, None),
        ] {
            assert_eq!(clock.suspect_at(expected.plus(off), hour), suspect, "{off}");
        }
    }

    #[test]
    fn small_steps_do_not_add_up_for_ever() {
        let begun = Time::from_unix(1_790_000_000);
        let Some(yesterday) = Instant::now().checked_sub(ANCHORED) else { return };
        let clock = Clock { begun: Mutex::new((begun, yesterday)), ..Clock::start() };
        let now = begun.plus(DAY + LEAP_SECONDS);
        assert_eq!(clock.suspect_at(now, ANCHORED), None);
        clock.go_on(now);
        assert_eq!(clock.suspect_at(now.plus(LEAP_SECONDS), Duration::ZERO), None);
        // Before the day is over it stays as it is.
        clock.go_on(now.plus(LEAP_SECONDS));
        assert_eq!(clock.begun().0, now);
    }

    #[test]
    fn a_clock_that_has_gone_on_too_far_since_the_exchange_ran_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.clock");
        let ran = Time::from_unix(1_790_000_000);
        let suspect = |at: Time, last, days| {
            let clock = clock(at);
            clock.take_up(last, &path, days);
            clock.suspect_at(at, Duration::ZERO)
        };
        assert_eq!(suspect(ran.plus(YEARS), None, 7), None, "nothing is known");
        for (off, days, expected) in [
            (0, 7, None),
            (7 * DAY, 7, None),
            (7 * DAY + 1, 7, Some(ran)),
            (YEARS, 7, Some(ran)),
            (YEARS, 365 * 6, None),
            (YEARS, u64::MAX, None),
            // Behind the log, which the log itself tells.
            (-YEARS, 7, None),
        ] {
            assert_eq!(suspect(ran.plus(off), Some(ran), days), expected, "{off} {days}");
            // The later of the two counts.
            keep(&path, ran).unwrap();
            assert_eq!(suspect(ran.plus(off), Some(ran.plus(-YEARS)), days), expected, "{off} {days}");
            fs::write(&path, b"no time\n").unwrap();
            assert_eq!(suspect(ran.plus(off), Some(ran), days), expected, "{off} {days}");
            fs::remove_file(&path).unwrap();
        }
    }
}
