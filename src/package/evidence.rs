//! What a package shows of the log beside its content: a proof for every entry, all under one head that the log signed and
//! witnesses cosigned, and perhaps a time stamp. `data/` does not depend on any of it.

use std::collections::BTreeMap;

use super::check::{Check, Failure};
use crate::{
    domain::{
        id::{Digest, PartyId},
        json::INTEGER_LIMIT,
        message::{Message, Tell},
        succession::Standing,
        time::Time,
    },
    log::{
        Fault,
        checkpoint::{Head, Log, Unverified},
        cosignature::Cosigner,
        note::SignatureLine,
        proof::{Path, Proof},
        tree::{Hash, verify_inclusion},
    },
    msg,
};

/// Largest proof of a package, in bytes: 63 hashes, a head with names of 255 bytes, and a cosignature by each of 64 parties fit.
pub const PROOF_LIMIT: usize = 32 << 10;
/// Largest time stamp of a package, in bytes.
pub const STAMP_LIMIT: usize = 64 << 10;
/// Most entries that the package of what is corrected, and those below it, show together. The proofs of these fit into the package of what
/// corrects it beside its own. It binds whoever begins a rectification: a package with more is lost.
pub const ORIGINALS_ENTRIES_LIMIT: usize = 16 << 10;

/// What is written into `evidence/` beside the certified copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    head: Head,
    hashes: BTreeMap<u64, Vec<Hash>>,
    stamp: Option<Vec<u8>>,
}

impl Evidence {
    /// Evidence under this head, whose lines are written as they are: [`archived`] makes them what a package may have. `hashes` is the
    /// inclusion proof of each entry by index: of exactly those that
    /// [`Contents::proven`](super::write::Contents::proven) names. `stamp` is a TimeStampResp (RFC 3161) over the `published` entry.
    ///
    /// # Errors
    /// [`Fault::NotInTree`] for an index beyond the head; [`Fault::TooLarge`] for what a package cannot hold, such as a head of more than
    /// [`INTEGER_LIMIT`] entries; [`Fault::Malformed`] for a time stamp of no bytes. Nothing is verified: that takes the entries, and
    /// the writer of packages needs no keys.
    pub fn new(head: Head, hashes: BTreeMap<u64, Vec<Hash>>, stamp: Option<Vec<u8>>) -> Result<Self, Fault> {
        if head.checkpoint().size() > INTEGER_LIMIT {
            return Err(Fault::TooLarge { what: msg!("a tree, in leaves,"), limit: INTEGER_LIMIT });
        }
        let evidence = Self { head, hashes, stamp };
        for index in evidence.hashes.keys() {
            if evidence.proof(*index)?.len() > PROOF_LIMIT {
                return Err(Fault::TooLarge { what: msg!("a proof, in bytes,"), limit: PROOF_LIMIT as u64 });
            }
        }
        match evidence.stamp().map(<[u8]>::len) {
            Some(0) => Err(Fault::Malformed { what: msg!("a time stamp"), problem: msg!("it has no bytes") }),
            Some(bytes) if bytes > STAMP_LIMIT => {
                Err(Fault::TooLarge { what: msg!("a time stamp, in bytes,"), limit: STAMP_LIMIT as u64 })
            }
            _ => Ok(evidence),
        }
    }
    /// The head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }
    /// The indices of the entries that are proven.
    pub fn indices(&self) -> impl Iterator<Item = u64> {
        self.hashes.keys().copied()
    }
    /// The time stamp.
    #[must_use]
    pub fn stamp(&self) -> Option<&[u8]> {
        self.stamp.as_deref()
    }
    /// The text of one proof.
    ///
    /// # Errors
    /// [`Fault::NotInTree`] for an entry that is not proven.
    pub fn proof(&self, index: u64) -> Result<String, Fault> {
        let missing = || Fault::NotInTree { index, size: self.head.checkpoint().size() };
        let hashes = self.hashes.get(&index).ok_or_else(missing)?;
        Proof::new(index, hashes.clone(), self.head.clone()).map(|proof| proof.to_string())
    }
}

/// A head as a package under this charter shows it: with the signature of the charter's log first, then one cosignature by the
/// witness of each party that gave one, and no other line.
///
/// # Errors
/// [`Fault::OtherLog`], [`Fault::Unsigned`] for a head of another log, or that this charter's log key has not signed.
pub fn archived(head: &Head, newest: &Standing) -> Result<Head, Fault> {
    let log = Log::of_charter(&newest.charter().log)?;
    let actual = head.checkpoint().origin();
    if actual != log.origin() {
        return Err(Fault::OtherLog { expected: log.origin().to_string(), actual: actual.to_string() });
    }
    let cosigners: Vec<_> = Cosigner::of_parties(newest).map(|(_, cosigner)| cosigner).collect();
    head.archived(&log, &cosigners)
}

