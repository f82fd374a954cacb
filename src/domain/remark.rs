//! Remarks: what a party says of a revision, to all parties or within its own ministry. They are no acts: nothing follows
//! from one, none is signed, and none is folded into a communiqué's life. Each communiqué has a stream of its own for them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    document::Document,
    entry::{Kind, Position, Recorded, Step},
    id::{CommuniqueId, Digest, ExchangeName, Lang, PartyId, Salt},
    json::{self, Form},
    life::{Life, within_bounds},
    manifest::REVISIONS_LIMIT,
    message::{Fact, Message, Tell},
    refusal::Refusal,
    statement::Type,
    succession::Standing,
    time::Time,
    words::{Line, Prose},
};
use crate::msg;

/// Most remarks of one party on one communiqué. Of each party, so that no party can silence another.
pub const REMARKS_LIMIT: u64 = 10_000;
/// Most bytes of one party's remarks on one communiqué, as documents.
pub const REMARKS_BYTES_LIMIT: u64 = 16 << 20;

/// Who may read a remark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every party that the communiqué names.
    All,
    /// The party that made it, and nobody else but the exchange's operator.
    Own,
}

impl Audience {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Own => "own",
        }
    }
}
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl Tell for Audience {
    fn tell(&self) -> Fact {
        match self {
            Self::All => msg!("audience" => "all"),
            Self::Own => msg!("audience" => "own"),
        }
        .into()
    }
}
impl FromStr for Audience {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Refusal> {
        match s {
            "all" => Ok(Self::All),
            "own" => Ok(Self::Own),
            _ => Err(Refusal::malformed("audience", msg!("is none of all, own"))),
        }
    }
}

/// A remark: a document, made by who says it. Its salt makes two of the same words two, and a repeat the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// `communique.v1.remark`.
    pub r#type: Type,
    /// Makes it unique.
    pub salt: Salt,
    /// Digest of charter 1.
    pub founding: Digest,
    /// The exchange.
    pub exchange: ExchangeName,
    /// Which communiqué.
    pub communique: CommuniqueId,
    /// Which revision it speaks of: 1 … [`REVISIONS_LIMIT`].
    pub revision: u64,
    /// Whose.
    pub party: PartyId,
    /// Who says it, as the party's own system or person gives it. Nobody vouches for it but the party.
    pub author: Line,
    /// For whom.
    pub audience: Audience,
    /// In which language, if it is said.
    pub lang: Option<Lang>,
    /// The words.
    pub text: Prose,
    /// When, as the author says.
    pub time: Time,
}

impl Form for Remark {
    const NAME: &'static str = "remark";
    const LIMIT: usize = 48 << 10;
    fn called() -> Message {
        msg!("form" => "remark")
    }
    fn check(&self) -> Result<(), Refusal> {
        self.r#type.check::<Self>()?;
        json::within("remark.revision", self.revision, 1, REVISIONS_LIMIT)
    }
}

impl Remark {
    /// Whether a party that the communiqué names may read it.
    #[must_use]
    pub fn may_be_read_by(&self, viewer: &PartyId) -> bool {
        self.audience == Audience::All || self.party == *viewer
    }
}

/// The stream `remarks/<id>`, as far as a decision looks at it: where it stands, and how much each party has said. The words
/// are not kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remarks {
    position: Position,
    said: BTreeMap<PartyId, Said>,
}

/// How much a party has said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Said {
    remarks: u64,
    bytes: u64,
}

