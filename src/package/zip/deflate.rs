//! One canonical DEFLATE stream for each content.
//!
//! DEFLATE (RFC 1951) leaves the encoder free, and leaves bits unused; so of one content there are many valid streams, and a
//! changed bit in one can go unseen. A reader that wants each bit accounted for must know *the* stream. This
//! one is small enough to write down and quick enough to compute anew when reading; any inflater
//! reads it.
//!
//! The stream is one final block with fixed Huffman codes, then zero bits up to the byte. It is found
//! from left to right. At position `p` with at least three bytes left:
//!
//! 1. `slot(p)` = the upper 16 bits of the 32-bit product of `b[p]·2^16 + b[p+1]·2^8 + b[p+2]` and 2,654,435,769.
//! 2. The candidate is the latest position before `p` with the same slot, if any.
//! 3. If it is at most 32,768 back and agrees in three bytes or more, a match is written: as long as the two agree, at
//!    most 258, with the distance to the candidate. The next position is behind the match.
//!
//! Otherwise, and for the last two bytes, the byte is written as a literal. Positions inside matches count as candidates too.
//! A length of 258 is code 285.
//!
//! Fixed codes and a single candidate cost some size against a thorough encoder. What is large and
//! worth squeezing (PDF) is compressed already.

/// Greatest content that is deflated, bytes; longer ones are stored. It bounds the memory of a reader, which
/// holds content and stream of one entry at a time.
pub const PLAIN_MAX: usize = 1024 * 1024;

const WINDOW: usize = 32_768;
const SLOTS: usize = 1 << 16;
const SHORTEST: usize = 3;
const LONGEST: usize = 258;

/// The canonical stream of `plain`, as [`Codec::deflate`] gives it.
pub fn deflate(plain: &[u8]) -> Option<Vec<u8>> {
    Codec::default().deflate(plain).map(<[u8]>::to_vec)
}

/// Writes and reads canonical streams. One serves many contents, one after another: its table is not cleared between them.
#[derive(Debug)]
pub struct Codec {
    /// By slot the latest position, plus one and plus `base`; what is not above `base` is of an earlier content.
    latest: Box<[u32; SLOTS]>,
    base: u32,
    stream: Bits,
}

impl Default for Codec {
    fn default() -> Self {
        Self { latest: Box::new([0; SLOTS]), base: 0, stream: Bits::default() }
    }
}

impl Codec {
    /// The canonical stream of `plain`, if it is shorter than `plain` and `plain` has at most [`PLAIN_MAX`] bytes.
    /// Otherwise the content is to be stored.
    pub fn deflate(&mut self, plain: &[u8]) -> Option<&[u8]> {
        if plain.len() > PLAIN_MAX {
            return None;
        }
        self.fresh();
        let bits = &mut self.stream;
        bits.write((0b011, 3)); // the final block, with fixed codes
        let mut rest = plain;
        while let Some(byte) = rest.first() {
            let at = plain.len() - rest.len();
            let here = self.base + at as u32 + 1;
            let mut length = 1;
            let earlier = slot(rest).map_or(0, |slot| std::mem::replace(&mut self.latest[slot], here));
            let distance = (here - earlier) as usize;
            if earlier > self.base
                && distance <= WINDOW
                && let agreed = agreement(&plain[at - distance..], rest)
                && agreed >= SHORTEST
            {
                bits.match_(agreed, distance);
                length = agreed;
                for passed in 1..agreed {
                    if let Some(slot) = slot(&rest[passed..]) {
                        self.latest[slot] = here + passed as u32;
                    }
                }
            } else {
                bits.write(LITERAL_BITS[usize::from(*byte)]);
            }
            rest = &rest[length..];
            if bits.bytes.len() >= plain.len() {
                break;
            }
        }
        self.base += plain.len() as u32;
        bits.write(code(256)); // the block's end
        bits.flush();
        (bits.bytes.len() < plain.len()).then_some(&self.stream.bytes)
    }

    /// The stream that [`Codec::deflate`] made last.
    pub fn stream(&self) -> &[u8] {
        &self.stream.bytes
    }

    /// The content of `size` bytes of which `stream` is the canonical stream, if it is.
    pub fn inflate(&mut self, stream: &[u8], size: usize) -> Option<Vec<u8>> {
        let plain = inflate(stream, Some(size).filter(|size| *size <= PLAIN_MAX)?)?;
        (self.deflate(&plain)? == stream).then_some(plain)
    }

    fn fresh(&mut self) {
        self.stream.clear();
        if self.base > u32::MAX - 2 * PLAIN_MAX as u32 {
            self.latest.fill(0);
            self.base = 0;
        }
    }
}

fn slot(here: &[u8]) -> Option<usize> {
    let [a, b, c] = *here.first_chunk::<3>()?;
    let key = u32::from_be_bytes([0, a, b, c]);
    Some(usize::from((key.wrapping_mul(2_654_435_769) >> 16) as u16))
}

fn agreement(earlier: &[u8], here: &[u8]) -> usize {
    let (here, earlier) = (&here[..here.len().min(LONGEST)], &earlier[..here.len().min(LONGEST)]);
    here.iter().zip(earlier).position(|(a, b)| a != b).unwrap_or(here.len())
}

