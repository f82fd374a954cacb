//! Choices that a seed decides (SplitMix64).

use communique::{app::machine::ThisMachine, exchange::ports::Machine as _};

/// A seed, and what comes of it.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }
    /// From `CRASH_SEED`, or from the machine; said, so that it can be asked for again.
    pub fn seeded(what: &str) -> Self {
        let seed = match std::env::var("CRASH_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => u64::from_be_bytes(ThisMachine.random()[..8].try_into().unwrap()),
        };
        println!("{what}: CRASH_SEED={seed}");
        Self(seed)
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Below this.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
    /// From `least` to `most`, both included.
    pub fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::try_from(self.within(0, among.len() as u64 - 1)).unwrap()]
    }
}
