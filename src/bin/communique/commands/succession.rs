//! `charter next`, `adopt`, `propose`, `submit-adoption`, `list`, `fetch`: one charter succeeds another.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use communique::{
    client::{
        chartering::{self, Host},
        keys::KeyRef,
        reading,
        succeeding::{self, Change, Changes, Progress, Version},
    },
    domain::{
        charter::{Adoption, Charter},
        document::Document,
        id::{Digest, PartyId},
        key::Signer as _,
        message::{Message, Tell as _},
        refusal::Refusal,
        statement::{STATEMENT_LIMIT, Statement, Unverified},
        time::Time,
    },
    msg,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Context,
    charter::{chain, described, empty, show},
    now,
};
use crate::{
    args::{Consent, Next},
    confirm::{self, Announced},
    errors::Failure,
    profile,
    render::{self, Out},
};

/// Largest record of adoptions, in bytes.
const RECORD_LIMIT: usize = 64 << 10;

pub fn next(ctx: &mut Context, args: Next) -> Result<(), Failure> {
    profile::must_be_new(&args.out)?;
    let mut charters = chain(&args.after)?;
    let parties = |files: &[PathBuf]| files.iter().map(|file| described(file)).collect::<Result<Vec<_>, _>>();
    let changes = Changes {
        join: parties(&args.join)?,
        leave: args.leave.into_iter().collect(),
        replace: parties(&args.replace)?,
        host: args.host.as_deref().map(described::<Host>).transpose()?,
        witnesses: args.witnesses,
        adopt_by: args.adopt_by,
    };
    let drafted = succeeding::successor(&charters, changes, now())?;
    let changed = charters.last().map(|before| succeeding::compare(before, &drafted)).unwrap_or_default();
    let (version, fingerprint) = (drafted.version, drafted.digest());
    charters.push(drafted);
    profile::write_new(&args.out, &succeeding::file(&charters), false)?;
    if ctx.json {
        ctx.out.json(&json!({ "file": args.out, "version": version, "fingerprint": fingerprint, "changes": changed }));
    } else {
        let file = args.out.display();
        ctx.out.field(&msg!("charters"), &render::path(&args.out));
        ctx.out.field(&msg!("fingerprint"), &msg!("{fingerprint}, of charter {version}", fingerprint, version));
        told(&mut ctx.out, &changed);
        ctx.out.line(&msg!("Next: pass it on; each party reads it and adopts it."));
        ctx.out.command(&format!("  communique charter show {file}"));
        ctx.out.command(&format!("  communique charter adopt {file} --key KEY --out ADOPTION.jws"));
    }
    Ok(())
}

pub fn adopt(ctx: &mut Context, file: &Path, key: &KeyRef, to: &Path, consent: &Consent) -> Result<(), Failure> {
    profile::must_be_new(to)?;
    let charters = chain(file)?;
    let announced = Announced::of(key)?;
    let (next, before) = match charters.as_slice() {
        [.., before, next] => (next, Some(before)),
        [first] => (first, None),
        [] => return Err(empty(file)),
    };
    let (party, words) = match before {
        None => {
            let party = chartering::authority_of(next, &announced)?.id.clone();
            let words = msg!(
                "With this key {party} adopts this charter: it agrees to exactly these parties, keys and rules.",
                party
            );
            (party, words)
        }
        Some(before) => {
            let capacity = succeeding::capacity(&charters, &announced.public())?;
            let words = capacity_words(&capacity, before, next);
            (capacity.party, words)
        }
    };
    let record = Record::beside(&announced.place()?)?;
    record.admits(next, now())?;

    ctx.begin_scene();
    let scene = ctx.scene();
    show(scene, next);
    if let Some(before) = before {
        scene.gap();
        let version = before.version;
        scene.heading(&msg!(
            "What it changes in charter {version} ({fingerprint})",
            version,
            fingerprint = before.digest()
        ));
        told(scene, &succeeding::compare(before, next));
        if let Some(adopt_by) = next.adopt_by {
            let until = msg!(
                "It is to be adopted by {time}. Until then {party} can adopt no other in place of charter {version}.",
                time = adopt_by,
                party,
                version
            );
            scene.paragraph("", &until);
        }
    }
    scene.gap();
    scene.heading(&words);
    confirm::typed(ctx, consent, &msg!("To adopt it, type {party}:", party), &party)?;
    let key = announced.unlock(&consent.passphrase)?;
    let adoption = if before.is_none() {
        chartering::adopt(next, &*key, now())?
    } else {
        let adoption = succeeding::adopt(&charters, &*key, now())?;
        // Kept before the adoption leaves this program: a second one must never be without the first being known.
        record.keep(next)?;
        adoption
    };
    profile::write_new(to, adoption.compact().as_bytes(), false)?;
    adopted(ctx, to, &adoption, next, file);
    Ok(())
}

