//! The log: what waits is committed in one transaction, under the row of the tree.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{Row, Statement};

use super::{
    COMMIT_DEADLINE, OpenError, STATEMENT_DEADLINE, Settings,
    connection::{
        Database, Fault, Readers, Session, count, digest, in_time, integer, is_full, is_of_a_statement, is_stuck, read,
    },
    durability,
    known::{Known, Place},
    migrations,
    rows::{self, entries, listings},
    tree::{self, Left},
};
use crate::{
    domain::{
        entry::StreamId,
        id::{CommuniqueId, Digest},
        time::Time,
    },
    exchange::ports::{
        Append, AppendError, Appended, COSIGNED_LIMIT, Cosignature, Listing, ListingQuery, ReadFailed, Store, Stored,
    },
    log::tree::{Edge, Growth, Hash, Node},
    store::append::{BYTES_LIMIT, Refused, Rows, Ticket, Tip, check, examine, gapless, size},
};

/// Requests that wait for the writer; further callers wait for a place.
pub const QUEUE_LIMIT: usize = 1024;
/// Most requests that one transaction takes.
const BATCH_LIMIT: usize = 256;
/// How often a transaction is begun again, if nothing of it can have been stored.
const TRIES: u32 = 3;
/// How long after one that failed another is begun.
const PAUSE: Duration = Duration::from_millis(100);
/// How long after a connection for listening was lost another is made; by then others are asked for anyhow.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// How long one word to the others that the log has grown must do.
const NOTIFY_PAUSE: Duration = Duration::from_millis(5);

/// The log in a PostgreSQL database, which others write to at the same time.
pub struct PostgresStore {
    queue: mpsc::Sender<Request>,
    readers: Readers,
    known: Arc<Known>,
    heard: watch::Receiver<u64>,
    listener: JoinHandle<()>,
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl PostgresStore {
    /// Opens the log, and makes its tables if there are none.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let known = Arc::<Known>::default();
        let database = Database::new(settings, Some(known.clone()))?;
        let session = database.prepared(&migrations::LOG).await?;
        let readers = Readers::new(&database, settings.readers)?;
        let refused = |fault: Fault| match fault {
            Fault::Damaged(what) => OpenError::Damaged { what },
            fault => OpenError::Database { why: fault.to_string() },
        };
        let connected = Connected::new(session).await.map_err(refused)?;
        let row = in_time(connected.session.client.query_one(tree::LEFT, &[])).await.map_err(refused)?;
        let left = Left::of(&row).map_err(refused)?;
        let edge = tree::edge(&connected.session.client, &left).await.map_err(refused)?;
        let (queue, waiting) = mpsc::channel(QUEUE_LIMIT);
        let (committed, told) = watch::channel(0);
        let (hear, heard) = watch::channel(0);
        let writer = Log {
            database: database.clone(),
            connected: Some(connected),
            known: known.clone(),
            edge: Some(edge),
            committed,
        };
        tokio::spawn(writer.run(waiting));
        let listener = tokio::spawn(listen(database, told, hear));
        Ok(Self { queue, readers, known, heard, listener })
    }

    /// Returns when a commit of our own covers this entry, which was read: what others have committed can be seen before all who must
    /// have taken it, if their wait was cancelled.
    async fn settle(&self, place: Option<Place>) -> Result<(), ReadFailed> {
        let Some(place) = place.filter(|place| !self.known.covers(place.index)) else { return Ok(()) };
        let (answer, outcome) = oneshot::channel();
        self.queue.send(Request::Settle(place, answer)).await.map_err(|_| ReadFailed)?;
        outcome.await.unwrap_or(Err(ReadFailed))
    }

    async fn settled(&self, found: Result<Vec<Stored>, ReadFailed>) -> Result<Vec<Stored>, ReadFailed> {
        let found = found?;
        let last = found.iter().max_by_key(|stored| stored.index);
        self.settle(last.map(|last| Place { index: last.index, digest: last.digest })).await?;
        Ok(found)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        examine(&append)?;
        let (ticket, outcome) = Ticket::new();
        if self.queue.send(Request::Append(append, ticket)).await.is_err() {
            tracing::error!("the log's writer is gone; restart the exchange");
            return Err(AppendError::Failed);
        }
        outcome.await.unwrap_or(Err(AppendError::Unknown))
    }

