//! Changes of an archive's bytes: of any of them, of one field of its headers, of how its files lie.

use std::io::Write as _;

use flate2::{Compression, write::DeflateEncoder};

use super::{Dice, words};

const LOCAL: usize = 30;
const CENTRAL: usize = 46;
const END: usize = 22;

/// The fields of a local header, by offset and length. In the central one they stand two bytes further.
const SHARED: [(usize, usize); 10] =
    [(4, 2), (6, 2), (8, 2), (10, 2), (12, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)];
/// The fields that the central header alone has.
const OWN: [(usize, usize); 7] = [(0, 4), (4, 2), (32, 2), (34, 2), (36, 2), (38, 4), (42, 4)];
/// The fields of the end record.
const ENDING: [(usize, usize); 8] = [(0, 4), (4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)];

/// One file with both of its headers.
#[derive(Clone)]
struct File {
    local: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    central: Vec<u8>,
    central_name: Vec<u8>,
}

/// An archive in pieces.
struct Pieces {
    files: Vec<File>,
    end: Vec<u8>,
}

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    (0..length).rev().fold(0, |n, i| n << 8 | usize::from(bytes[at + i]))
}

fn put(bytes: &mut [u8], at: usize, length: usize, value: usize) {
    for i in 0..length {
        bytes[at + i] = (value >> (8 * i)) as u8;
    }
}

impl Pieces {
    /// Takes an archive of the strict form to pieces.
    fn of(zip: &[u8]) -> Self {
        let end = zip[zip.len() - END..].to_vec();
        let mut at = number(&end, 16, 4);
        let mut files = vec![];
        for _ in 0..number(&end, 10, 2) {
            let central = zip[at..at + CENTRAL].to_vec();
            let length = number(&central, 28, 2);
            let name = zip[at + CENTRAL..at + CENTRAL + length].to_vec();
            at += CENTRAL + length;
            let start = number(&central, 42, 4);
            let data = start + LOCAL + length;
            files.push(File {
                local: zip[start..start + LOCAL].to_vec(),
                data: zip[data..data + number(&central, 20, 4)].to_vec(),
                central_name: name.clone(),
                name,
                central,
            });
        }
        Self { files, end }
    }

    /// Puts it together again, with offsets and numbers that fit.
    fn together(mut self) -> Vec<u8> {
        let (mut zip, mut directory) = (vec![], vec![]);
        for file in &mut self.files {
            put(&mut file.central, 42, 4, zip.len());
            [&file.local, &file.name, &file.data].into_iter().for_each(|piece| zip.extend_from_slice(piece));
            [&file.central, &file.central_name].into_iter().for_each(|piece| directory.extend_from_slice(piece));
        }
        let count = self.files.len();
        for (at, length, value) in [(8, 2, count), (10, 2, count), (12, 4, directory.len()), (16, 4, zip.len())] {
            put(&mut self.end, at, length, value);
        }
        zip.extend(directory);
        zip.extend(self.end);
        zip
    }
}

impl File {
    fn both(&mut self, at: usize, length: usize, value: usize) {
        put(&mut self.local, at, length, value);
        put(&mut self.central, at + 2, length, value);
    }
    /// Holds these contents, in this form.
    fn holds(&mut self, method: usize, plain: &[u8], data: Vec<u8>) {
        self.both(8, 2, method);
        self.both(14, 4, crc32fast::hash(plain) as usize);
        self.both(18, 4, data.len());
        self.both(22, 4, plain.len());
        self.data = data;
    }
    fn renamed(&mut self, name: String) {
        self.both(26, 2, name.len());
        self.name = name.into_bytes();
        self.central_name.clone_from(&self.name);
    }
}

/// Another value for a field.
fn another(value: usize, length: usize, dice: &mut Dice) -> usize {
    let most = (1_usize << (8 * length)) - 1;
    match dice.below(6) {
        0 => value.wrapping_add(1) & most,
        1 => value.wrapping_sub(1) & most,
        2 => value ^ 1 << dice.below(8 * length),
        3 => most,
        4 => 0,
        _ => dice.next() as usize & most,
    }
}