fn adopted(ctx: &mut Context, to: &Path, adoption: &Statement<Adoption>, charter: &Document<Charter>, file: &Path) {
    let party = &adoption.body().party;
    if ctx.json {
        ctx.out.json(&json!({ "file": to, "party": party, "digest": adoption.digest(), "version": charter.version,
            "fingerprint": charter.digest() }));
    } else if charter.version == 1 {
        let to = render::path(to);
        ctx.out.line(&msg!(
            "With {file}, {party} adopts the charter; give it to the operator of the exchange.",
            file = to,
            party
        ));
    } else {
        ctx.out.line(&msg!(
            "Signed: the adoption of charter {version} by {party}, {file}.",
            version = charter.version,
            party,
            file = render::path(to)
        ));
        let (to, file) = (to.display(), file.display());
        ctx.out.paragraph(
            "",
            &msg!(
                "Next: whoever is first puts the charter forward with its adoption; every other adoption is handed in by itself. Any party may carry it."
            ),
        );
        ctx.out.command(&format!("  communique charter propose {file} --adoption {to}"));
        ctx.out.command(&format!("  communique charter submit-adoption {to}"));
    }
}

/// As what the party adopts, in words.
fn capacity_words(capacity: &succeeding::Capacity, before: &Charter, next: &Charter) -> Message {
    let (version, previous, party) = (next.version, before.version, &capacity.party);
    let stays = next.parties.iter().any(|p| p.id == capacity.party);
    let was = before.parties.iter().any(|p| p.id == capacity.party);
    match (capacity.consents, capacity.bound) {
        (true, true) => msg!(
            "With this key {party} adopts charter {version}: it consents that it succeeds charter {previous}, and agrees to exactly these parties, keys and rules.",
            party,
            version,
            previous
        ),
        (true, false) if stays => msg!(
            "With this key {party} consents that charter {version} succeeds charter {previous}. This is its old key: to be a party under charter {version}, it must adopt it with its new key too.",
            party,
            version,
            previous
        ),
        (true, false) => msg!(
            "With this key {party} consents that charter {version} succeeds charter {previous}, and LEAVES: it is no party from then on.",
            party,
            version,
            previous
        ),
        (false, _) if was => msg!(
            "With this key {party} adopts charter {version} with its new key: it agrees to exactly these parties, keys and rules. The consent of its old key is asked for too.",
            party,
            version
        ),
        (false, _) => msg!(
            "With this key {party} JOINS by charter {version}: it agrees to exactly these parties, keys and rules.",
            party,
            version
        ),
    }
}

