//! Checking a mirror without network, and writing out of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    About, Amiss, Folder, amiss, at, faulty, made,
    rows::{self, Row, Seen},
    taking::unproven,
    wanted::Wanted,
};
use crate::{
    client::{
        auditing::{
            self,
            books::Books,
            evidence::{logs, signed},
        },
        reading::decided_again,
        receipts::{place, put, read},
    },
    domain::{
        entry::{Kind, StreamId},
        id::{CommuniqueId, Digest},
        json,
        manifest::{Manifest, Part},
        message::{Message, Tell as _},
        time::Time,
        view::{EventView, Happening, Logged},
    },
    log::{
        checkpoint,
        note::NOTE_LIMIT,
        tree::{Edge, Hash},
    },
    msg,
};

/// Most faults that are named.
pub const DAMAGE_LIMIT: usize = 1000;

/// Something that is wrong with a mirror.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// `missing`, `changed`, `unreadable`, `entries`, `head`, `pin`, `rules`, `package` or `purged`.
    pub kind: &'static str,
    /// The file.
    pub path: Option<PathBuf>,
    /// The entry that needs it.
    pub index: Option<u64>,
    /// In a sentence without its full stop.
    pub words: Message,
}

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Whose copy it is.
    pub about: About,
    /// Size and root of the head that all of it is proven under; none if there is none.
    pub head: Option<(u64, Hash)>,
    /// The head that was seen last, if it is a later one: the copy does not reach so far yet.
    pub seen: Option<u64>,
    /// Entries that are there in full, that are in escrow, and that are not for this party.
    pub entries: (u64, u64, u64),
    /// Statements that verified.
    pub statements: u64,
    /// Texts and annexes, each with the digest that a manifest names.
    pub content: u64,
    /// Packages, each proven.
    pub packages: u64,
    /// Communiqués whose texts the parties had erased.
    pub purged: u64,
    /// What is wrong, as far as [`DAMAGE_LIMIT`] goes.
    pub damage: Vec<Damage>,
    /// How much more is wrong.
    pub more: u64,
}

