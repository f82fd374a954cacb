//! `watch`: what happens, as it happens; and a command run for each event, at least once.
//!
//! The resume point is written after the command has ended well, and durably: whatever stops this program, the next run begins
//! with the event that was not done.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use communique::{
    client::{
        remote::{RemoteError, Watched},
        session::Session,
        timeline::named,
    },
    domain::{
        entry::{Entry, StreamId},
        id::{CommuniqueId, Digest},
        json::{self, unbase64},
        message::{Message, Tell as _},
        refusal::Refusal,
        view::{EventView, Happening, WatchItem},
    },
    msg,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Context, random};
use crate::{args, errors::Failure, profile, render};

/// First and longest pause before the exchange is called again.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// First and longest pause before a command is run again.
const TRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Largest file of a resume point, in bytes.
const RESUME_LIMIT: usize = 4 << 10;

pub fn run(ctx: &mut Context, args: &args::Watch) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let founding = profile.pinned()?.founding();
    let kept = match (&args.state, &args.exec) {
        (Some(file), _) => Some(file.clone()),
        (None, Some(_)) => Some(profile::resume_point(&ctx.profile)?),
        (None, None) => None,
    };
    let mut resume = kept.map(|file| Resume::open(file, founding, args.of)).transpose()?;
    let mut next = resume.as_ref().and_then(|r| r.next).or(args.from);
    // A profile that cannot be used is told at once; what breaks later comes back by itself.
    let mut session = ctx.session(&profile)?;
    let mut pause = PAUSES.0;
    loop {
        let mut heard = false;
        let ended = follow(ctx, &session, args, &mut next, resume.as_mut(), &mut heard)?;
        if ctx.out.is_lost() && args.exec.is_none() {
            return Ok(());
        }
        let mut error = ended;
        if heard {
            pause = PAUSES.0;
        }
        loop {
            if !comes_back(&error) {
                return Err(error.into());
            }
            let (why, seconds) = (error.message(), pause.as_secs());
            let again = match next {
                Some(index) => {
                    let index = index.to_string();
                    msg!("watching again from index {index}, in {seconds} s: {why}", index, seconds, why)
                }
                None => msg!("watching again from now, in {seconds} s: {why}", seconds, why),
            };
            ctx.err.line(&again);
            ctx.wait(tokio::time::sleep(jittered(pause)));
            pause = (pause * 2).min(PAUSES.1);
            // Read anew: certificates are renewed meanwhile.
            let renewed = ctx.profile()?;
            match ctx.wait(ctx.opened(&renewed)?) {
                Ok(renewed) => break session = renewed,
                Err(e) => error = e,
            }
        }
    }
}

/// Follows one stream to its end. Answers why it ended; fails where to go on would lose something.
fn follow(
    ctx: &mut Context,
    session: &Session,
    args: &args::Watch,
    next: &mut Option<u64>,
    mut resume: Option<&mut Resume>,
    heard: &mut bool,
) -> Result<RemoteError, Failure> {
    let mut stream: Watched = match ctx.wait(session.remote().watch(*next, args.of)) {
        Ok(stream) => stream,
        Err(error) => return Ok(error),
    };
    loop {
        let item = match ctx.wait(stream.next()) {
            Ok(item) => item,
            Err(error) => return Ok(error),
        };
        *heard = true;
        let reached = match item {
            WatchItem::Heartbeat(reached) => reached,
            WatchItem::Event(event) => {
                // What is behind was done already: a repeat is the exchange's fault, and harmless.
                if next.is_some_and(|next| event.index < next) {
                    continue;
                }
                let line = render::json_line(&value(&event)?);
                match &args.exec {
                    Some(command) => done(ctx, command, event.index, &line, args.retries)?,
                    None if ctx.json => ctx.out.raw(format!("{line}\n").as_bytes()),
                    None => ctx.out.line(&words(&event)?),
                }
                ctx.out.flush();
                event.index + 1
            }
        };
        if next.is_none_or(|next| next < reached) {
            *next = Some(reached);
            if let Some(resume) = resume.as_deref_mut() {
                resume.keep(reached)?;
            }
        }
        if ctx.out.is_lost() && args.exec.is_none() {
            return Ok(RemoteError::Unreachable(msg!("nobody reads any more")));
        }
    }
}

