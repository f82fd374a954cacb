//! Deciding and appending: a decision is made on what the streams say now, and lands only if none of them has grown.

use std::{pin::Pin, sync::atomic::Ordering};

use super::{
    Exchange,
    load::{Handed, Look, Records, carry},
    ports::{Append, AppendError, Appended, Listing, Machine, NewEntry, Object},
};
use crate::{
    domain::{
        document::Document,
        entry::{Entry, FileDigest, Position, Step, StreamId},
        id::{CommuniqueId, Digest, Salt},
        life::{Life, State},
        refusal::Refusal,
        time::Time,
        view::Receipt,
    },
    msg,
};

/// How often a decision is made again when somebody was quicker, before the caller is told to come back.
const ATTEMPTS: usize = 24;

/// What a decision wants appended. Built anew at each attempt.
pub struct Plan {
    now: Time,
    append: Append,
    /// A deadline that runs once this is appended.
    pub(super) deadline: Option<(Time, CommuniqueId)>,
    /// The communiqué that is carried on, and what was handed in for it.
    carried: Option<(CommuniqueId, Option<Handed>)>,
}

impl Plan {
    /// A plan at this log time, which read these streams at these positions.
    pub fn new(now: Time, read: impl IntoIterator<Item = (StreamId, Position)>) -> Self {
        let expect = read.into_iter().map(|(stream, position)| (stream, position.length)).collect();
        Self {
            now,
            append: Append { expect, entries: vec![], listings: vec![], unlogged: vec![] },
            deadline: None,
            carried: None,
        }
    }
    /// Adds an entry for each step to a stream that stands at this position. `objects` are the bytes that the first step
    /// names; later steps name only what is in the log, or what the first one brought. Answers where the stream then stands.
    pub fn steps(
        &mut self,
        machine: &dyn Machine,
        stream: &StreamId,
        mut position: Position,
        steps: Vec<Step>,
        mut objects: Vec<Object>,
        mut files: Option<Vec<FileDigest>>,
    ) -> Result<Position, Refusal> {
        for step in steps {
            let entry = Document::made(Entry {
                kind: step.kind,
                time: self.now,
                stream: stream.clone(),
                seq: position.length,
                previous: position.last,
                salt: Salt::new(machine.random()),
                documents: step.documents,
                statements: step.statements,
                files: files.take(),
            })?;
            position.advance(&entry, entry.digest())?;
            self.append.entries.push(NewEntry { entry, objects: std::mem::take(&mut objects) });
        }
        Ok(position)
    }
    /// Carries a communiqué on: an entry for each step in its stream, as [`Plan::steps`] adds them, of which the first records what was
    /// handed in, and its row as it will be, if it changes.
    pub fn carry_on(
        &mut self,
        machine: &dyn Machine,
        (id, life): (CommuniqueId, &Life),
        steps: Vec<Step>,
        handed: Option<Handed>,
        files: Option<Vec<FileDigest>>,
    ) -> Result<(), Refusal> {
        let stream = StreamId::Communique(id);
        self.append.expect.push((stream.clone(), life.position().length));
        let objects = handed.as_ref().map(Handed::objects).unwrap_or_default();
        let before = self.append.entries.len();
        self.steps(machine, &stream, life.position(), steps, objects, files)?;
        // The same fold that reads the log reads the new entries; where they will be in it, the row does not say.
        let (row, mut life) = (listing(id, life).ok(), life.clone());
        for (n, new) in self.append.entries.iter().skip(before).enumerate() {
            carry(&mut life, 0, &new.entry, handed.as_ref().filter(|_| n == 0))?;
        }
        self.deadline = life.deadline().map(|deadline| (deadline, id));
        // Most acts leave it as it is.
        self.append.listings.extend(Some(listing(id, &life)?).filter(|now| row.as_ref() != Some(now)));
        self.carried = Some((id, handed));
        Ok(())
    }
    /// What to hand to the store.
    pub fn into_append(self) -> Append {
        self.append
    }
}

/// The row of a communiqué with this life.
pub(super) fn listing(id: CommuniqueId, life: &Life) -> Result<Listing, Refusal> {
    let newest = life.newest().ok_or_else(|| Refusal::Inconsistent { what: msg!("a communiqué without revision") })?;
    Ok(Listing {
        communique: id,
        state: life.state(),
        revision: newest.manifest.revision,
        manifest: newest.manifest.digest(),
        parties: newest.manifest.parties.clone(),
    })
}

/// What an attempt to decide ends in.
pub enum Decision {
    /// It was done before: the first answer again.
    Repeat(Receipt),
    /// This is to be appended; the first entry is the receipt.
    Append(Plan),
    /// Time or another charter has made this due: it is appended first, and then the decision is made again.
    Due(Plan),
}

/// A decision under way.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Result<Decision, Refusal>> + Send + 'a>>;

/// Where these parties' streams stand.
pub(super) fn positions(records: &Records) -> impl Iterator<Item = (StreamId, Position)> {
    records.iter().map(|(id, record)| (StreamId::Party(id.clone()), record.position()))
}