/// Another archive, and how it differs.
pub fn changed(zip: &[u8], dice: &mut Dice) -> (String, Vec<u8>) {
    if dice.one_in(3) {
        return words::of_bytes(zip, dice);
    }
    let mut pieces = Pieces::of(zip);
    let (at, to) = (dice.below(pieces.files.len()), dice.below(pieces.files.len()));
    let name = String::from_utf8_lossy(&pieces.files[at].name).into_owned();
    let file = &mut pieces.files[at];
    let what = match dice.below(17) {
        0 => {
            let (field, length) = *dice.of(&SHARED).unwrap();
            let value = another(number(&file.local, field, length), length, dice);
            put(&mut file.local, field, length, value);
            format!("local field {field} of {name}")
        }
        1 => {
            let (field, length) = *dice.of(&SHARED).unwrap();
            let value = another(number(&file.central, field + 2, length), length, dice);
            put(&mut file.central, field + 2, length, value);
            format!("central field {field} of {name}")
        }
        2 => {
            let (field, length) = *dice.of(&SHARED).unwrap();
            let value = another(number(&file.local, field, length), length, dice);
            file.both(field, length, value);
            format!("field {field} of {name} in both headers")
        }
        3 => {
            let (field, length) = *dice.of(&OWN).unwrap();
            let value = another(number(&file.central, field, length), length, dice);
            let mut zip = pieces.together();
            // After the offsets were made to fit.
            let start = number(&zip, zip.len() - END + 16, 4);
            let place = (start..zip.len()).find(|at| zip[*at..].starts_with(name.as_bytes())).unwrap() - CENTRAL;
            put(&mut zip, place + field, length, value);
            return (format!("central field {field} of {name}"), zip);
        }
        4 => {
            let (field, length) = *dice.of(&ENDING).unwrap();
            let mut zip = pieces.together();
            let start = zip.len() - END + field;
            let value = another(number(&zip, start, length), length, dice);
            put(&mut zip, start, length, value);
            return (format!("field {field} of the end record"), zip);
        }
        5 => {
            pieces.files.swap(at, to);
            format!("files {at} and {to} swapped")
        }
        6 => {
            pieces.files.remove(at);
            format!("{name} removed")
        }
        7 => {
            let again = file.clone();
            pieces.files.insert(to, again);
            format!("{name} twice")
        }
        8 => {
            let new = words::renamed(&name, dice);
            file.renamed(new.clone());
            format!("{name} renamed to {new}")
        }
        9 => {
            let (a, b) = (pieces.files[at].clone(), pieces.files[to].clone());
            for (to, from) in [(at, b), (to, a)] {
                pieces.files[to].holds(0, &from.data, from.data.clone());
            }
            format!("contents of files {at} and {to} swapped")
        }
        10 => {
            let plain = std::mem::take(&mut file.data);
            let mut encoder = DeflateEncoder::new(vec![], Compression::new(dice.below(10) as u32));
            encoder.write_all(&plain).unwrap();
            file.holds(8, &plain, encoder.finish().unwrap());
            format!("{name} deflated")
        }
        11 => {
            let (what, plain) = words::of_bytes(&file.data, dice);
            file.holds(0, &plain, plain.clone());
            format!("{name}: {what}")
        }
        12 => {
            // Contents that the checksum alone holds.
            let bit = dice.below(16);
            let last = file.data.len().saturating_sub(1 + bit / 8);
            if let Some(byte) = file.data.get_mut(last) {
                *byte ^= 1 << (7 - bit % 8);
            }
            format!("one of the last bits of {name}")
        }
        13 => {
            let extra = [dice.byte(), dice.byte(), 0, 0];
            for (header, name, field) in
                [(&mut file.local, &mut file.name, 28), (&mut file.central, &mut file.central_name, 30)]
            {
                if dice.one_in(2) {
                    put(header, field, 2, extra.len());
                    name.extend(extra);
                }
            }
            format!("an extra field of {name}")
        }
        14 => {
            put(&mut file.central, 32, 2, 3);
            file.central_name.extend(b"PK!");
            format!("a comment of {name}")
        }
        15 => {
            let comment = 1 + dice.below(40);
            put(&mut pieces.end, 20, 2, comment);
            let mut zip = pieces.together();
            zip.extend((0..comment).map(|_| dice.byte()));
            return ("a comment of the archive".into(), zip);
        }
        _ => {
            let (field, length) = *dice.of(&[(10, 2), (12, 2), (6, 2), (4, 2)]).unwrap();
            let value = another(number(&file.local, field, length), length, dice);
            pieces.files.iter_mut().for_each(|file| file.both(field, length, value));
            format!("field {field} of every file")
        }
    };
    (what, pieces.together())
}
