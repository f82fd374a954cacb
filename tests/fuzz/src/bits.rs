//! Decisions read from the front of an input. What is not there is zero, so that every input means something.

/// The rest of an input.
pub struct Bits<'a>(pub &'a [u8]);

impl<'a> Bits<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }
    /// One of so many; 0 of none.
    pub fn of(&mut self, many: usize) -> usize {
        let n = if many > 256 { usize::from(self.short()) } else { usize::from(self.byte()) };
        n % many.max(1)
    }
    /// At most so many bytes, as many as the next byte or two say.
    pub fn some(&mut self, most: usize) -> &'a [u8] {
        let wanted = if most > 256 { usize::from(self.short()) } else { usize::from(self.byte()) };
        let (taken, rest) = self.0.split_at(wanted.min(most).min(self.0.len()));
        self.0 = rest;
        taken
    }
    pub fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(self.some(most)).into_owned()
    }
}
