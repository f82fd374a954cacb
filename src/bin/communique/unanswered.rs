//! Acts that were sent and had no answer: kept until there is one, so that the same command sends the same bytes. A new signature
//! would be another act, and an exchange that holds the first one could only refuse it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use communique::{
    client::{remote::RemoteError, session::Session},
    domain::{
        act::{Act, ActKind},
        document::Document,
        id::{CommuniqueId, Digest},
        json::Form as _,
        manifest::Manifest,
        message::Message,
        refusal::{Class, Refusal},
        statement::{STATEMENT_LIMIT, Statement, Unverified},
        view::Receipt,
    },
    msg,
};
use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};

use crate::{commands::Context, errors::Failure, profile};

/// Most acts that are looked through: one is kept only while nobody knows what became of it.
const KEPT_LIMIT: usize = 256;

/// Acts without an answer, under one pinned charter.
pub struct Unanswered(Option<PathBuf>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    act: String,
    manifest: Option<String>,
}

/// One of them.
pub struct Kept {
    path: PathBuf,
    /// As it was sent.
    pub compact: String,
    /// The manifest that it proposes, if it does.
    pub manifest: Option<Document<Manifest>>,
    /// What it says.
    pub act: Act,
}

impl Unanswered {
    /// Of this charter, in the user's state directory. Without a home directory, none is ever kept.
    pub fn under(pin: Digest) -> Self {
        let base = etcetera::choose_base_strategy().ok();
        let state = base.map(|base| base.state_dir().unwrap_or_else(|| base.data_dir()));
        Self(state.map(|state| state.join("communique").join("unanswered").join(pin.to_string())))
    }

    /// Sends an act for the first time, and keeps it for as long as it is not known what became of it. Where it cannot be
    /// kept it is sent all the same, with a warning.
    ///
    /// # Errors
    /// As [`Session::carry`].
    pub fn send(
        &self,
        ctx: &mut Context,
        session: &Session,
        act: &Statement<Act>,
        manifest: Option<&Document<Manifest>>,
    ) -> Result<Receipt, RemoteError> {
        let kept = self.keep(act.compact(), manifest);
        if let Err(failure) = &kept {
            let why = failure.sentence();
            ctx.err
                .line(&msg!("If no answer comes, this cannot be sent again as it is, for want of a place: {why}", why));
        }
        ctx.stage.sends();
        let answer = ctx.wait(session.carry(act.compact(), manifest));
        ctx.stage.ends();
        match kept {
            Ok(kept) => kept.settle(answer, false),
            Err(_) => answer,
        }
    }