impl Exchange {
    /// Decides, appends, and decides again as long as a stream that the decision read has grown meanwhile. What was handed in
    /// has these digests; if all of it was logged before, the first answer is given again. Whose it is was asked by then.
    pub(super) async fn decide<'a>(
        &'a self,
        handed_in: &[Digest],
        decide: impl Fn(Time) -> Deciding<'a> + Send,
    ) -> Result<Receipt, Refusal> {
        for _ in 0..ATTEMPTS {
            if let Some(receipt) = self.repeat(handed_in).await? {
                return self.proven(receipt).await;
            }
            let landed = match decide(self.machine.now()).await? {
                Decision::Repeat(receipt) => return self.proven(receipt).await,
                Decision::Append(plan) => self.land(plan).await?,
                Decision::Due(plan) => {
                    self.land(plan).await?;
                    None
                }
            };
            if let Some(receipt) = landed {
                return Ok(receipt);
            }
        }
        // A log that has lost what was read of it conflicts for ever as well: its head tells.
        self.head().await?;
        Err(Refusal::Busy { what: msg!("too many act on this at once") })
    }
    /// As [`Exchange::decide`], first on what is kept. The append is refused if any of that is behind, or if what was handed in was logged
    /// before; a refusal may come of it as well, and is not believed. So who comes first is answered without a read.
    pub(super) async fn decide_at_once<'a>(
        &'a self,
        handed_in: &[Digest],
        decide: impl Fn(Time, Look<'a>) -> Deciding<'a> + Send + Sync,
    ) -> Result<Receipt, Refusal> {
        let look = |kept| Look { folds: &self.folds, store: &*self.store, kept };
        if let Ok(Decision::Append(mut plan)) = decide(self.machine.now(), look(true)).await {
            plan.append.unlogged = handed_in.to_vec();
            match self.land(plan).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                Err(Refusal::OutcomeUnknown) => return Err(Refusal::OutcomeUnknown),
                // What was logged before has its answer, whatever keeps new things out.
                Err(why) => {
                    return match self.repeat(handed_in).await? {
                        Some(receipt) => self.proven(receipt).await,
                        None => Err(why),
                    };
                }
            }
        }
        self.decide(handed_in, |now| decide(now, look(false))).await
    }
    /// Decides on one entry more of a stream that stands at this position.
    pub(super) fn one(
        &self,
        now: Time,
        read: impl IntoIterator<Item = (StreamId, Position)>,
        (stream, position): (StreamId, Position),
        step: Step,
        object: Object,
    ) -> Result<Decision, Refusal> {
        let mut plan = Plan::new(now, read.into_iter().chain([(stream.clone(), position)]));
        plan.steps(&*self.machine, &stream, position, vec![step], vec![object], None)?;
        Ok(Decision::Append(plan))
    }
    /// Appends; nothing if a stream has grown meanwhile, and it is to be decided again.
    pub(super) async fn land(&self, plan: Plan) -> Result<Option<Receipt>, Refusal> {
        self.undoubted()?;
        self.believed()?;
        // The clock has gone back since: what was decided by it is decided again.
        if plan.now > self.machine.now() {
            return Ok(None);
        }
        let (now, deadline, carried) = (plan.now, plan.deadline, plan.carried);
        let succession = plan.append.entries.iter().any(|new| new.entry.stream == StreamId::Exchange);
        let published = plan.append.listings.iter().find(|row| row.state == State::Published);
        let published = published.map(|row| row.communique);
        let append = plan.append;
        let entries: Vec<_> = append.entries.iter().map(|new| new.entry.clone()).collect();
        let count = entries.len() as u64;
        let mark = self.store.mark();
        match self.store.append(append).await {
            Ok(Appended { index, growth }) => {
                if let Some((id, handed)) = carried {
                    self.folds.carry(id, mark, index, &entries, handed);
                }
                self.metrics.entries_appended(count);
                self.due.runs(deadline);
                published.into_iter().for_each(|id| self.stamps.wants(id));
                self.own.add(index, index + count);
                self.grown.send_modify(|next| *next = (*next).max(index + count));
                self.refused.store(0, Ordering::Relaxed);
                let entry = entries.first().map(|first| first.bytes().to_vec()).unwrap_or_default();
                let receipt = async {
                    if succession {
                        self.folds.charters(&*self.store).await?;
                    }
                    self.receipt_under(index, entry, &growth).await
                };
                // It is stored: nobody is told that it is not. Sent again, it has its answer.
                receipt.await.map(Some).map_err(|why| match why {
                    Refusal::StoreFailed => Refusal::OutcomeUnknown,
                    why => why,
                })
            }
            Err(AppendError::Conflict) => Ok(None),
            Err(AppendError::Behind(last)) => {
                let now = self.machine.now();
                if now < last { Err(Refusal::ClockSuspect { last, now }) } else { Ok(None) }
            }
            Err(failed) => {
                self.refused.store(now.unix(), Ordering::Relaxed);
                Err(match failed {
                    AppendError::Full => Refusal::StoreFull,
                    AppendError::Unknown => Refusal::OutcomeUnknown,
                    _ => Refusal::StoreFailed,
                })
            }
        }
    }
    /// The first answer to the last of these, if all were logged before.
    async fn repeat(&self, handed_in: &[Digest]) -> Result<Option<Receipt>, Refusal> {
        let mut first = None;
        for digest in handed_in {
            match self.store.first_naming(*digest).await? {
                Some(stored) => first = Some(Receipt { index: stored.index, entry: stored.bytes, proof: None }),
                None => return Ok(None),
            }
        }
        Ok(first)
    }
}