    async fn stream(&self, stream: &StreamId, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        let name = stream.to_string();
        let found = read!(self.readers, "a stream", db => {
            let sql = "SELECT idx, bytes, digest FROM entries WHERE stream = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
            let found = entries(&db, sql, &[&name, &integer(from), &integer(limit as u64)]).await?;
            let whole = gapless(from, found.iter().map(|e| e.entry.seq)) && found.iter().all(|e| e.entry.stream == *stream);
            if whole { Ok(found) } else { Err(Fault::Damaged("a stream has a gap or another stream's entry")) }
        });
        self.settled(found).await
    }

    async fn log(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadFailed> {
        let found = read!(self.readers, "the log", db => {
            let sql = "SELECT idx, bytes, digest FROM entries WHERE idx >= $1 ORDER BY idx LIMIT $2";
            let found = entries(&db, sql, &[&integer(from), &integer(limit as u64)]).await?;
            if gapless(from, found.iter().map(|e| e.index)) { Ok(found) } else { Err(Fault::Damaged("the log has a gap")) }
        });
        self.settled(found).await
    }

    async fn last(&self) -> Result<Option<Stored>, ReadFailed> {
        let found = read!(self.readers, "the log's last entry", db => {
            entries(&db, "SELECT idx, bytes, digest FROM entries ORDER BY idx DESC LIMIT 1", &[]).await
        });
        Ok(self.settled(found).await?.pop())
    }

    async fn first_naming(&self, object: Digest) -> Result<Option<Stored>, ReadFailed> {
        let name = &object.as_bytes()[..];
        let found = read!(self.readers, "an object's first entry", db => {
            let sql = "SELECT e.idx, e.bytes, e.digest FROM entries e JOIN objects o ON o.idx = e.idx WHERE o.digest = $1";
            entries(&db, sql, &[&name]).await
        });
        Ok(self.settled(found).await?.pop())
    }

    async fn purged(&self, from: u64, limit: usize) -> Result<Vec<(u64, CommuniqueId)>, ReadFailed> {
        let found: Vec<(Place, String)> = read!(self.readers, "what was purged", db => {
            let sql = "SELECT idx, digest, stream FROM entries
                       WHERE position('\\x226b696e64223a2270757267656422'::bytea IN bytes) > 0 AND idx >= $1 ORDER BY idx LIMIT $2";
            let rows = db.query(&db.prepare_cached(sql).await?, &[&integer(from), &integer(limit as u64)]).await?;
            let of = |row: &Row| {
                let place = Place { index: count(row.try_get(0)?)?, digest: digest(row.try_get(1)?)? };
                Ok::<_, Fault>((place, row.try_get(2)?))
            };
            rows.iter().map(of).collect()
        })?;
        self.settle(found.last().map(|(place, _)| *place)).await?;
        let of = |(place, stream): (Place, String)| match stream.parse() {
            Ok(StreamId::Communique(id)) => Ok((place.index, id)),
            _ => {
                tracing::error!(entry = place.index, stream, "what was purged is no communiqué");
                Err(ReadFailed)
            }
        };
        found.into_iter().map(of).collect()
    }

    async fn tree(&self) -> Result<Edge, ReadFailed> {
        let own = self.known.edge();
        let (left, edge) = read!(self.readers, "the tree's edge", db => {
            let left = Left::of(&db.query_one(&db.prepare_cached(tree::LEFT).await?, &[]).await?)?;
            let edge = match &own {
                Some(own) if left.is(own) => own.clone(),
                _ => tree::edge(&db, &left).await?,
            };
            Ok((left, edge))
        })?;
        self.settle(left.place()).await?;
        Ok(edge)
    }

    async fn nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, ReadFailed> {
        read!(self.readers, "nodes of the tree", db => tree::hashes(&db, &nodes).await)
    }

    async fn digests(&self, from: u64, limit: usize) -> Result<Vec<Digest>, ReadFailed> {
        let found: Vec<Digest> = read!(self.readers, "digests of entries", db => {
            let sql = db.prepare_cached("SELECT digest FROM entries WHERE idx >= $1 ORDER BY idx LIMIT $2").await?;
            let rows = db.query(&sql, &[&integer(from), &integer(limit as u64)]).await?;
            rows.iter().map(|row| digest(row.try_get(0)?)).collect()
        })?;
        let last = found.last().map(|digest| Place { index: from + found.len() as u64 - 1, digest: *digest });
        self.settle(last).await?;
        Ok(found)
    }

    async fn cosign(&self, cosignature: Cosignature) -> Result<(), ReadFailed> {
        let (answer, outcome) = oneshot::channel();
        self.queue.send(Request::Cosign(cosignature, answer)).await.map_err(|_| ReadFailed)?;
        outcome.await.unwrap_or(Err(ReadFailed))
    }

    async fn cosignatures(&self) -> Result<Vec<Cosignature>, ReadFailed> {
        read!(self.readers, "cosignatures", db => {
            let sql = "SELECT size, party, line FROM cosignatures ORDER BY size DESC, party";
            db.query(&db.prepare_cached(sql).await?, &[]).await?.iter().map(tree::cosignature).collect()
        })
    }

    async fn listings(&self, query: ListingQuery) -> Result<Vec<Listing>, ReadFailed> {
        let (found, left) = read!(self.readers, "the list", db => {
            let found = listings(&db, &query).await?;
            Ok((found, Left::of(&db.query_one(&db.prepare_cached(tree::LEFT).await?, &[]).await?)?))
        })?;
        self.settle(left.place()).await?;
        Ok(found)
    }

    async fn streams(&self, after: Option<StreamId>, limit: usize) -> Result<Vec<StreamId>, ReadFailed> {
        // What is read of them is covered when it is read.
        read!(self.readers, "the names of streams", db => rows::streams(&db, after.as_ref(), limit).await)
    }

    fn heard(&self) -> watch::Receiver<u64> {
        self.heard.clone()
    }
}

/// What the writer is asked.
enum Request {
    Append(Append, Ticket),
    Settle(Place, oneshot::Sender<Result<(), ReadFailed>>),
    Cosign(Cosignature, oneshot::Sender<Result<(), ReadFailed>>),
}

struct Waiting {
    append: Append,
    ticket: Ticket,
}

/// An entry that is to be covered, and who waits for it.
type Settling = (Place, oneshot::Sender<Result<(), ReadFailed>>);

/// The writer's own: its connection, and what it remembers of the tables.
struct Log {
    database: Database,
    connected: Option<Connected>,
    known: Arc<Known>,
    /// The edge of the tree, as it was seen last.
    edge: Option<Edge>,
    committed: watch::Sender<u64>,
}

/// A connection, with its statements.
struct Connected {
    session: Session,
    sql: Statements,
}

macro_rules! statements {
    ($($name:ident: $sql:expr),+ $(,)?) => {
        struct Statements { $($name: Statement),+ }
        impl Statements {
            async fn prepare(client: &tokio_postgres::Client) -> Result<Self, tokio_postgres::Error> {
                Ok(Self { $($name: client.prepare($sql).await?),+ })
            }
        }
    };
}
statements! {
    lock: "SELECT 1 FROM tree FOR UPDATE",
    left: &format!("SELECT l.*, {} FROM ({}) l", durability::COLUMNS, tree::LEFT),
    tips: "SELECT s.stream, e.seq, e.digest, e.intact FROM unnest($1::text[]) AS s (stream) CROSS JOIN LATERAL (
               SELECT seq, digest, sha256(bytes) = digest AS intact FROM entries
               WHERE entries.stream = s.stream ORDER BY seq DESC LIMIT 1) e",
    held: "SELECT digest, sha256(bytes) = digest FROM objects WHERE digest = ANY($1)",
    seen: "SELECT idx, digest FROM entries WHERE idx = ANY($1)",
    entries: "INSERT INTO entries (idx, stream, seq, bytes, digest, time)
              SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[])",
    objects: "INSERT INTO objects (digest, idx, bytes) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])
              ON CONFLICT (digest) DO NOTHING",
    nodes: "INSERT INTO nodes (n, hash) SELECT * FROM unnest($1::bigint[], $2::bytea[])",
    communiques: "INSERT INTO communiques (id, state, revision, manifest)
                  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
                  ON CONFLICT (id) DO UPDATE SET state = excluded.state, revision = excluded.revision,
                      manifest = excluded.manifest",
    parties: "INSERT INTO communique_parties AS p (communique, n, party, state)
              SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
              ON CONFLICT (communique, n) DO UPDATE SET state = excluded.state WHERE p.state <> excluded.state",
    replace: "UPDATE tree SET size = $1::bigint, root = $2 WHERE size = $3::bigint AND root = $4",
    settle: "UPDATE settled SET n = n + 1",
    cosign: "INSERT INTO cosignatures (size, party, line) VALUES ($1::bigint, $2, $3)
             ON CONFLICT (size, party) DO UPDATE SET line = excluded.line",
    thin_out: "DELETE FROM cosignatures WHERE size < (
                   SELECT min(size) FROM (SELECT DISTINCT size FROM cosignatures ORDER BY size DESC LIMIT $1::bigint) s)",
}