/// Checks all of a mirror: every digest, the tree and the head, the charters from the pin on, every entry by the rules as an audit does,
/// every text, annex and package. `heard` is told how far it came, and how far it goes.
///
/// # Errors
/// A folder that holds no mirror, or cannot be read. What is damaged is no error.
pub fn check(folder: &Folder, pin: Digest, now: Time, heard: &dyn Fn(u64, u64)) -> io::Result<Checked> {
    let about = folder.known()?;
    let mut checked = Checked {
        about,
        head: None,
        seen: None,
        entries: (0, 0, 0),
        statements: 0,
        content: 0,
        packages: 0,
        purged: 0,
        damage: vec![],
        more: 0,
    };
    let (rows, root) = match noted(folder) {
        Ok(noted) => noted,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            checked.finds("entries", Some(folder.rows()), None, error.message());
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    let size = rows.len() as u64;
    match proven(folder, &rows, root, pin, now) {
        Ok(()) => checked.head = Some((size, root)),
        Err(damage) => checked.note(damage),
    }
    checked.seen = later(folder, size)?;
    let wanted = entries(folder, &rows, &mut checked, heard);
    files(folder, &wanted, &mut checked)?;
    Ok(checked)
}

impl Checked {
    fn note(&mut self, damage: Damage) {
        if self.damage.contains(&damage) {
        } else if self.damage.len() < DAMAGE_LIMIT {
            self.damage.push(damage);
        } else {
            self.more += 1;
        }
    }
    fn finds(&mut self, kind: &'static str, path: Option<PathBuf>, index: Option<u64>, words: Message) {
        self.note(Damage { kind, path, index, words });
    }
    fn file(&mut self, of: &Message, index: Option<u64>, amiss: Amiss) {
        self.note(damaged(of, index, amiss));
    }
}

fn damaged(of: &Message, index: Option<u64>, amiss: Amiss) -> Damage {
    let (kind, path, words) = match amiss {
        Amiss::Missing(path) => ("missing", path.clone(), msg!("{what}: {path} is missing", what = of, path)),
        Amiss::Changed(path) => (
            "changed",
            path.clone(),
            msg!("{what}: {path} was changed: its bytes have another digest", what = of, path),
        ),
        Amiss::Unreadable(path) => ("unreadable", path.clone(), msg!("{what}: {path} cannot be read", what = of, path)),
    };
    Damage { kind, path: Some(path), index, words }
}

/// What is noted of the entries as far as the copy reaches, and the root that their digests make.
fn noted(folder: &Folder) -> io::Result<(Vec<Row>, Hash)> {
    let (file, state) = (folder.rows(), auditing::reached(&folder.seen())?);
    let Some((_, size, kept)) = state else {
        return Err(faulty(&file, msg!("nothing was kept yet; `communique mirror` goes on with it")));
    };
    let (rows, _) = rows::read(&file, size)?;
    if (rows.len() as u64) < size {
        return Err(faulty(&file, msg!("it has fewer entries than were kept; `--anew` takes the entries again")));
    }
    let mut edge = Edge::default();
    let digests: Vec<u8> = rows.iter().flat_map(|row| *row.digest.as_bytes()).collect();
    auditing::grow(&mut edge, &digests).map_err(|fault| faulty(&file, fault.message()))?;
    if edge.root() != kept {
        return Err(faulty(
            &file,
            msg!("the digests in it do not make the tree that was kept; `--anew` takes the entries again"),
        ));
    }
    Ok((rows, edge.root()))
}

/// The charters in the copy, which must follow from the pin; and that the log's key signed a head of these entries.
fn proven(folder: &Folder, rows: &[Row], root: Hash, pin: Digest, now: Time) -> Result<(), Damage> {
    let mut records = Vec::new();
    for row in rows {
        if matches!(row.seen, Seen::Shown(_, StreamId::Exchange)) {
            let of = msg!("entry {index}", index = row.index);
            let (_, entry, objects) =
                folder.read_entry(row.digest).map_err(|amiss| damaged(&of, Some(row.index), amiss))?;
            records.push((row.index, entry, objects.into_iter().next().unwrap_or_default()));
        }
    }
    let wrong = |kind, path, words| Damage { kind, path, index: None, words };
    let records = records.iter().map(|(index, entry, object)| (*index, &**entry, &**object)).collect();
    let (charters, newest) = decided_again(records, now).map_err(|why| {
        wrong("pin", None, msg!("the charters in this mirror do not follow from one another: {why}", why = &why))
    })?;
    let chain = charters.chain(newest);
    if chain.iter().all(|standing| standing.digest() != pin) {
        return Err(wrong(
            "pin",
            None,
            msg!("the charters in this mirror are not those of {pin}, which you trust", pin),
        ));
    }
    let (size, file) = (rows.len() as u64, folder.head(rows.len() as u64));
    let missing = || {
        let words = msg!(
            "no signed head of the {size} entries is kept: the copy was interrupted before it was whole; `communique mirror` goes on with it",
            size
        );
        wrong("head", Some(file.clone()), words)
    };
    let note = read(&file, NOTE_LIMIT).ok().flatten().ok_or_else(missing)?;
    let head = checkpoint::Unverified::parse(&note).and_then(|head| signed(&head, &logs(chain.iter().map(|s| &**s))));
    match head {
        Ok(head) if place(head.checkpoint()) == (size, root) => Ok(()),
        Ok(_) => {
            let words = msg!("the digests of the {size} entries do not make the root of the signed head", size);
            Err(wrong("head", Some(file), words))
        }
        Err(fault) => Err(wrong("head", Some(file.clone()), msg!("{file}: no head that counts: {fault}", file, fault))),
    }
}

/// How many entries the head has that was seen last, if the copy does not reach so far.
fn later(folder: &Folder, size: u64) -> io::Result<Option<u64>> {
    let note = read(&folder.seen().join("head"), NOTE_LIMIT)?;
    let head = note.and_then(|note| checkpoint::Unverified::parse(&note).ok());
    Ok(head.map(|head| head.claims().size()).filter(|seen| *seen > size))
}

/// Checks every entry with what it names; by the rules too, as long as nothing is damaged.
fn entries(folder: &Folder, rows: &[Row], checked: &mut Checked, heard: &dyn Fn(u64, u64)) -> Wanted {
    let mut wanted = Wanted::default();
    let mut streams: BTreeMap<CommuniqueId, Vec<usize>> = BTreeMap::new();
    let mut books = Some(Books::new(checked.about.party.clone(), checked.about.founding));
    for (n, row) in rows.iter().enumerate() {
        heard(row.index, rows.len() as u64);
        let happening = match &row.seen {
            Seen::Hidden => {
                checked.entries.2 += 1;
                continue;
            }
            Seen::Escrowed(id, party, act, revision) => {
                checked.entries.1 += 1;
                streams.entry(*id).or_default().push(n);
                Happening::Escrowed { communique: *id, party: party.clone(), act: *act, revision: *revision }
            }
            Seen::Shown(kind, stream) => {
                checked.entries.0 += 1;
                match shown(folder, row, *kind, stream, &mut wanted) {
                    Ok(logged) => {
                        if let StreamId::Communique(id) = stream {
                            streams.entry(*id).or_default().push(n);
                        }
                        Happening::Shown(Arc::new(logged))
                    }
                    Err(damage) => {
                        checked.note(damage);
                        books = None;
                        continue;
                    }
                }
            }
        };
        let Some(judge) = &mut books else { continue };
        let event = EventView { index: row.index, happening };
        let found = judge
            .wants(&event)
            .into_iter()
            .try_for_each(|id| {
                let told = streams.get(&id).into_iter().flatten().filter_map(|n| rows.get(*n));
                let told: Vec<_> =
                    told.filter(|row| row.index < event.index).filter_map(|row| told_again(folder, row)).collect();
                judge.load(id, &told)
            })
            .and_then(|()| judge.take(&event, row.digest));
        if let Err(found) = found {
            checked.finds("rules", None, Some(row.index), found.words);
            books = None;
        } else if let Some(id) = judge.unsealed() {
            let words = msg!(
                "entry {index} completes the communiqué {id}, and a signature on it is noted as in escrow; `--anew` takes the entries again",
                index = row.index,
                id
            );
            checked.finds("entries", Some(folder.rows()), Some(row.index), words);
        }
    }
    let kept = books.map(|books| (books.tally.statements, books.kept_until(rows.len() as u64)));
    match kept {
        Some((statements, Ok(()))) => checked.statements = statements,
        Some((_, Err(found))) => checked.finds("rules", None, None, found.words),
        None => {}
    }
    wanted
}

/// An entry that is there in full.
fn shown(folder: &Folder, row: &Row, kind: Kind, stream: &StreamId, wanted: &mut Wanted) -> Result<Logged, Damage> {
    let (index, of) = (row.index, msg!("entry {index}", index = row.index));
    let (entry, bytes, objects) = folder.read_entry(row.digest).map_err(|amiss| damaged(&of, Some(index), amiss))?;
    if (entry.kind, &entry.stream) != (kind, stream) {
        let words = msg!("entry {index} is of another kind or stream than is noted of it", index);
        return Err(Damage { kind: "entries", path: Some(folder.rows()), index: Some(index), words });
    }
    wanted.learn(index, &entry, &objects);
    Ok(Logged { entry: bytes, objects })
}

/// The event of a line, where it was found good before.
fn told_again(folder: &Folder, row: &Row) -> Option<EventView> {
    let happening = match &row.seen {
        Seen::Hidden => return None,
        Seen::Escrowed(id, party, act, revision) => {
            Happening::Escrowed { communique: *id, party: party.clone(), act: *act, revision: *revision }
        }
        Seen::Shown(..) => {
            let (_, entry, objects) = folder.read_entry(row.digest).ok()?;
            Happening::Shown(Arc::new(Logged { entry, objects }))
        }
    };
    Some(EventView { index: row.index, happening })
}

/// Checks texts, annexes and packages.
fn files(folder: &Folder, wanted: &Wanted, checked: &mut Checked) -> io::Result<()> {
    let mut stands = BTreeSet::new();
    for (id, parts) in wanted.standing() {
        for (index, part) in parts.values() {
            if !stands.insert(part.sha256) {
                continue;
            }
            match amiss(&folder.content(part.sha256), part.sha256) {
                None => checked.content += 1,
                Some(amiss) => checked.file(&of_part(id, part, *index), Some(*index), amiss),
            }
        }
    }
    checked.purged = wanted.purged().len() as u64;
    for (id, (index, part)) in wanted.erased() {
        let file = folder.content(part.sha256);
        if file.exists() {
            let words = msg!(
                "{what}: {file} is still there, though the parties had it erased; `communique mirror` erases it",
                what = of_part(id, part, *index),
                file = &file
            );
            checked.finds("purged", Some(file.clone()), Some(*index), words);
        }
    }
    for (id, index) in wanted.published() {
        let of = msg!("the package of {id}, published by entry {index}", id = *id, index);
        let packages = folder.packages_of(*id)?;
        if packages.is_empty() {
            checked.file(&of, Some(*index), Amiss::Missing(folder.packages(*id)));
        }
        for (file, digest) in packages {
            if let Some(amiss) = amiss(&file, digest) {
                checked.file(&of, Some(*index), amiss);
                continue;
            }
            let mut package = File::open(&file).map_err(|e| at(&file, &e))?;
            match unproven(&mut package, checked.about.founding, *id) {
                None => checked.packages += 1,
                Some(why) => {
                    checked.finds("package", Some(file), Some(*index), msg!("{what}: {why}", what = of, why = &why))
                }
            }
        }
    }
    Ok(())
}

fn of_part(id: CommuniqueId, part: &Part, index: u64) -> Message {
    msg!("{path} of the communiqué {id}, named by entry {index}", path = part.path.as_str(), id, index)
}

/// What was written out of a mirror.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Size and root of the head that its entries are proven under.
    pub head: (u64, Hash),
    /// The files, below the folder that was named.
    pub files: Vec<PathBuf>,
    /// Whether the parties had its texts erased.
    pub purged: bool,
    /// Entries of it that are not here: others' signatures in escrow.
    pub escrowed: u64,
    /// What could not be written, being damaged or missing.
    pub damage: Vec<Damage>,
}