pub fn propose(ctx: &mut Context, file: &Path, adoption: &Path) -> Result<(), Failure> {
    let charters = chain(file)?;
    let compact = profile::read_passed_on(adoption, STATEMENT_LIMIT)?;
    let claims = Unverified::<Adoption>::parse(&compact).map_err(|e| Failure::from(e).of(adoption))?;
    let Some(next) = charters.last() else {
        return Err(empty(file));
    };
    if claims.claims().charter != next.digest() {
        return Err(Failure::refused(msg!(
            "{adoption} adopts another charter than the last of {file}; adopt this one (`communique charter adopt`)",
            adoption,
            file
        )));
    }
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let standing = session.pinned().standing();
    if next.previous != Some(standing.digest()) {
        return Err(Failure::refused(msg!(
            "the last charter of {file} does not succeed charter {version}, which is in force; fetch that one (`communique charter fetch`), and draft from it (`communique charter next`)",
            file,
            version = standing.charter().version
        )));
    }
    let receipt = ctx.wait(session.propose_charter(next, &compact))?;
    let progress = ctx.wait(session.succession(now())).ok().and_then(|v| of(v, next.digest()));
    if ctx.json {
        ctx.out.json(
            &json!({ "fingerprint": next.digest(), "version": next.version, "receipt": render::receipt(&receipt),
            "charter": progress.as_ref().map(value) }),
        );
    } else {
        ctx.out.line(&msg!(
            "Charter {version} is put forward, entry {index} of the log.",
            version = next.version,
            index = receipt.index
        ));
        if let Some(version) = progress {
            tell(&mut ctx.out, &version);
        }
    }
    Ok(())
}

pub fn submit(ctx: &mut Context, file: &Path) -> Result<(), Failure> {
    let compact = profile::read_passed_on(file, STATEMENT_LIMIT)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let (adoption, receipt) = ctx.wait(session.submit_adoption(&compact)).map_err(|e| Failure::from(e).of(file))?;
    let progress = ctx.wait(session.succession(now())).ok().and_then(|v| of(v, adoption.charter));
    if ctx.json {
        ctx.out.json(&json!({ "party": adoption.party, "version": adoption.version, "fingerprint": adoption.charter,
            "receipt": render::receipt(&receipt), "charter": progress.as_ref().map(value) }));
    } else {
        let Adoption { party, version, .. } = &adoption;
        ctx.out.line(&msg!(
            "{party} has adopted charter {version}, entry {index} of the log.",
            party,
            version,
            index = receipt.index
        ));
        if let Some(version) = progress {
            tell(&mut ctx.out, &version);
        }
    }
    Ok(())
}

pub fn list(ctx: &mut Context) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let versions = ctx.wait(session.succession(now()))?;
    if ctx.json {
        ctx.out.json(&json!({ "charters": versions.iter().map(value).collect::<Vec<_>>() }));
        return Ok(());
    }
    for (n, version) in versions.iter().enumerate() {
        if n > 0 {
            ctx.out.gap();
        }
        ctx.out.heading(&msg!("Charter {version}", version = version.charter.version));
        ctx.out.field(&msg!("fingerprint"), &version.charter.digest());
        tell(&mut ctx.out, version);
    }
    Ok(())
}

pub fn fetch(ctx: &mut Context, proposed: Option<Digest>, to: &Path) -> Result<(), Failure> {
    profile::must_be_new(to)?;
    let profile = ctx.profile()?;
    let session = ctx.session(&profile)?;
    let mut charters: Vec<_> = session.pinned().chain().map(|s| s.charter().clone()).collect();
    if let Some(proposed) = proposed {
        let version =
            ctx.wait(session.succession(now())).map(|v| of(v, proposed))?.ok_or_else(|| unlisted(proposed))?;
        let newest = charters.last().map(Document::digest);
        if charters.iter().all(|c| c.digest() != proposed) {
            if version.charter.previous != newest {
                return Err(Failure::refused(msg!(
                    "charter {version} {fingerprint} does not succeed the one in force: it can no longer be adopted",
                    version = version.charter.version,
                    fingerprint = proposed
                )));
            }
            charters.push(version.charter);
        }
    }
    let bytes = succeeding::file(&charters);
    reading::charters(&bytes)?;
    profile::write_new(to, &bytes, false)?;
    let newest = charters.last().map(|c| (c.version, c.digest()));
    if ctx.json {
        let fingerprints: Vec<_> = charters.iter().map(Document::digest).collect();
        ctx.out.json(&json!({ "file": to, "fingerprints": fingerprints }));
    } else if let Some((version, digest)) = newest {
        let (file, fingerprint) = (render::path(to), digest);
        let held = if charters.len() == 1 {
            msg!("File {file}: charter 1 alone, the last with fingerprint {fingerprint}.", file, fingerprint)
        } else {
            msg!(
                "File {file}: charters 1 to {version}, the last with fingerprint {fingerprint}.",
                file,
                version,
                fingerprint
            )
        };
        ctx.out.line(&held);
        let next = match proposed {
            Some(_) => {
                msg!("Next: read it (`communique charter show {file}`), and adopt it.", file = to)
            }
            None => {
                msg!("It may take the place of the file that the profile names as charter; the pin stays as it is.")
            }
        };
        ctx.out.line(&next);
    }
    Ok(())
}