impl Connected {
    async fn new(session: Session) -> Result<Self, Fault> {
        let sql = in_time(Statements::prepare(&session.client)).await?;
        Ok(Self { session, sql })
    }
}

/// How a transaction ended.
pub(super) enum Ended {
    /// It is stored for good.
    Stored,
    /// Nothing of it is stored.
    Undone(Fault),
    /// It may be stored, or be going to.
    Unknown,
}

/// What the rows have told for a transaction, with all that it does.
struct Told {
    /// None for one whose last entry was changed.
    tips: HashMap<StreamId, Option<Tip>>,
    /// Whether each has its digest.
    held: HashMap<Digest, bool>,
}

impl Rows for Told {
    type Fault = Infallible;

    fn tip(&mut self, stream: &StreamId) -> Result<Tip, Refused<Infallible>> {
        match self.tips.get(stream) {
            Some(None) => {
                tracing::error!(%stream, "the last entry of a stream was changed; {FSCK}");
                Err(Refused::This(AppendError::Failed))
            }
            tip => Ok(tip.copied().flatten().unwrap_or(Tip { length: 0, last: None })),
        }
    }
    fn holds(&mut self, object: &Digest) -> Result<bool, Refused<Infallible>> {
        match self.held.get(object) {
            Some(false) => {
                tracing::error!(%object, "a document or statement that an append names was changed; {FSCK}");
                Err(Refused::This(AppendError::Failed))
            }
            held => Ok(held.is_some()),
        }
    }
}

