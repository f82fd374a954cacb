//! How far an act has come: what is said when it is interrupted.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use communique::msg;

use crate::errors::Failure;

const ELSEWHERE: u8 = 0;
const ASKS: u8 = 1;
const SENDS: u8 = 2;
const COPIES: u8 = 3;

/// Shared by the command, which moves it on, and by who hears the interruption.
#[derive(Clone, Default)]
pub struct Stage(Arc<AtomicU8>);

impl Stage {
    /// Something is read, shown and asked: nothing leaves this machine.
    pub fn asks(&self) {
        self.0.store(ASKS, Ordering::SeqCst);
    }
    /// What was signed is on its way.
    pub fn sends(&self) {
        self.0.store(SENDS, Ordering::SeqCst);
    }
    /// Something is copied to this machine, and is gone on with later.
    pub fn copies(&self) {
        self.0.store(COPIES, Ordering::SeqCst);
    }
    /// It has its answer.
    pub fn ends(&self) {
        self.0.store(ELSEWHERE, Ordering::SeqCst);
    }
    /// What an interruption comes to.
    pub fn interrupted(&self) -> Failure {
        match self.0.load(Ordering::SeqCst) {
            ASKS => Failure::interrupted_while(msg!("interrupted: nothing was signed, and nothing was sent")),
            SENDS => Failure::interrupted_while(msg!(
                "interrupted while it was being sent: it is not known whether the exchange has it; the same command finds out, and sends the same bytes again, which is safe"
            )),
            COPIES => Failure::interrupted_while(msg!("interrupted; the same command goes on where it stopped")),
            _ => Failure::interrupted(),
        }
    }
}