/// The charter of this fingerprint among those that were put forward.
pub fn of(versions: Vec<Version>, fingerprint: Digest) -> Option<Version> {
    versions.into_iter().find(|v| v.charter.digest() == fingerprint)
}

pub fn unlisted(fingerprint: Digest) -> Failure {
    Failure::refused(msg!("no charter {fingerprint} was put forward; see `communique charter list`", fingerprint))
}

/// How far a charter is.
pub fn tell(out: &mut Out, version: &Version) {
    let Version { charter, progress, since, .. } = version;
    let time = |time: &Option<Time>| time.map_or_else(|| Message::words("").into(), |time| time.tell());
    let (since, by) = (time(since), time(&charter.adopt_by));
    out.field(
        &msg!("state"),
        &match progress {
            Progress::InForce => msg!("in force since {since}", since),
            Progress::Succeeded => msg!("was in force from {since}, and was succeeded", since),
            Progress::Pending => msg!("pending: to be adopted by {time}", time = by),
            Progress::Failed => msg!("failed: it never came into force, and no longer can"),
        },
    );
    for (n, (party, time)) in version.adopted.iter().enumerate() {
        let adopted = msg!("{party}, {time}", party, time);
        if n == 0 { out.field(&msg!("adopted by"), &adopted) } else { out.more(&adopted) }
    }
    let leaving: Vec<_> = version.consent_missing.iter().filter(|p| !version.missing.contains(p)).cloned().collect();
    match progress {
        Progress::Pending => {
            // Whose key changes adopts with both: what it consented to with the old one it has yet to adopt with the new.
            let adopted = |p: &PartyId| version.adopted.iter().any(|(party, _)| party == p);
            let (changing, others): (Vec<_>, Vec<_>) = version.missing.iter().cloned().partition(adopted);
            if !others.is_empty() {
                out.field(&msg!("missing"), &others);
            }
            if !changing.is_empty() {
                out.field(&msg!("missing"), &msg!("{parties}, by its key in this charter", parties = changing));
            }
            if !leaving.is_empty() {
                out.field(&msg!("missing"), &msg!("{parties}, by the key of the charter before", parties = leaving));
            }
        }
        Progress::InForce | Progress::Succeeded if !version.missing.is_empty() => {
            let absent = msg!("{parties}: listed, not adopted in time, no party", parties = version.missing);
            out.field(&msg!("absent"), &absent);
        }
        _ => {}
    }
}

pub fn value(version: &Version) -> Value {
    let adopted: Vec<_> =
        version.adopted.iter().map(|(party, time)| json!({ "party": party, "logged": time })).collect();
    json!({ "version": version.charter.version, "fingerprint": version.charter.digest(),
        "state": version.progress.as_str(), "in_force_since": version.since, "adopt_by": version.charter.adopt_by,
        "adopted": adopted, "missing": version.missing, "consent_missing": version.consent_missing })
}

/// What changes, a line each.
fn told(out: &mut Out, changes: &[Change]) {
    for change in changes {
        out.item(1, &change_words(change));
    }
}

