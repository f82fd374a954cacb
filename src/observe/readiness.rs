//! Whether the exchange takes requests, and why not.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether the exchange takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Ready,
    /// It does not, for the reason given: words of this program, since probes show them to anybody.
    NotReady(&'static str),
}

/// A handle to the one state, cheap to clone. Those who find the service unable to append turn it red: a service that
/// cannot write does not serve.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

impl Readiness {
    /// Not ready yet, because of `reason`.
    pub fn not_yet(reason: &'static str) -> Self {
        Self { state: Arc::new(watch::Sender::new(State::NotReady(reason))) }
    }

    /// Ready from now on.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// Not ready from now on, because of `reason`.
    pub fn not_ready(&self, reason: &'static str) {
        self.set(State::NotReady(reason));
    }

    /// The state now.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Follows the state, for those who must pass it on (the gRPC health service).
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    fn set(&self, state: State) {
        self.state.send_if_modified(|now| std::mem::replace(now, state) != state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_sees_the_change_and_only_changes_wake() {
        let readiness = Readiness::not_yet("starting");
        let other = readiness.clone();
        let mut watcher = readiness.subscribe();
        assert_eq!(other.state(), State::NotReady("starting"));

        readiness.ready();
        assert_eq!(other.state(), State::Ready);
        assert!(watcher.has_changed().unwrap());
        assert_eq!(*watcher.borrow_and_update(), State::Ready);

        other.ready();
        assert!(!watcher.has_changed().unwrap());

        other.not_ready("the log cannot be written");
        assert_eq!(readiness.state(), State::NotReady("the log cannot be written"));
        assert!(watcher.has_changed().unwrap());
    }
}