/// What the operator is to do about a damaged row.
const FSCK: &str = "run communiqued fsck, which says what restores it";

/// Rows of entries, as columns.
#[derive(Default)]
struct Entries<'a> {
    indices: Vec<i64>,
    streams: Vec<String>,
    seqs: Vec<i64>,
    bytes: Vec<&'a [u8]>,
    digests: Vec<Digest>,
    times: Vec<i64>,
}

/// The rows that a transaction adds, as columns.
#[derive(Default)]
struct Added<'a> {
    entries: Entries<'a>,
    objects: (Vec<Digest>, Vec<i64>, Vec<&'a [u8]>),
    nodes: (Vec<i64>, Vec<Hash>),
    listings: HashMap<String, &'a Listing>,
    named: HashSet<Digest>,
}

impl<'a> Added<'a> {
    fn add(&mut self, waiting: &'a Waiting, growth: &mut Growth) -> Result<(), Fault> {
        for new in &waiting.append.entries {
            let (entry, index) = (&new.entry, integer(growth.after().size()));
            self.entries.indices.push(index);
            self.entries.streams.push(entry.stream.to_string());
            self.entries.seqs.push(integer(entry.seq));
            self.entries.bytes.push(entry.bytes());
            self.entries.digests.push(entry.digest());
            self.entries.times.push(entry.time.unix());
            for object in &new.objects {
                if self.named.insert(object.digest()) {
                    self.objects.0.push(object.digest());
                    self.objects.1.push(index);
                    self.objects.2.push(object.bytes());
                }
            }
            let keep = |number, hash| {
                self.nodes.0.push(integer(number));
                self.nodes.1.push(hash);
            };
            growth.append(Hash::of_entry(entry.digest()), keep).map_err(|_| Fault::Damaged("the log is too long"))?;
        }
        self.listings.extend(waiting.append.listings.iter().map(|row| (row.communique.to_string(), row)));
        Ok(())
    }