fn change_words(change: &Change) -> Message {
    let said = |value: &Option<String>| match value {
        None => msg!("none"),
        // The one thing here that says anything at all; the rest are keys, digests, domains and numbers.
        Some(names) if change.what == "names" => Message::words(render::quoted(names)),
        Some(value) => Message::words(value.clone()),
    };
    let (old, new) = (said(&change.old), said(&change.new));
    match (&change.party, change.what) {
        (Some(party), "joins") => msg!("party {party} JOINS, with the authority key {key}", party, key = new),
        (Some(party), "leaves") => msg!("party {party} LEAVES, whose authority key is {key}", party, key = old),
        (Some(party), "authority key") => msg!("party {party}: authority key {old} becomes {new}", party, old, new),
        (Some(party), "quorum") => msg!("party {party}: quorum {old} becomes {new}", party, old, new),
        (Some(party), "trust domain") => msg!("party {party}: trust domain {old} becomes {new}", party, old, new),
        (Some(party), "names") => msg!("party {party}: names {old} becomes {new}", party, old, new),
        (Some(party), "witness") => msg!("party {party}: witness {old} becomes {new}", party, old, new),
        (Some(party), what) => msg!("party {party}: {what} {old} becomes {new}", party, what, old, new),
        (None, "log") => msg!("the exchange: log {old} becomes {new}", old, new),
        (None, "depositary") => msg!("the exchange: depositary {old} becomes {new}", old, new),
        (None, "server CA") => msg!("the exchange: server CA {old} becomes {new}", old, new),
        (None, "witnesses wanted") => msg!("the exchange: witnesses wanted {old} becomes {new}", old, new),
        (None, what) => msg!("the exchange: {what} {old} becomes {new}", what, old, new),
    }
}

/// What was adopted with a key, kept beside it: whoever adopts two charters in place of one makes the exchange refuse the second,
/// and gives the others two answers.
struct Record {
    file: PathBuf,
    adopted: Vec<Adopted>,
}

#[derive(Serialize, Deserialize)]
struct Adopted {
    previous: Option<Digest>,
    charter: Digest,
    version: u64,
    adopt_by: Option<Time>,
}

impl Record {
    /// Reads KEY.adoptions of KEY.
    fn beside(key: &Path) -> Result<Self, Failure> {
        let mut name = key.as_os_str().to_owned();
        name.push(".adoptions");
        let file = PathBuf::from(name);
        if !file.exists() {
            return Ok(Self { file, adopted: vec![] });
        }
        let bytes = profile::read(&file, RECORD_LIMIT)?;
        let adopted = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::refused(msg!(
                "{path}: not the record of what was adopted with this key ({fault}); find out what was, before you adopt anything",
                path = file,
                fault = e.to_string()
            ))
        })?;
        Ok(Self { file, adopted })
    }
    /// Refuses a second charter in place of the same one, while the first can still come into force.
    fn admits(&self, charter: &Document<Charter>, now: Time) -> Result<(), Failure> {
        let stands = |a: &&Adopted| {
            charter.previous.is_some()
                && a.previous == charter.previous
                && a.charter != charter.digest()
                && a.adopt_by.is_some_and(|by| now <= by)
        };
        match self.adopted.iter().find(stands) {
            None => Ok(()),
            Some(first) => Err(Failure::from(Refusal::Succession {
                problem: msg!(
                    "this key has adopted another charter {version}, {charter}, in place of the same one, and it stands until {adopt_by}; adopt this one after",
                    version = first.version,
                    charter = first.charter,
                    adopt_by = first.adopt_by.map_or_else(|| "".tell(), |by| by.tell())
                ),
            })
            .of(&self.file)),
        }
    }
    /// Notes a charter, durably, for the key's owner alone to read.
    fn keep(mut self, charter: &Document<Charter>) -> Result<(), Failure> {
        let digest = charter.digest();
        if self.adopted.iter().any(|a| a.charter == digest) {
            return Ok(());
        }
        let (previous, version, adopt_by) = (charter.previous, charter.version, charter.adopt_by);
        self.adopted.push(Adopted { previous, charter: digest, version, adopt_by });
        let failed = |e: std::io::Error| {
            Failure::file(&self.file, &e).of(msg!("what is adopted could not be noted, and nothing was"))
        };
        let directory = self.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::Builder::new().prefix(".communique-").tempfile_in(directory).map_err(failed)?;
        let bytes = serde_json::to_vec_pretty(&self.adopted).unwrap_or_default();
        temporary.write_all(&bytes).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
        temporary.persist(&self.file).map_err(|e| failed(e.error))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }
}