/// Writes a communiqué into a new folder: its entries, manifests and acts, texts and annexes, remarks, and its package if it is
/// published. Each has the digest that the log names, and each entry its place under a signed head.
///
/// # Errors
/// A mirror whose entries are not proven from the pin on; a communiqué that it does not hold; a folder that is there, or cannot be written.
pub fn restore(folder: &Folder, id: CommuniqueId, out: &Path, pin: Digest, now: Time) -> io::Result<Restored> {
    let founding = folder.known()?.founding;
    let (rows, root) = noted(folder)?;
    proven(folder, &rows, root, pin, now).map_err(|damage| io::Error::other(damage.words))?;
    let of_it = |row: &&Row| match &row.seen {
        Seen::Shown(_, StreamId::Communique(of) | StreamId::Remarks(of)) | Seen::Escrowed(of, ..) => *of == id,
        _ => false,
    };
    let rows: Vec<&Row> = rows.iter().filter(of_it).collect();
    if rows.is_empty() {
        return Err(io::Error::other(msg!("this mirror holds nothing of a communiqué {id}", id)));
    }
    if fs::symlink_metadata(out).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            msg!("{folder}: is there already; name a new folder", folder = out),
        ));
    }
    let size = auditing::reached(&folder.seen())?.map_or(0, |(_, size, _)| size);
    let mut restored = Restored { head: (size, root), files: vec![], purged: false, escrowed: 0, damage: vec![] };
    let mut wanted = Wanted::default();
    for row in rows {
        let Seen::Shown(kind, stream) = &row.seen else {
            restored.escrowed += 1;
            continue;
        };
        match shown(folder, row, *kind, stream, &mut wanted) {
            Ok(logged) => restored.entry(folder, out, row.index, *kind, &logged)?,
            Err(damage) => restored.damage.push(damage),
        }
    }
    restored.purged = wanted.purged().contains(&id);
    if restored.purged {
        restored
            .damage
            .retain(|damage| !damage.path.as_ref().is_some_and(|path| path.starts_with(folder.0.join("content"))));
    }
    for (file, digest) in folder.packages_of(id)? {
        let of = msg!("the package of {id}", id);
        if let Some(amiss) = amiss(&file, digest) {
            restored.damage.push(damaged(&of, None, amiss));
            continue;
        }
        let mut package = File::open(&file).map_err(|e| at(&file, &e))?;
        match unproven(&mut package, founding, id) {
            None => restored.copy(&file, out, Path::new("package.zip"))?,
            Some(why) => {
                let words = msg!("{what}: {why}", what = of, why = &why);
                restored.damage.push(Damage { kind: "package", path: Some(file), index: None, words });
            }
        }
    }
    Ok(restored)
}

