//! What a mirror notes of each entry of the log: one line, in log order, with its index, its digest and how much of it was shown. An
//! entry that is shown later than it was logged gets a second line, which counts.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use serde_json::Value;

use super::{ENTRIES_LIMIT, at, faulty};
use crate::{
    client::auditing::evidence::word,
    domain::{
        act::ActKind,
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest, PartyId},
    },
    msg,
};

/// Longest line, in bytes.
const LINE_LIMIT: u64 = 512;

/// How much of an entry was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// All of it: it lies among the objects, with what it names.
    Shown(Kind, StreamId),
    /// That it is another party's signature, in escrow.
    Escrowed(CommuniqueId, PartyId, ActKind, u64),
    /// Its digest alone: it is not for this party.
    Hidden,
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub index: u64,
    pub digest: Digest,
    pub seen: Seen,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, digest, .. } = self;
        match &self.seen {
            Seen::Shown(kind, stream) => writeln!(f, "{index} {digest} shown {} {stream}", word(*kind)),
            Seen::Escrowed(id, party, act, revision) => {
                writeln!(f, "{index} {digest} escrowed communique/{id} {party} {} {revision}", act.as_str())
            }
            Seen::Hidden => writeln!(f, "{index} {digest} hidden"),
        }
    }
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.strip_suffix('\n')?.split(' ').collect();
        let (index, digest) = (words.first()?.parse().ok()?, Digest::parse(words.get(1)?).ok()?);
        let seen = match *words.get(2..)? {
            ["hidden"] => Seen::Hidden,
            ["shown", kind, stream] => {
                Seen::Shown(serde_json::from_value(Value::String(kind.into())).ok()?, stream.parse().ok()?)
            }
            ["escrowed", stream, party, act, revision] => {
                let StreamId::Communique(id) = stream.parse().ok()? else { return None };
                Seen::Escrowed(id, party.parse().ok()?, act.parse().ok()?, revision.parse().ok()?)
            }
            _ => return None,
        };
        let row = Self { index, digest, seen };
        (row.to_string() == line).then_some(row)
    }
}

/// The lines of the first entries of the log, as many as are asked for if they are there; and how many bytes these are. What follows
/// was not finished.
///
/// # Errors
/// A file that cannot be read, or was changed.
pub(super) fn read(file: &Path, size: u64) -> io::Result<(Vec<Row>, u64)> {
    let opened = match File::open(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((vec![], 0)),
        opened => opened.map_err(|e| at(file, &e))?,
    };
    let changed = |number: u64| {
        faulty(file, msg!("line {number} is not as it was written; `--anew` takes the entries again", number))
    };
    let (mut lines, mut rows, mut end) = (BufReader::new(opened), Vec::<Row>::new(), 0);
    let mut line = String::new();
    for number in 1.. {
        if rows.len() as u64 == size.min(ENTRIES_LIMIT) {
            break;
        }
        line.clear();
        let length = io::Read::take(&mut lines, LINE_LIMIT).read_line(&mut line).map_err(|e| at(file, &e))? as u64;
        if length == 0 {
            break;
        }
        let row = Row::parse(&line).ok_or_else(|| changed(number))?;
        if row.index == rows.len() as u64 {
            rows.push(row);
        } else {
            let before = usize::try_from(row.index).ok().and_then(|index| rows.get_mut(index));
            let before = before.ok_or_else(|| changed(number))?;
            let opens = matches!((&before.seen, &row.seen), (Seen::Escrowed(..), Seen::Shown(..)));
            if !opens || before.digest != row.digest {
                return Err(changed(number));
            }
            *before = row;
        }
        end += length;
    }
    Ok((rows, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("entries");
        let (id, party) = (CommuniqueId::new(1_750_000_000_000, &[1; 10]), PartyId::parse("south").unwrap());
        let digest = |n: u8| Digest::of(&[n]);
        let shown = |index, n| Row { index, digest: digest(n), seen: Seen::Shown(Kind::Act, StreamId::Communique(id)) };
        let escrowed = Row { index: 1, digest: digest(1), seen: Seen::Escrowed(id, party, ActKind::Sign, 2) };
        let hidden = Row { index: 2, digest: digest(2), seen: Seen::Hidden };
        let written = [shown(0, 0), escrowed.clone(), hidden.clone(), shown(1, 1), shown(3, 3)];
        let text = written.iter().map(ToString::to_string).collect::<String>();
        let kept = |text: &str, size| {
            std::fs::write(&file, text).unwrap();
            read(&file, size).map(|(rows, end)| (rows, usize::try_from(end).unwrap()))
        };
        let all = vec![shown(0, 0), shown(1, 1), hidden.clone(), shown(3, 3)];
        assert_eq!(kept(&text, 4).unwrap(), (all.clone(), text.len()));
        // What came after the entries asked for was not finished: cut anywhere, or whole.
        let third = written[..3].iter().map(|row| row.to_string().len()).sum();
        for cut in third..=text.len() {
            assert_eq!(kept(&text[..cut], 3).unwrap(), (written[..3].to_vec(), third), "{cut}");
        }
        let second = shown(0, 0).to_string().len() + escrowed.to_string().len();
        assert_eq!(kept(&text, 2).unwrap(), (vec![shown(0, 0), escrowed], second));
        assert_eq!(kept(&text[..second - 1], 2).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidData));
        for (from, to) in [("hidden", "hiddeN"), ("2 ", "3 "), ("south", "sou th"), ("shown act", "shown  act")] {
            assert!(kept(&text.replacen(from, to, 1), 4).is_err(), "{from}");
        }
        // Nothing but what lay in escrow is shown later, and it is the same entry.
        assert!(kept(&text.replace(&shown(1, 1).to_string(), &shown(2, 2).to_string()), 4).is_err());
        assert!(kept(&text.replace(&shown(1, 1).to_string(), &shown(1, 9).to_string()), 4).is_err());
        assert_eq!(read(&dir.path().join("absent"), 4).unwrap(), (vec![], 0));
    }
}