impl Remarks {
    /// Where the stream stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
    /// How many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.said.len() * 64
    }

    /// Decides on a remark on this communiqué. The state does not matter.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] to a party that the communiqué does not name, and for a revision that there is not;
    /// [`Refusal::Disagrees`] for another founding or exchange; [`Refusal::TimeOutOfBounds`]; [`Refusal::LimitReached`].
    pub fn remark(
        &self,
        remark: &Document<Remark>,
        life: &Life,
        standing: &Standing,
        now: Time,
    ) -> Result<Step, Refusal> {
        if !life.parties().contains(&remark.party) {
            return Err(Refusal::not_found(msg!("communiqué"), remark.communique));
        }
        let revision = life.revisions().find(|r| r.manifest.revision == remark.revision);
        let revision = revision.ok_or_else(|| Refusal::not_found(msg!("revision"), remark.revision))?;
        standing.addressed(&remark.exchange, remark.founding)?;
        within_bounds(remark.time, Some(revision.propose.place.time), now)?;
        let said = self.said.get(&remark.party).copied().unwrap_or_default();
        if said.remarks >= REMARKS_LIMIT {
            return Err(Refusal::LimitReached {
                what: msg!("remarks of one party on one communiqué"),
                limit: REMARKS_LIMIT,
            });
        }
        if said.bytes + remark.bytes().len() as u64 > REMARKS_BYTES_LIMIT {
            return Err(Refusal::LimitReached {
                what: msg!("bytes of one party's remarks on one communiqué"),
                limit: REMARKS_BYTES_LIMIT,
            });
        }
        Ok(Step { kind: Kind::Remark, documents: vec![remark.digest()], statements: vec![] })
    }

    /// Counts the stream's next entry.
    ///
    /// # Errors
    /// [`Refusal::Inconsistent`], or what its bytes fail to parse with.
    pub fn apply(&mut self, r: Recorded<'_>) -> Result<(), Refusal> {
        let mut position = self.position;
        position.advance(r.entry, r.digest)?;
        if r.entry.kind != Kind::Remark {
            return Err(Refusal::Inconsistent {
                what: msg!("entry {index} does not belong to {stream}", index = r.index, stream = r.entry.stream),
            });
        }
        let bytes = r.document(0)?;
        let remark: Remark = json::parse(bytes)?;
        let said = self.said.entry(remark.party).or_default();
        said.remarks += 1;
        said.bytes += bytes.len() as u64;
        self.position = position;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        entry::{Entry, StreamId},
        samples::{World, party},
    };

    fn remark(world: &World, of: &str, audience: Audience) -> Remark {
        Remark {
            r#type: Type::of::<Remark>(),
            salt: Salt::new([3; 32]),
            founding: world.founding(),
            exchange: world.charter.exchange.clone(),
            communique: world.id,
            revision: 1,
            party: party(of),
            author: Line::new("Le secrétariat (exemple)").unwrap(),
            audience,
            lang: None,
            text: Prose::new("Le deuxième alinéa manque.").unwrap(),
            time: world.now,
        }
    }
    fn decide(world: &World, remarks: &Remarks, change: impl FnOnce(&mut Remark)) -> Result<Step, &'static str> {
        let mut made = remark(world, "south", Audience::All);
        change(&mut made);
        let made = Document::of(&made).unwrap();
        remarks.remark(&made, &world.life, &world.standing(), world.now).map_err(|r| r.reason())
    }
    fn apply(remarks: &mut Remarks, kind: Kind, made: &Remark) -> Result<(), Refusal> {
        let (bytes, at) = (json::encode(made), remarks.position());
        let entry = Entry {
            documents: vec![Digest::of(&bytes)],
            files: None,
            kind,
            previous: at.last,
            salt: Salt::new([0; 32]),
            seq: at.length,
            statements: vec![],
            stream: StreamId::Remarks(made.communique),
            time: made.time,
        };
        let digest = Digest::of(&json::encode(&entry));
        remarks.apply(Recorded { index: 0, digest, entry: &entry, objects: &[bytes] })
    }

    #[test]
    fn a_remark_is_by_a_named_party_on_a_revision_that_there_is() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        let none = Remarks::default();
        assert_eq!(decide(&world, &none, |_| ()), Err("NOT_FOUND"), "before revision 1");
        world.propose().unwrap();
        let step = decide(&world, &none, |_| ()).unwrap();
        assert_eq!((step.kind, step.documents.len(), step.statements.len()), (Kind::Remark, 1, 0));
        assert_eq!(decide(&world, &none, |r| r.party = party("west")), Err("NOT_FOUND"));
        assert_eq!(decide(&world, &none, |r| r.revision = 2), Err("NOT_FOUND"));
        assert_eq!(decide(&world, &none, |r| r.founding = Digest::of(b"rehearsal")), Err("DISAGREES"));
        assert_eq!(decide(&world, &none, |r| r.exchange = "other.example".parse().unwrap()), Err("DISAGREES"));
        for seconds in [-301, 301] {
            let out = decide(&world, &none, |r| r.time = r.time.plus(seconds));
            assert_eq!(out, Err("TIME_OUT_OF_BOUNDS"), "{seconds}");
            assert!(decide(&world, &none, |r| r.time = r.time.plus(seconds / 301 * 300)).is_ok());
        }
    }

    #[test]
    fn what_one_party_says_is_bounded_and_does_not_silence_another() {
        let mut world = World::new(&[("north", 1), ("south", 1)]);
        world.propose().unwrap();
        for said in [Said { remarks: REMARKS_LIMIT, bytes: 0 }, Said { remarks: 1, bytes: REMARKS_BYTES_LIMIT - 10 }] {
            let full = Remarks { position: Position::default(), said: [(party("south"), said)].into() };
            assert_eq!(decide(&world, &full, |_| ()), Err("LIMIT_REACHED"));
            assert!(decide(&world, &full, |r| r.party = party("north")).is_ok());
        }
        // To the last byte.
        let size = json::encode(&remark(&world, "south", Audience::All)).len() as u64;
        for (over, outcome) in [(0, None), (1, Some("LIMIT_REACHED"))] {
            let said = Said { remarks: 1, bytes: REMARKS_BYTES_LIMIT - size + over };
            let nearly = Remarks { position: Position::default(), said: [(party("south"), said)].into() };
            assert_eq!(decide(&world, &nearly, |_| ()).err(), outcome, "{over}");
        }
    }

    #[test]
    fn what_is_kept_grows_with_the_parties_that_speak() {
        let of = |parties: &[&str]| Remarks {
            position: Position::default(),
            said: parties.iter().map(|id| (party(id), Said::default())).collect(),
        };
        let (one, two) = (of(&["north"]).bytes(), of(&["north", "south"]).bytes());
        assert_eq!((of(&[]).bytes(), one > 0, two), (0, true, 2 * one));
    }

    #[test]
    fn the_stream_counts_remarks_and_takes_nothing_else() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let made = remark(&world, "south", Audience::Own);
        let mut remarks = Remarks::default();
        apply(&mut remarks, Kind::Remark, &made).unwrap();
        apply(&mut remarks, Kind::Remark, &made).unwrap();
        let bytes = 2 * json::encode(&made).len() as u64;
        assert_eq!(remarks.said, [(party("south"), Said { remarks: 2, bytes })].into());
        let before = remarks.clone();
        assert!(apply(&mut remarks, Kind::Act, &made).is_err());
        assert_eq!((remarks, before.position.length), (before.clone(), 2));
    }

    #[test]
    fn no_other_stream_takes_a_remark() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let made = json::encode(&remark(&world, "south", Audience::All));
        let entry = Entry {
            documents: vec![Digest::of(&made)],
            files: None,
            kind: Kind::Remark,
            previous: None,
            salt: Salt::new([0; 32]),
            seq: 0,
            statements: vec![],
            stream: StreamId::Communique(world.id),
            time: world.now,
        };
        let objects = [made];
        let recorded = Recorded { index: 0, digest: Digest::of(b"entry"), entry: &entry, objects: &objects };
        assert_eq!(Life::default().apply(recorded).unwrap_err().reason(), "INCONSISTENT");
        let mut charters = crate::domain::succession::Charters::default();
        assert_eq!(charters.apply(recorded).unwrap_err().reason(), "INCONSISTENT");
        let mut record = crate::domain::register::PartyRecord::default();
        assert_eq!(record.apply(recorded).unwrap_err().reason(), "INCONSISTENT");
    }

    #[test]
    fn own_remarks_are_for_their_own_party() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let read = |audience, by| remark(&world, "south", audience).may_be_read_by(&party(by));
        assert!(read(Audience::All, "north") && read(Audience::All, "south"));
        assert!(read(Audience::Own, "south") && !read(Audience::Own, "north"));
        for audience in [Audience::All, Audience::Own] {
            assert_eq!(audience.to_string().parse(), Ok(audience));
        }
    }
}
