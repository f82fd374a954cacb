//! What may stand together in one archive: asked by reader and writer alike, entry by entry.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{DosTime, Entry, Limits, ZipFault};
use crate::msg;

/// The entries admitted so far, as far as later ones must be compared with them.
pub(super) struct Census {
    limits: Limits,
    /// Each name by its folded form.
    names: BTreeMap<Vec<u8>, String>,
    modified: Option<DosTime>,
}

impl Census {
    pub(super) fn new(limits: Limits) -> Census {
        Census { limits, names: BTreeMap::new(), modified: None }
    }

    /// Admits the next entry, whose name has passed [`check_name`], or says which rule it breaks; then nothing has changed.
    pub(super) fn admit(&mut self, entry: &Entry) -> Result<(), ZipFault> {
        let name = || shown(entry.name.as_bytes());
        let count = self.names.len().saturating_add(1);
        check_count(count, &self.limits)?;
        if entry.size > self.limits.file {
            return Err(ZipFault::TooLarge { name: name(), size: entry.size, limit: self.limits.file });
        }
        if self.modified.is_some_and(|first| first != entry.modified) {
            return Err(ZipFault::Time { name: name() });
        }
        let folded = folded(&entry.name);
        if let Some(other) = self.clash(&entry.name, &folded) {
            return Err(ZipFault::Clash { name: name(), other: other.to_owned() });
        }
        self.names.insert(folded, entry.name.clone());
        self.modified = Some(entry.modified);
        Ok(())
    }

    /// An admitted name that `name` cannot stand beside. Any such name is a neighbour in folded order, since the
    /// separator sorts first: whatever shares a folder or is one lies in one run.
    fn clash(&self, name: &str, folded: &[u8]) -> Option<&str> {
        let before = self.names.range::<[u8], _>((Bound::Unbounded, Bound::Included(folded))).next_back();
        let after = self.names.range::<[u8], _>((Bound::Excluded(folded), Bound::Unbounded)).next();
        [before, after].into_iter().flatten().map(|(_, other)| other.as_str()).find(|other| collide(name, other))
    }
}

/// Refuses a number of entries over the limit.
pub(super) fn check_count(count: usize, limits: &Limits) -> Result<(), ZipFault> {
    if count > limits.entries {
        return Err(ZipFault::TooMany { count, limit: limits.entries });
    }
    Ok(())
}

/// Refuses a name that breaks the rules for a single name.
pub(super) fn check_name(name: &[u8], limits: &Limits) -> Result<(), ZipFault> {
    let refuse = |why| Err(ZipFault::Name { name: shown(name), why });
    if name.is_empty() {
        return refuse(msg!("is empty"));
    }
    if name.len() > limits.name {
        return refuse(msg!("is too long"));
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    if !name.iter().all(allowed) {
        return refuse(msg!("has a character other than A-Z, a-z, 0-9, '.', '_', '-' and '/'"));
    }
    for segment in name.split(|&byte| byte == b'/') {
        match segment.last() {
            None => return refuse(msg!("has an empty segment")),
            // '.' and '..', and what some systems take for the name without the dot
            Some(b'.') => return refuse(msg!("has a segment that ends in '.'")),
            Some(_) => {}
        }
    }
    Ok(())
}

/// A name as messages show it: printable ASCII, of bounded length.
pub(super) fn shown(name: &[u8]) -> String {
    const SHOWN: usize = 255;
    let (head, cut) = match name.get(..SHOWN) {
        Some(head) if name.len() > SHOWN => (head, "..."),
        _ => (name, ""),
    };
    format!("{}{cut}", head.escape_ascii())
}

/// In lower case, with a separator that sorts before all other bytes.
fn folded(name: &str) -> Vec<u8> {
    name.bytes()
        .map(|byte| match byte {
            b'/' => 0,
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether a file system that ignores case would take one for the other, or for a folder of the other, or would
/// merge two folders that are spelled differently.
fn collide(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return a.eq_ignore_ascii_case(b),
            (None, _) | (_, None) => return true,
        }
    }
}