impl Restored {
    fn entry(&mut self, folder: &Folder, out: &Path, index: u64, kind: Kind, logged: &Logged) -> io::Result<()> {
        self.write(out, &PathBuf::from(format!("entries/{index}.json")), &logged.entry)?;
        let Some(first) = logged.objects.first() else { return Ok(()) };
        match kind {
            Kind::Revision => {
                let manifest: Manifest = json::parse(first).map_err(io::Error::other)?;
                let below = PathBuf::from(format!("revision-{}", manifest.revision));
                self.write(out, &below.join("manifest.json"), first)?;
                for propose in logged.objects.iter().skip(1) {
                    self.write(out, &below.join("propose.jws"), propose)?;
                }
                for part in manifest.parts() {
                    let file = folder.content(part.sha256);
                    let name = below.join(part.path.strip_prefix("data/").unwrap_or(&part.path));
                    match amiss(&file, part.sha256) {
                        None => self.copy(&file, out, &name)?,
                        Some(amiss) => {
                            self.damage.push(damaged(&of_part(manifest.communique, &part, index), Some(index), amiss));
                        }
                    }
                }
            }
            Kind::Act => self.write(out, &PathBuf::from(format!("acts/{index}.jws")), first)?,
            Kind::Remark => self.write(out, &PathBuf::from(format!("remarks/{index}.json")), first)?,
            // They name what lies there already.
            _ => {}
        }
        Ok(())
    }
    fn write(&mut self, out: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = out.join(name);
        made(file.parent().unwrap_or(out))?;
        put(&file, bytes)?;
        self.files.push(name.to_owned());
        Ok(())
    }
    fn copy(&mut self, from: &Path, out: &Path, name: &Path) -> io::Result<()> {
        let file = out.join(name);
        made(file.parent().unwrap_or(out))?;
        fs::copy(from, &file).map_err(|e| at(&file, &e))?;
        self.files.push(name.to_owned());
        Ok(())
    }
}