    /// Keeps an act that is about to be sent; readable by its user alone.
    fn keep(&self, compact: &str, manifest: Option<&Document<Manifest>>) -> Result<Kept, Failure> {
        let Some(place) = &self.0 else { return Err(Failure::usage(msg!("there is no home directory"))) };
        let failed = |e| Failure::file(place, &e);
        let mut directory = fs::DirBuilder::new();
        directory.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        directory.create(place).map_err(failed)?;
        let path = place.join(format!("{}.json", Digest::of(compact.as_bytes())));
        let words = manifest.map(|m| String::from_utf8_lossy(m.bytes()).into_owned());
        let sheet = Sheet { act: compact.into(), manifest: words };
        let bytes = serde_json::to_vec(&sheet).map_err(|e| Failure::refused(Message::words(e.to_string())))?;
        // A sheet that is cut short by a crash is no sheet: it is put in place whole.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(place).map_err(failed)?;
        std::io::Write::write_all(&mut file, &bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        read(&path).ok_or_else(|| Failure::refused(msg!("{path}: cannot be read back", path)))
    }

    /// One that this describes, if it is there.
    pub fn find(&self, described: impl Fn(&Kept) -> bool) -> Option<Kept> {
        let entries = fs::read_dir(self.0.as_ref()?).ok()?.filter_map(Result::ok).take(KEPT_LIMIT);
        entries.filter_map(|entry| read(&entry.path())).find(described)
    }
    /// An act of this kind on this communiqué, under one of these full powers.
    pub fn act(&self, kind: ActKind, id: CommuniqueId, grants: &[Digest]) -> Option<Kept> {
        self.find(|kept| kept.act.act == kind && kept.act.communique == id && grants.contains(&kept.act.grant))
    }
    /// A proposal of what this manifest says; of a first one, the communiqué's id is chosen anew each time.
    pub fn proposal(&self, manifest: &Manifest, grants: &[Digest]) -> Option<Kept> {
        self.find(|kept| {
            let Some(before) = &kept.manifest else { return false };
            let mut same = Manifest::clone(before);
            same.salt = manifest.salt.clone();
            if manifest.revision == 1 {
                same.communique = manifest.communique;
            }
            same == *manifest && grants.contains(&kept.act.grant)
        })
    }
}

impl Kept {
    /// Whether it is still kept.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }
    /// Forgets it once it is known what became of it, and hands the answer on. Of one that was sent before, an answer that
    /// does not judge it says nothing of the first time.
    pub fn settle<T>(&self, answer: Result<T, RemoteError>, sent_before: bool) -> Result<T, RemoteError> {
        forget_if_known(&self.path, &answer, sent_before);
        answer
    }
}

fn forget_if_known<T>(path: &Path, answer: &Result<T, RemoteError>, sent_before: bool) {
    let unknown = match answer {
        Ok(_) => false,
        // Taken, as it seems, but not proven, or not kept here: the same bytes get the same answer again.
        Err(RemoteError::OutcomeUnknown(_) | RemoteError::Contradicted(_) | RemoteError::NotKept(_)) => true,
        Err(RemoteError::Refused { reason, .. }) => sent_before && !judges(reason),
        Err(_) => sent_before,
    };
    if !unknown {
        // If it stays, it is sent again and gets the same answer.
        let _ = fs::remove_file(path);
    }
}

/// Whether a refusal was made after the exchange had looked whether it holds the same already.
fn judges(reason: &str) -> bool {
    let class = Refusal::TABLE.iter().find(|(name, _)| *name == reason).map(|(_, class)| *class);
    let before = matches!(reason, "NOT_PERMITTED" | "NOT_YOUR_PARTY");
    let unheard =
        matches!(class, None | Some(Class::Unavailable | Class::Exhausted | Class::Unauthenticated | Class::Internal));
    !before && !unheard
}

fn read(path: &Path) -> Option<Kept> {
    if path.extension().is_none_or(|ending| ending != "json") {
        return None;
    }
    let bytes = profile::read(path, STATEMENT_LIMIT + 2 * Manifest::LIMIT).ok()?;
    let sheet: Sheet = serde_json::from_slice(&bytes).ok()?;
    let act = Unverified::<Act>::parse(&sheet.act).ok()?.claims().clone();
    let manifest = match sheet.manifest {
        Some(words) => Some(Document::<Manifest>::parse(words.into_bytes()).ok()?),
        None => None,
    };
    Some(Kept { path: path.to_owned(), compact: sheet.act, manifest, act })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_judgement_ends_the_doubt() {
        for reason in ["BUSY", "DRAINING", "LIMIT_REACHED", "IDENTITY_UNKNOWN", "NOT_PERMITTED", "SOMETHING_NEW"] {
            assert!(!judges(reason), "{reason}");
        }
        for reason in ["NOT_NOW", "GRANT_FORBIDS", "STALE_REVISION", "SEAT_TAKEN"] {
            assert!(judges(reason), "{reason}");
        }
        let dir = tempfile::tempdir().unwrap();
        let refused = |reason: &str| {
            Err::<(), _>(RemoteError::Refused { reason: reason.into(), sentence: String::new(), request_id: None })
        };
        let unknown = || Err(RemoteError::OutcomeUnknown(Message::words("")));
        let away = || Err(RemoteError::Unreachable(Message::words("")));
        for (answer, sent_before, stays) in [
            (Ok(()), false, false),
            (unknown(), false, true),
            (Err(RemoteError::NotKept(std::io::ErrorKind::StorageFull.into())), false, true),
            (away(), false, false),
            (refused("BUSY"), false, false),
            (unknown(), true, true),
            (away(), true, true),
            (refused("BUSY"), true, true),
            (refused("NOT_NOW"), true, false),
        ] {
            let path = dir.path().join("sheet");
            fs::write(&path, "").unwrap();
            forget_if_known(&path, &answer, sent_before);
            assert_eq!(path.exists(), stays, "{answer:?} {sent_before}");
        }
    }
}