/// What a package shows of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFound {
    /// The log's origin.
    pub origin: String,
    /// How many entries the log had at the head.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// How many witnesses the newest charter wants.
    pub wanted: u64,
    /// Those who cosigned the head, by party.
    pub witnesses: Vec<WitnessFound>,
    /// Whether there is a time stamp. Nothing is said of what is in it.
    pub stamped: bool,
}

/// A party whose witness cosigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessFound {
    /// The party.
    pub party: PartyId,
    /// When, as its witness says.
    pub time: Time,
}

/// The one head of a package, judged from the first of its proofs.
pub(super) struct Shown {
    note: Vec<u8>,
    pub found: LogFound,
}

impl Shown {
    /// Judges what stands behind a proof's path: all up to the log's signature, then the cosignatures.
    fn judge(note: &[u8], newest: &Standing) -> Result<Self, Failure> {
        let refused = |e: Message| Check::LogHead.fails(e);
        let signed = note
            .windows(2)
            .position(|pair| {
                pair == b"

"
            })
            .map_or(0, |at| at.saturating_add(2));
        let rest = note.get(signed..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        let (first, mut rest) = note.split_at_checked(signed + end).unwrap_or((note, &[]));
        let log = Log::of_charter(&newest.charter().log).map_err(|e| refused(e.message()))?;
        let head = Unverified::parse(first).and_then(|head| head.verify(&log)).map_err(|e| refused(e.message()))?;
        if !head.checkpoint().extensions().is_empty() {
            return Err(refused(msg!("the checkpoint has extension lines")));
        }
        // A log may count further; findings, which tell the size, cannot.
        if head.checkpoint().size() > INTEGER_LIMIT {
            return Err(refused(msg!("the tree has more than {limit} leaves", limit = INTEGER_LIMIT)));
        }
        let mut cosigners = Cosigner::of_parties(newest);
        let mut witnesses = vec![];
        while !rest.is_empty() {
            let refused = |e: Message| Check::Witness.fails(e);
            let end = rest.iter().position(|b| *b == b'\n').ok_or_else(|| refused(msg!("a line does not end")))?;
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            let line = std::str::from_utf8(line).map_err(|_| refused(msg!("a line is not UTF-8")))?;
            let line: SignatureLine = line.parse().map_err(|e: Fault| refused(e.message()))?;
            let unknown = || {
                refused(msg!(
                    "{name} is no witness of a party, or stands out of order",
                    name = line.hint().name().as_str()
                ))
            };
            let (party, cosigner) = cosigners.find(|(_, c)| c.hint() == line.hint()).ok_or_else(unknown)?;
            let time = cosigner.moment(head.note().text(), &line).map_err(|e| refused(e.message()))?;
            witnesses.push(WitnessFound { party: party.clone(), time });
        }
        let checkpoint = head.checkpoint();
        let found = LogFound {
            origin: checkpoint.origin().to_string(),
            size: checkpoint.size(),
            root: checkpoint.root(),
            wanted: newest.charter().witnesses,
            witnesses,
            stamped: false,
        };
        Ok(Self { note: note.to_vec(), found })
    }
}

/// Judges the proof of one entry, and the head with the first.
pub(super) fn judge(
    bytes: &[u8],
    (index, entry): (u64, Digest),
    shown: &mut Option<Shown>,
    newest: &Standing,
) -> Result<(), Failure> {
    let refused = |e: Message| Check::LogProof.fails(msg!("entry {index}: {e}", index, e));
    let (path, note) = Path::parse(bytes).map_err(|e| refused(e.message()))?;
    if path.extra.is_some() {
        return Err(refused(msg!("the proof has extra data")));
    }
    if path.index != index {
        return Err(refused(msg!("the proof is of entry {index}", index = path.index)));
    }
    let shown = match shown {
        Some(shown) if shown.note != note => return Err(refused(msg!("the proof is under another checkpoint"))),
        Some(shown) => shown,
        none => none.insert(Shown::judge(note, newest)?),
    };
    let LogFound { size, root, .. } = shown.found;
    verify_inclusion(Hash::of_entry(entry), index, size, root, &path.hashes).map_err(|e| refused(e.message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{charter::PARTIES_LIMIT, key::Signer as _, samples::key},
        log::{
            checkpoint::{Checkpoint, ORIGIN_LIMIT, Origin},
            cosignature::cosign,
            note::{KeyName, NAME_LIMIT},
            tree::INCLUSION_LIMIT,
        },
    };

    fn head(origin: &str, size: u64) -> Head {
        let checkpoint = Checkpoint::new(Origin::parse(origin).unwrap(), size, Hash::of_leaf(b"sample")).unwrap();
        Head::sign(checkpoint, &key("log")).unwrap()
    }

    #[test]
    fn every_lawful_proof_fits() {
        let head = head(&"o".repeat(ORIGIN_LIMIT), INTEGER_LIMIT);
        let line = |n: usize| {
            let (name, witness) = (format!("{}{n:02}", "w".repeat(NAME_LIMIT - 2)), key(&format!("witness {n}")));
            cosign(&head, &KeyName::parse(&name).unwrap(), 253_370_764_799, &witness).unwrap()
        };
        let head = head.clone().with((0..PARTIES_LIMIT).map(line)).unwrap();
        let index = INTEGER_LIMIT - 1;
        let longest = BTreeMap::from([(index, vec![Hash::of_leaf(b""); INCLUSION_LIMIT])]);
        let proof = Evidence::new(head, longest, None).unwrap().proof(index).unwrap();
        assert_eq!((proof.len(), proof.len() <= PROOF_LIMIT), (26_914, true));
    }

    #[test]
    fn evidence_is_refused_that_no_package_can_hold() {
        let one = || BTreeMap::from([(3, vec![])]);
        assert!(Evidence::new(head("sample/log", 4), one(), Some(vec![0; STAMP_LIMIT])).is_ok());
        assert!(Evidence::new(head("sample/log", 3), one(), None).is_err(), "beyond the head");
        assert!(Evidence::new(head("sample/log", INTEGER_LIMIT), one(), None).is_ok());
        assert!(Evidence::new(head("sample/log", INTEGER_LIMIT + 1), one(), None).is_err());
        assert!(Evidence::new(head("sample/log", 4), one(), Some(vec![])).is_err());
        assert!(Evidence::new(head("sample/log", 4), one(), Some(vec![0; STAMP_LIMIT + 1])).is_err());
        let strangers = (0..100).map(|n| {
            let name = KeyName::parse(&format!("{n}{}", "w".repeat(NAME_LIMIT - 3))).unwrap();
            cosign(&head("sample/log", 4), &name, 1, &key("stranger")).unwrap()
        });
        let large = head("sample/log", 4).with(strangers).unwrap();
        assert!(Evidence::new(large, one(), None).is_err());
        assert!(Evidence::new(head("sample/log", 4), one(), None).unwrap().proof(2).is_err());
    }

    #[test]
    fn a_head_is_archived_with_the_lines_that_count() {
        let mut charter = crate::domain::samples::charter(&[("north", 1), ("south", 1), ("west", 1)]);
        charter.log.key = key("log").public();
        for (party, name) in charter.parties.iter_mut().zip(["a.w", "b.w"]) {
            party.witness = Some(key(name).public());
        }
        let document = crate::domain::document::Document::of(&charter).unwrap();
        let standing = Standing::first(document, Time::from_unix(0));
        let head = head(charter.log.origin.as_str(), 9);
        let line = |party: usize, by: &str, time| {
            let name = KeyName::parse(&format!("{}/witness", charter.parties[party].trust_domain)).unwrap();
            cosign(&head, &name, time, &key(by)).unwrap()
        };
        let lines =
            [line(1, "b.w", 7), line(0, "a.w", 5), line(2, "c.w", 5), line(1, "b.w", 9), line(1, "b.w", u64::MAX / 2)];
        let stranger = cosign(&head, &KeyName::parse("stranger").unwrap(), 5, &key("b.w")).unwrap();
        let many = head.clone().with(lines.into_iter().chain([stranger])).unwrap();
        let kept = archived(&many, &standing).unwrap();
        let expected = head.clone().with([line(0, "a.w", 5), line(1, "b.w", 9)]).unwrap();
        assert_eq!(kept.to_string(), expected.to_string());
        charter.log.key = key("another log").public();
        let other = Standing::first(crate::domain::document::Document::of(&charter).unwrap(), Time::from_unix(0));
        assert!(archived(&many, &other).is_err(), "signed by another key");
        charter.log.origin = crate::domain::words::Line::new("another/log").unwrap();
        let other = Standing::first(crate::domain::document::Document::of(&charter).unwrap(), Time::from_unix(0));
        assert!(archived(&many, &other).is_err(), "of another log");
    }
}
