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
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
const NOWHERE: u32 = u32::MAX;

/// The canonical stream of `plain`, if it is shorter than `plain` and `plain` has at most [`PLAIN_MAX`] bytes.
/// Otherwise the content is to be stored.
pub fn deflate(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() > PLAIN_MAX {
        return None;
    }
    let mut bits = Bits::default();
    bits.write(0b1, 1); // the final block
    bits.write(0b01, 2); // fixed codes
    let mut latest = vec![NOWHERE; 1 << 16];
    let mut at = 0;
    while let Some(&byte) = plain.get(at) {
        let length = match slot(plain, at).map(|slot| latest[slot]) {
            Some(earlier) if earlier != NOWHERE && at - earlier as usize <= WINDOW => {
                let length = agreement(&plain[earlier as usize..], &plain[at..]);
                if length >= SHORTEST {
                    bits.match_(length, at - earlier as usize);
                    length
                } else {
                    bits.symbol(u16::from(byte));
                    1
                }
            }
            _ => {
                bits.symbol(u16::from(byte));
                1
            }
        };
        for passed in at..at + length {
            if let Some(slot) = slot(plain, passed) {
                latest[slot] = passed as u32;
            }
        }
        at += length;
        if bits.bytes.len() >= plain.len() {
            return None;
        }
    }
    bits.symbol(256); // the block's end
    let stream = bits.finish();
    (stream.len() < plain.len()).then_some(stream)
}

fn slot(plain: &[u8], at: usize) -> Option<usize> {
    let [a, b, c] = *plain.get(at..)?.first_chunk::<3>()?;
    let key = u32::from_be_bytes([0, a, b, c]);
    Some((key.wrapping_mul(2_654_435_769) >> 16) as usize)
}

fn agreement(earlier: &[u8], here: &[u8]) -> usize {
    here.iter()
        .zip(earlier)
        .take(LONGEST)
        .take_while(|(a, b)| a == b)
        .count()
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

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    /// Appends the lowest `count` bits of `value` (at most 16), the least significant first.
    fn write(&mut self, value: u32, count: u32) {
        self.pending |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Appends a Huffman code, which goes the most significant bit first.
    fn code(&mut self, code: u32, count: u32) {
        self.write(code.reverse_bits() >> (32 - count), count);
    }

    /// Appends a literal, the end of the block, or a length's code (RFC 1951, 3.2.6).
    fn symbol(&mut self, symbol: u16) {
        let symbol = u32::from(symbol);
        match symbol {
            0..=143 => self.code(0x30 + symbol, 8),
            144..=255 => self.code(0x190 + symbol - 144, 9),
            256..=279 => self.code(symbol - 256, 7),
            _ => self.code(0xC0 + symbol - 280, 8),
        }
    }

    fn match_(&mut self, length: usize, distance: usize) {
        let length = length as u16;
        let index = LENGTHS.partition_point(|&(first, _)| first <= length) - 1;
        let (first, extra) = LENGTHS[index];
        self.symbol(257 + index as u16);
        self.write(u32::from(length - first), u32::from(extra));

        // Each distance code from 2 on covers half of a power of two.
        let back = distance as u32 - 1;
        if back < 2 {
            self.code(back, 5);
        } else {
            let extra = back.ilog2() - 1;
            self.code(2 * extra + (back >> extra), 5);
            self.write(back & ((1 << extra) - 1), extra);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}