/// Runs the command until it ends well, or as often as it may.
fn done(ctx: &mut Context, command: &str, index: u64, line: &str, retries: u32) -> Result<(), Failure> {
    let mut pause = TRIES.0;
    for tried in 0..=retries {
        let failed = match once(command, index, line) {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => Message::words(status.to_string()),
            Err(error) => error.message(),
        };
        let event = index.to_string();
        if tried < retries {
            let seconds = pause.as_secs();
            let again = msg!(
                "event {event}: `{command}` failed ({failed}); again in {seconds} s",
                event,
                command,
                failed,
                seconds
            );
            ctx.err.line(&again);
            ctx.wait(tokio::time::sleep(jittered(pause)));
            pause = (pause * 2).min(TRIES.1);
        } else {
            return Err(Failure::refused(msg!(
                "event {event}: `{command}` failed {n} time ({failed}); the event counts as not done: mend the command, then watch again, which goes on from index {event}"
                    | "event {event}: `{command}` failed {n} times ({failed}); the event counts as not done: mend the command, then watch again, which goes on from index {event}",
                event,
                command,
                failed,
                n = u64::from(retries) + 1
            )));
        }
    }
    Ok(())
}

fn once(command: &str, index: u64, line: &str) -> std::io::Result<std::process::ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("COMMUNIQUE_INDEX", index.to_string())
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may be right all the same: its exit code says.
        let _ = stdin.write_all(format!("{line}\n").as_bytes());
    }
    child.wait()
}

/// What a stream ended with, and does not end with for ever.
pub(super) fn comes_back(error: &RemoteError) -> bool {
    match error {
        RemoteError::Unreachable(_) | RemoteError::OutcomeUnknown(_) => true,
        RemoteError::Refused { reason, .. } => matches!(
            reason.as_str(),
            "SLOW_READER" | "DRAINING" | "BUSY" | "STORE_FAILED" | "CLOCK_SUSPECT" | "DEADLINE_EXCEEDED"
        ),
        RemoteError::Local(_) | RemoteError::Io(_) | RemoteError::Contradicted(_) | RemoteError::NotKept(_) => false,
    }
}

/// Between half of a pause and all of it: a thousand watchers do not come back at once.
pub(super) fn jittered(pause: Duration) -> Duration {
    let [byte] = random::<1>();
    pause / 2 + pause * u32::from(byte) / 512
}

/// Where to go on, kept in a file.
struct Resume {
    file: PathBuf,
    founding: Digest,
    of: Option<CommuniqueId>,
    next: Option<u64>,
    /// Held as long as this lives: two that watch for one resume point would skip one another's events.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    founding: Digest,
    communique: Option<CommuniqueId>,
    next_index: u64,
}

impl Resume {
    fn open(file: PathBuf, founding: Digest, of: Option<CommuniqueId>) -> Result<Self, Failure> {
        let mut lock = file.clone().into_os_string();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let held = File::options().create(true).truncate(false).write(true).open(&lock);
        let held = held.map_err(|e| Failure::file(&lock, &e))?;
        held.try_lock().map_err(|_| {
            Failure::refused(msg!("{path}: another watch keeps this resume point; give `--state FILE`", path = file))
        })?;
        let next = if fs::exists(&file).map_err(|e| Failure::file(&file, &e))? {
            let point: Point = serde_json::from_slice(&profile::read(&file, RESUME_LIMIT)?).map_err(|e| {
                Failure::refused(msg!("{path}: no resume point: {fault}", path = file, fault = e.to_string()))
            })?;
            if (point.founding, point.communique) != (founding, of) {
                return Err(Failure::refused(msg!(
                    "{path}: the resume point of another exchange, or of another `--of`; give `--state FILE`",
                    path = file
                )));
            }
            Some(point.next_index)
        } else {
            None
        };
        Ok(Self { file, founding, of, next, _lock: held })
    }