    /// Writes the rows; all are on their way before the first is answered.
    async fn write(&self, Connected { session, sql }: &Connected, growth: &Growth) -> Result<(), Fault> {
        let db = &session.client;
        let Entries { indices, streams, seqs, bytes, digests, times } = &self.entries;
        let digests = &column(digests);
        let entries: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [indices, streams, seqs, bytes, digests, times];
        let hashes: Vec<&[u8]> = self.nodes.1.iter().map(|hash| &hash.as_bytes()[..]).collect();
        let mut list = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut parties = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (id, row) in &self.listings {
            list.0.push(id);
            list.1.push(row.state.as_str());
            list.2.push(integer(row.revision));
            list.3.push(&row.manifest.as_bytes()[..]);
            for (n, party) in (0_i64..).zip(&row.parties) {
                parties.0.push(id);
                parties.1.push(n);
                parties.2.push(party.as_str());
                parties.3.push(row.state.as_str());
            }
        }
        let (before, after) = (growth.before(), growth.after());
        let (old, new) = ((integer(before.size()), before.root()), (integer(after.size()), after.root()));
        let (of_old, of_new) = (&old.1.as_bytes()[..], &new.1.as_bytes()[..]);
        let list_all = async {
            if !list.0.is_empty() {
                db.execute(&sql.communiques, &[&list.0, &list.1, &list.2, &list.3]).await?;
                db.execute(&sql.parties, &[&parties.0, &parties.1, &parties.2, &parties.3]).await?;
            }
            Ok(())
        };
        let (_, _, _, replaced, ()) = in_time(async {
            tokio::try_join!(
                biased;
                async { db.execute(&sql.entries, &entries).await },
                async { db.execute(&sql.objects, &[&column(&self.objects.0), &self.objects.1, &self.objects.2]).await },
                async { db.execute(&sql.nodes, &[&self.nodes.0, &hashes]).await },
                async { db.execute(&sql.replace, &[&new.0, &of_new, &old.0, &of_old]).await },
                list_all,
            )
        })
        .await?;
        if replaced == 1 { Ok(()) } else { Err(Fault::Damaged("the tree is not the one that was left")) }
    }
}

impl Log {
    async fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        loop {
            let mut batch = Vec::new();
            if waiting.recv_many(&mut batch, BATCH_LIMIT).await == 0 {
                return;
            }
            let (mut appends, mut settling, mut cosigned, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
            for request in batch {
                match request {
                    Request::Append(append, ticket) => {
                        let more = size(&append);
                        if bytes + more > BYTES_LIMIT && !appends.is_empty() {
                            self.append_all(std::mem::take(&mut appends), std::mem::take(&mut settling)).await;
                            bytes = 0;
                        }
                        bytes += more;
                        appends.push(Waiting { append, ticket });
                    }
                    Request::Settle(place, answer) => settling.push((place, answer)),
                    Request::Cosign(cosignature, answer) => cosigned.push((cosignature, answer)),
                }
            }
            if !appends.is_empty() || !settling.is_empty() {
                self.append_all(appends, settling).await;
            }
            for (cosignature, answer) in cosigned {
                // Whoever asked may have gone.
                let _ = answer.send(self.cosign(&cosignature).await);
            }
        }
    }

