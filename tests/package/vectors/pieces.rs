//! Long texts in the vectors: what stands in them again and again is written once.

use serde::{Serialize as _, Serializer};

/// A text of more bytes is a list of pieces, each with how often it stands in a row.
const PLAIN: usize = 4096;
/// The longest piece that is looked for, in characters: a digest, its quotation marks and a comma.
const LONGEST: usize = 67;
/// The fewest repeated characters that are worth a piece.
const FEWEST: usize = 48;

pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.len() > PLAIN { pieces(text).serialize(serializer) } else { serializer.serialize_str(text) }
}

fn pieces(text: &str) -> Vec<(String, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let mut pieces = vec![];
    let (mut at, mut plain) = (0, 0);
    let piece = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    while at < chars.len() {
        let again = |length: &usize| {
            let unit = chars.get(at..at + length)?;
            let times = chars[at..].chunks(*length).take_while(|chunk| chunk == &unit).count();
            (times > 1 && times * length >= FEWEST).then_some((*length, times))
        };
        let Some((length, times)) = (1..=LONGEST).find_map(|length| again(&length)) else {
            at += 1;
            continue;
        };
        if plain < at {
            pieces.push((piece(plain, at), 1));
        }
        pieces.push((piece(at, at + length), times));
        at += length * times;
        plain = at;
    }
    if plain < at {
        pieces.push((piece(plain, at), 1));
    }
    let whole = pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect::<String>();
    assert!(whole == text);
    pieces
}