    /// Keeps it: whole, and on the disk before this returns.
    fn keep(&mut self, next_index: u64) -> Result<(), Failure> {
        let failed = |e| Failure::file(&self.file, &e);
        let point = Point { founding: self.founding, communique: self.of, next_index };
        let bytes = serde_json::to_vec(&point).map_err(|e| failed(e.into()))?;
        let directory = self.file.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary = tempfile::Builder::new().prefix(".communique-").tempfile_in(directory).map_err(failed)?;
        temporary.write_all(&bytes).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
        temporary.persist(&self.file).map_err(|e| failed(e.error))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.next = Some(next_index);
        Ok(())
    }
}

/// What an entry says, and the objects that it names.
type Parts<'a> = (Entry, &'a [Vec<u8>]);

/// An entry's parts whose bytes are what it names; none of what lies in escrow.
fn parts(event: &EventView) -> Result<Option<Parts<'_>>, Refusal> {
    match &event.happening {
        Happening::Escrowed { .. } => Ok(None),
        Happening::Shown(logged) => {
            let entry: Entry = json::parse(&logged.entry)?;
            named(&entry, &logged.objects)?;
            Ok(Some((entry, &logged.objects)))
        }
    }
}

/// An event, for programs: one shape for every kind.
fn value(event: &EventView) -> Result<Value, Failure> {
    let next_index = event.index + 1;
    Ok(match (parts(event)?, &event.happening) {
        (Some((entry, objects)), _) => {
            let digests = entry.documents.iter().chain(&entry.statements);
            let all: Vec<_> = digests
                .zip(objects)
                .enumerate()
                .map(|(n, (digest, bytes))| {
                    let said = if n < entry.documents.len() { document(bytes) } else { claims(bytes) };
                    json!({ "digest": digest, if n < entry.documents.len() { "document" } else { "statement" }: said })
                })
                .collect();
            let (documents, statements) = all.split_at(entry.documents.len());
            json!({ "index": event.index, "next_index": next_index, "kind": entry.kind, "stream": entry.stream,
                "time": entry.time, "communique": of(&entry.stream), "documents": documents, "statements": statements,
                "escrowed": null })
        }
        (None, Happening::Escrowed { communique, party, act, revision }) => json!({ "index": event.index,
            "next_index": next_index, "kind": "act", "stream": StreamId::Communique(*communique), "time": null,
            "communique": communique, "documents": [], "statements": [],
            "escrowed": { "party": party, "act": act.as_str(), "revision": revision } }),
        (None, Happening::Shown(_)) => Value::Null,
    })
}

/// An event, for people, in one line.
fn words(event: &EventView) -> Result<Message, Failure> {
    // As it is typed.
    let index = event.index.to_string();
    Ok(match (parts(event)?, &event.happening) {
        (Some((entry, objects)), _) => {
            let first = objects.get(entry.documents.len()).map(|bytes| claims(bytes)).unwrap_or_default();
            let alone = entry.statements.len() == 1;
            let said =
                |member: &str| first[member].as_str().filter(|_| alone).map(|s| format!(" {s}")).unwrap_or_default();
            let kind = serde_json::to_value(entry.kind).unwrap_or_default();
            let kind = format!("{}{}{}", kind.as_str().unwrap_or_default(), said("party"), said("act"));
            let (time, stream) = (entry.time, entry.stream.to_string());
            match first["revision"].as_u64().filter(|_| alone) {
                Some(revision) => {
                    msg!("{index} {time} {stream}: {kind} revision {revision}", index, time, stream, kind, revision)
                }
                None => msg!("{index} {time} {stream}: {kind}", index, time, stream, kind),
            }
        }
        (None, Happening::Escrowed { communique, party, act, revision }) => msg!(
            "{index} communique/{communique}: {party} {act} revision {revision}, in escrow",
            index,
            communique,
            party,
            act = act.as_str(),
            revision
        ),
        (None, Happening::Shown(_)) => Message::words(index),
    })
}

fn of(stream: &StreamId) -> Option<CommuniqueId> {
    match stream {
        StreamId::Communique(id) | StreamId::Remarks(id) => Some(*id),
        StreamId::Exchange | StreamId::Party(_) => None,
    }
}

/// What a document says.
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// What a statement claims. Who acts on it verifies it first: `show` and `history` do.
fn claims(compact: &[u8]) -> Value {
    let payload = std::str::from_utf8(compact).ok().and_then(|s| s.split('.').nth(1)).and_then(unbase64);
    payload.map_or(Value::Null, |payload| document(&payload))
}