/// First length of each code from 257 on, and the extra bits it takes (RFC 1951, 3.2.5).
const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// First distance of each code, and the extra bits it takes (RFC 1951, 3.2.5): each code from 2 on covers half of a power of two.
const DISTANCES: [(u32, u32); 30] = {
    let mut table = [(1, 0); 30];
    let mut code = 1;
    while code < 30 {
        let (first, extra) = table[code - 1];
        table[code] = (first + (1 << extra), (code as u32).saturating_sub(2) / 2);
        code += 1;
    }
    table
};

/// The fixed code of a symbol (RFC 1951, 3.2.6), in the order in which its bits are written, and its length.
const fn code(symbol: u32) -> (u32, u32) {
    let (code, length) = match symbol {
        0..=143 => (0x30 + symbol, 8),
        144..=255 => (0x190 + symbol - 144, 9),
        256..=279 => (symbol - 256, 7),
        _ => (0xC0 + symbol - 280, 8),
    };
    (code.reverse_bits() >> (32 - length), length)
}

/// Code and extra bits of a length, by length − 3.
const LENGTH_BITS: [(u32, u32); LONGEST - SHORTEST + 1] = {
    let mut table = [(0, 0); LONGEST - SHORTEST + 1];
    let mut index = 0;
    while index < LENGTHS.len() {
        let (first, extra) = LENGTHS[index];
        let (code, bits) = code(257 + index as u32);
        let mut more = 0;
        // 258 is written twice: its own code, the last, stays.
        while more < 1 << extra {
            table[first as usize + more - SHORTEST] = (code | (more as u32) << bits, bits + extra as u32);
            more += 1;
        }
        index += 1;
    }
    table
};
const LITERAL_BITS: [(u32, u32); 256] = {
    let mut table = [(0, 0); 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = code(byte as u32);
        byte += 1;
    }
    table
};
/// Symbol and length of the code that the next nine bits begin with.
const SYMBOLS: [(u16, u8); 512] = {
    let mut table = [(0, 0); 512];
    let mut symbol = 0;
    while symbol < 288 {
        let (code, length) = code(symbol);
        let mut bits = code;
        while bits < 512 {
            table[bits as usize] = (symbol as u16, length as u8);
            bits += 1 << length;
        }
        symbol += 1;
    }
    table
};

#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn clear(&mut self) {
        self.bytes.clear();
        (self.pending, self.count) = (0, 0);
    }

    /// Appends the lowest `count` bits of `value` (at most 32), the least significant first; no others are set.
    fn write(&mut self, (value, count): (u32, u32)) {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    fn match_(&mut self, length: usize, distance: usize) {
        self.write(LENGTH_BITS[length - SHORTEST]);
        let back = distance as u32 - 1;
        let code = if back < 2 { back } else { 2 * (back.ilog2() - 1) + (back >> (back.ilog2() - 1)) };
        let (first, extra) = DISTANCES[code as usize];
        let code = code.reverse_bits() >> 27;
        self.write((code | (distance as u32 - first) << 5, 5 + extra));
    }

    fn flush(&mut self) {
        let left = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..left]);
        (self.pending, self.count) = (0, 0);
    }
}

/// What one block of fixed codes holds, if it holds `size` bytes and ends with the stream. Which of the many streams of its content
/// it is, is not asked.
fn inflate(stream: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bits = Reading { rest: stream, pending: 0, count: 0 };
    let mut plain = Vec::with_capacity(size);
    if bits.take(3)? != 0b011 {
        return None;
    }
    loop {
        bits.refill();
        let (symbol, length) = SYMBOLS[bits.pending as usize & 511];
        bits.take(length.into())?;
        let index = match symbol {
            0..256 if plain.len() < size => {
                plain.push(symbol as u8);
                continue;
            }
            256 => break,
            257.. => usize::from(symbol) - 257,
            _ => return None,
        };
        let (first, extra) = *LENGTHS.get(index)?;
        let length = usize::from(first) + bits.take(extra.into())? as usize;
        bits.refill();
        let (first, extra) = *DISTANCES.get((bits.take(5)?.reverse_bits() >> 27) as usize)?;
        let distance = (first + bits.take(extra)?) as usize;
        let from = plain.len().checked_sub(distance)?;
        if plain.len() + length > size {
            return None;
        }
        if distance >= length {
            plain.extend_from_within(from..from + length);
        } else {
            (from..from + length).for_each(|at| plain.push(plain[at]));
        }
    }
    (bits.rest.is_empty() && bits.count < 8 && plain.len() == size).then_some(plain)
}

struct Reading<'a> {
    rest: &'a [u8],
    pending: u64,
    count: u32,
}

impl Reading<'_> {
    /// Makes 32 bits ready, if there are as many.
    fn refill(&mut self) {
        while self.count < 32
            && let Some((next, rest)) = self.rest.split_first()
        {
            self.pending |= u64::from(*next) << self.count;
            self.count += 8;
            self.rest = rest;
        }
    }

    /// The next bits, at most 13.
    fn take(&mut self, count: u32) -> Option<u32> {
        if self.count < count {
            self.refill();
        }
        self.count = self.count.checked_sub(count)?;
        let bits = self.pending as u32 & ((1 << count) - 1);
        self.pending >>= count;
        Some(bits)
    }
}