    /// One transaction, begun again as long as nothing of it can have been stored. Answers come after its end.
    async fn append_all(&mut self, mut appends: Vec<Waiting>, settling: Vec<Settling>) {
        for tries in 1.. {
            match self.attempt(&mut appends, &settling).await {
                Ok((ended, done)) => return self.answer(appends, settling, &ended, done),
                Err(fault) => {
                    tracing::error!(%fault, tries, "cannot append");
                    self.leave_if(is_stuck(&fault));
                    self.give_up();
                    if tries >= TRIES || !is_passing(&fault) {
                        let error = if is_full(&fault) { AppendError::Full } else { AppendError::Failed };
                        return appends.into_iter().for_each(|waiting| waiting.ticket.answer(Err(error)));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Has the other servers asked first, if the one that is used gets nothing done.
    fn leave_if(&self, stuck: bool) {
        if let Some(connected) = self.connected.as_ref().filter(|_| stuck) {
            self.database.leave(&connected.session);
        }
    }

    /// Forgets the connection and what its rows have taught.
    fn give_up(&mut self) {
        self.connected = None;
        self.edge = None;
        self.database.doubt();
    }

    async fn connected(&mut self) -> Result<&Connected, Fault> {
        let epoch = self.database.epoch();
        let is_good = |session: &Session| !session.client.is_closed() && session.epoch == epoch;
        if self.connected.as_ref().is_none_or(|connected| !is_good(&connected.session)) {
            self.connected = None;
            self.connected = Some(Connected::new(self.database.connect().await?).await?);
        }
        self.connected.as_ref().ok_or(Fault::Refused("there is no connection"))
    }

    /// Nothing is stored if it fails.
    async fn attempt(&mut self, appends: &mut [Waiting], settling: &[Settling]) -> Result<(Ended, Done), Fault> {
        let (demanded, known) = (self.database.standbys, self.known.last());
        let edge = self.edge.take();
        let connected = self.connected().await?;
        let Connected { session, sql } = connected;
        let db = &session.client;

        let streams: HashSet<&StreamId> = appends.iter().flat_map(|w| streams(&w.append)).collect();
        let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let objects: HashSet<&Digest> = appends.iter().flat_map(|w| named(&w.append)).collect();
        let objects: Vec<&[u8]> = objects.iter().map(|object| &object.as_bytes()[..]).collect();
        let places: Vec<i64> =
            settling.iter().map(|(place, _)| place).chain(&known).map(|p| integer(p.index)).collect();
        // Each statement sees what was committed when it begins: those after the lock see all that was committed under it.
        let (_, _, left, tips, held, seen) = in_time(async {
            tokio::try_join!(
                biased;
                db.batch_execute("BEGIN"),
                async { db.query(&sql.lock, &[]).await },
                async { db.query_one(&sql.left, &[]).await },
                async { db.query(&sql.tips, &[&names]).await },
                async { db.query(&sql.held, &[&objects]).await },
                async { db.query(&sql.seen, &[&places]).await },
            )
        })
        .await?;
        durability::check(&left, demanded)?;
        let left = Left::of(&left)?;
        let seen = places_of(&seen)?;
        if known.is_some_and(|known| !seen.contains(&known)) {
            return Err(Fault::Damaged("it has lost what it had acknowledged, or is another one"));
        }
        let edge = match edge {
            Some(edge) if left.is(&edge) => edge,
            _ => timeout(STATEMENT_DEADLINE, tree::edge(db, &left)).await??,
        };
        let last = left.last.map(|(_, time)| Time::from_unix(time));

        let mut told = told(&streams, &tips, &held)?;
        let (mut growth, mut added, mut last) = (Growth::of(edge), Added::default(), last);
        let mut placed = Vec::with_capacity(appends.len());
        for waiting in appends.iter() {
            placed.push(match check(&waiting.append, last, &mut told) {
                Ok(tips) => {
                    told.tips.extend(tips.into_iter().map(|(stream, tip)| (stream.clone(), Some(tip))));
                    let given = waiting.append.entries.iter().flat_map(|new| &new.objects);
                    told.held.extend(given.map(|object| (object.digest(), true)));
                    last = waiting.append.entries.last().map(|new| new.entry.time).or(last);
                    let index = growth.after().size();
                    added.add(waiting, &mut growth)?;
                    Ok(index)
                }
                Err(Refused::This(error)) => Err(error),
                Err(Refused::All(never)) => match never {},
            });
        }
        let grown = placed.iter().any(Result::is_ok);
        if grown {
            added.write(connected, &growth).await?;
        } else if !settling.is_empty() {
            in_time(db.execute(&sql.settle, &[])).await?;
        }
        drop(added);
        for (waiting, _) in appends.iter_mut().zip(&placed).filter(|(_, placed)| placed.is_ok()) {
            waiting.ticket.committing = true;
        }
        let ended = if grown || !settling.is_empty() {
            session.commit(demanded).await
        } else {
            in_time(db.batch_execute("ROLLBACK")).await?;
            Ended::Stored
        };
        Ok((ended, Done { placed, growth, seen, grown }))
    }

    fn answer(&mut self, appends: Vec<Waiting>, settling: Vec<Settling>, ended: &Ended, done: Done) {
        let Done { placed, growth, seen, grown } = done;
        let error = match ended {
            Ended::Stored => {
                if grown {
                    self.known.left(growth.after().clone());
                    let last = appends.iter().zip(&placed).rfind(|(_, placed)| placed.is_ok());
                    if let Some(new) = last.and_then(|(waiting, _)| waiting.append.entries.last()) {
                        self.known.learn(Place { index: growth.after().size() - 1, digest: new.entry.digest() });
                    }
                    self.committed.send_modify(|n| *n += 1);
                }
                self.edge = Some(growth.after().clone());
                None
            }
            Ended::Undone(fault) => {
                tracing::error!(%fault, "a commit failed");
                self.give_up();
                Some(if is_full(fault) { AppendError::Full } else { AppendError::Failed })
            }
            Ended::Unknown => {
                tracing::error!("it is not known whether a commit is stored");
                self.leave_if(true);
                self.give_up();
                Some(AppendError::Unknown)
            }
        };
        let growth = Arc::new(growth);
        for (waiting, placed) in appends.into_iter().zip(placed) {
            waiting.ticket.answer(match (placed, error) {
                (Ok(index), None) => Ok(Appended { index, growth: growth.clone() }),
                (Ok(_), Some(error)) => Err(error),
                // Of what an append that is not stored had done, nothing is true.
                (Err(_), Some(_)) => Err(AppendError::Failed),
                (Err(refused), None) => Err(refused),
            });
        }
        for (place, answer) in settling {
            let covered = error.is_none() && seen.contains(&place);
            if covered {
                self.known.learn(place);
            } else {
                tracing::error!(index = place.index, "what was read of the log is not, or not yet, stored for good");
                self.database.doubt();
            }
            let _ = answer.send(if covered { Ok(()) } else { Err(ReadFailed) });
        }
    }

    async fn cosign(&mut self, new: &Cosignature) -> Result<(), ReadFailed> {
        let demanded = self.database.standbys;
        let outcome = async {
            let Connected { session, sql } = self.connected().await?;
            let db = &session.client;
            let (size, party, kept) = (integer(new.size), new.party.as_str(), integer(COSIGNED_LIMIT as u64));
            in_time(async {
                tokio::try_join!(
                biased;
                    db.batch_execute("BEGIN"),
                    async { db.execute(&sql.cosign, &[&size, &party, &new.line]).await },
                    async { db.execute(&sql.thin_out, &[&kept]).await },
                )
            })
            .await?;
            match session.commit(demanded).await {
                Ended::Stored => Ok(()),
                Ended::Undone(fault) => Err(fault),
                Ended::Unknown => Err(Fault::Unknown),
            }
        };
        let outcome: Result<(), Fault> = outcome.await;
        outcome.map_err(|fault| {
            tracing::error!(%fault, "cannot keep a cosignature");
            self.leave_if(is_stuck(&fault) || matches!(fault, Fault::Unknown));
            self.give_up();
            ReadFailed
        })
    }
}

/// What a transaction did.
struct Done {
    placed: Vec<Result<u64, AppendError>>,
    growth: Growth,
    seen: HashSet<Place>,
    grown: bool,
}

impl Session {
    /// Ends the transaction.
    ///
    /// An error of this statement alone says that nothing is stored. A warning may be of a synchronous wait that was cancelled: the
    /// commit is on the primary, and could be lost with it. Silence, and a connection that ends, say nothing. Whoever waits is let go
    /// without a word when fewer standbys are asked for meanwhile; so what the server promises is asked for once more, right behind.
    pub(super) async fn commit(&self, demanded: u32) -> Ended {
        let warnings = self.warnings();
        let both = async {
            tokio::join!(biased; self.client.batch_execute("COMMIT"), self.client.query_one(&self.promises, &[]))
        };
        match timeout(COMMIT_DEADLINE, both).await {
            Ok((Ok(()), Ok(row))) if self.warnings() == warnings && durability::check(&row, demanded).is_ok() => {
                Ended::Stored
            }
            Ok((Err(error), _)) if is_of_a_statement(&error) && self.warnings() == warnings && !leaves_open(&error) => {
                Ended::Undone(error.into())
            }
            _ => Ended::Unknown,
        }
    }
}

/// Whether an error of a commit leaves open whether it is stored (PostgreSQL 15, appendix A: 40003, and a query that was cancelled).
fn leaves_open(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    matches!(error.code(), Some(&SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN | &SqlState::QUERY_CANCELED))
}

/// Whether it may go when it is tried again.
fn is_passing(fault: &Fault) -> bool {
    use tokio_postgres::error::SqlState;
    match fault {
        Fault::Sql(error) if is_of_a_statement(error) => matches!(
            error.code(),
            Some(
                &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::LOCK_NOT_AVAILABLE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::READ_ONLY_SQL_TRANSACTION
            )
        ),
        Fault::Sql(_) | Fault::Silent(_) | Fault::Pool(_) => true,
        Fault::Damaged(_) | Fault::Refused(_) | Fault::Less(_) | Fault::Unknown => false,
    }
}

/// Digests as a column.
fn column(digests: &[Digest]) -> Vec<&[u8]> {
    digests.iter().map(|digest| &digest.as_bytes()[..]).collect()
}

/// The streams that an append reads or carries on.
fn streams(append: &Append) -> impl Iterator<Item = &StreamId> {
    append.expect.iter().map(|(stream, _)| stream).chain(append.entries.iter().map(|new| &new.entry.stream))
}

/// The objects that an append names.
fn named(append: &Append) -> impl Iterator<Item = &Digest> {
    append.entries.iter().flat_map(|new| new.entry.documents.iter().chain(&new.entry.statements))
}

fn told(streams: &HashSet<&StreamId>, tips: &[Row], held: &[Row]) -> Result<Told, Fault> {
    let by_name: HashMap<String, &StreamId> = streams.iter().map(|stream| (stream.to_string(), *stream)).collect();
    let mut told = Told { tips: HashMap::new(), held: HashMap::new() };
    for row in tips {
        let Some(stream) = by_name.get(row.try_get::<_, &str>(0)?) else { continue };
        let tip = match row.try_get(3)? {
            true => Some(Tip { length: count(row.try_get(1)?)? + 1, last: Some(digest(row.try_get(2)?)?) }),
            false => None,
        };
        told.tips.insert((*stream).clone(), tip);
    }
    for row in held {
        told.held.insert(digest(row.try_get(0)?)?, row.try_get(1)?);
    }
    Ok(told)
}

fn places_of(rows: &[Row]) -> Result<HashSet<Place>, Fault> {
    rows.iter().map(|row| Ok(Place { index: count(row.try_get(0)?)?, digest: digest(row.try_get(1)?)? })).collect()
}

/// What is said wakes only, and need not last: nobody waits for a standby over it.
const LISTEN: &str = "LISTEN communique; SET synchronous_commit = off";

/// Hears of others' commits and tells them of ours. Both only wake: whoever hears nothing looks now and then.
async fn listen(database: Database, mut told: watch::Receiver<u64>, hear: watch::Sender<u64>) {
    loop {
        if let Ok(session) = database.connect().await
            && in_time(session.client.batch_execute(LISTEN)).await.is_ok()
        {
            let mut notified = session.notified.clone();
            // What was said while nobody listened.
            hear.send_modify(|n| *n += 1);
            loop {
                tokio::select! {
                    heard = notified.changed() => match heard {
                        Ok(()) => hear.send_modify(|n| *n += 1),
                        Err(_) => break,
                    },
                    grown = told.changed() => {
                        if grown.is_err() {
                            return;
                        }
                        if in_time(session.client.batch_execute("NOTIFY communique")).await.is_err() {
                            break;
                        }
                        tokio::time::sleep(NOTIFY_PAUSE).await;
                    }
                }
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
