//! The audit beside a witness: under another profile of the same party, since a witness's certificate may not read what stands in the
//! log. It runs on a task of its own, so that an exchange that keeps it waiting keeps nobody else waiting. A lie ends the witnessing;
//! what only keeps it from being audited does not, and is told when it begins and when it ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use communique::{
    client::{
        auditing::Report,
        reading::Pinned,
        receipts::Receipts,
        remote::{Connection, Remote, RemoteError},
        session::Session,
        witnessing::Witness,
    },
    domain::{
        id::{Digest, PartyId, Role, TrustDomain},
        message::Message,
    },
    msg,
    pki::client::caller,
};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::super::{Context, audit, now, receipts_of};
use crate::{args, errors::Failure, profile::Profile, render};

/// How long the first look at a head waits for the first audit, which goes on after that: what it finds so soon is not cosigned once
/// more, and a long log, or an exchange that does not answer, does not keep the witness from its work.
const HEAD_START: Duration = Duration::from_secs(60);

/// How long an audit may come no further before that is told: ten times what an exchange lets pass between two signs of life, unless
/// its operator chose otherwise.
const STALLED: Duration = Duration::from_secs(300);

/// What comes of waiting for an auditor.
pub enum Stirred {
    /// The next audit is due.
    Due,
    /// One has ended.
    Ended(Came),
    /// One has come no further for long, and goes on. Said once.
    Stalled,
}

/// What an audit came to.
pub type Came = Result<Done, Trouble>;

/// An audit that was done.
pub struct Done {
    report: Report,
    own: PartyId,
}

/// Why it was not done.
pub enum Trouble {
    /// A later one may find it mended.
    Passing(Failure),
    /// The exchange shows what does not hold, and nothing that it signed shows that to others.
    Lasting(Failure),
}

/// Audits for a witness, one audit at a time.
pub struct Auditor {
    profile: String,
    domain: TrustDomain,
    founding: Digest,
    pause: Duration,
    once: bool,
    under_way: Option<UnderWay>,
    /// When the next may begin.
    next: Instant,
    /// How many entries have been audited.
    reached: Option<u64>,
    /// Whether the last was kept from being done; and the exit code that it would have had alone.
    unable: Option<u8>,
}

/// An audit under way.
struct UnderWay {
    task: JoinHandle<Came>,
    /// The entry that it has come to.
    at: Arc<AtomicU64>,
    /// The one that it was seen at, and until when it may stay there.
    seen: u64,
    until: Instant,
}

impl UnderWay {
    fn new(task: JoinHandle<Came>, at: Arc<AtomicU64>, patience: Duration) -> Self {
        Self { task, at, seen: 0, until: Instant::now() + patience }
    }
    /// What it came to; none if it comes no further for longer than this.
    async fn came(&mut self, patience: Duration) -> Option<Came> {
        loop {
            tokio::select! {
                came = &mut self.task => return Some(came.unwrap_or_else(|_| Err(Trouble::Passing(broken())))),
                () = sleep_until(self.until) => {}
            }
            let at = self.at.load(Ordering::Relaxed);
            self.until = Instant::now() + patience;
            if std::mem::replace(&mut self.seen, at) == at {
                return None;
            }
        }
    }
}

fn broken() -> Failure {
    Failure::refused(msg!("the audit has a fault and stopped; please report it"))
}

/// All that an audit needs, but for the network.
struct Ready {
    pinned: Pinned,
    connection: Connection,
    domain: TrustDomain,
    receipts: Receipts,
}

impl Auditor {
    /// For the witness of this profile, if it wants one.
    ///
    /// # Errors
    /// A profile that cannot be used, of another party or exchange, or of a role that may not read: with code 64.
    pub fn wanted(args: &args::Witness, witness: &Profile) -> Result<Option<Self>, Failure> {
        let Some(name) = &args.audit else { return Ok(None) };
        let auditor = Self {
            profile: name.clone(),
            domain: caller(&witness.identity()?.0)?.trust_domain,
            founding: witness.pinned()?.founding(),
            pause: Duration::from_secs(args.audit_interval),
            once: args.once,
            under_way: None,
            next: Instant::now(),
            reached: None,
            unable: None,
        };
        auditor.ready()?;
        Ok(Some(auditor))
    }
    /// The profile, read anew: certificates are renewed meanwhile.
    fn ready(&self) -> Result<Ready, Failure> {
        let profile = Profile::load(&self.profile)?;
        let no = |why: Message| Failure::usage(why).of(msg!("`--audit {profile}`", profile = self.profile));
        let pinned = profile.pinned()?;
        if pinned.founding() != self.founding {
            return Err(no(msg!(
                "this profile is of another exchange than the witness's: its charter 1 has the fingerprint {actual}, and not {expected}; give a profile with the same pin",
                actual = pinned.founding(),
                expected = self.founding
            )));
        }
        let (certificate, key) = profile.identity()?;
        let id = caller(&certificate)?;
        if id.trust_domain != self.domain {
            return Err(no(msg!(
                "this profile's certificate is of {actual}, and the witness's of {expected}; give a profile of the same party",
                actual = id.trust_domain,
                expected = self.domain
            )));
        }
        if !matches!(id.role, Role::System | Role::Official) {
            return Err(no(msg!(
                "the certificate of this profile has the role {role}, which may not read what stands in the log; give a profile with a certificate of role `system` or `official` (`communique certs issue --role system`)",
                role = id.role
            )));
        }
        let receipts = receipts_of(&self.profile, &pinned)?;
        Ok(Ready {
            connection: pinned.connection(profile.road()?, certificate, key),
            pinned,
            domain: id.trust_domain,
            receipts,
        })
    }

    /// The first audit, before anything is cosigned: with `--once` to its end, else for as long as [`HEAD_START`].
    ///
    /// # Errors
    /// As of [`Self::ended`].
    pub fn first(&mut self, ctx: &mut Context, witness: &Arc<Witness>) -> Result<(), Failure> {
        self.begin(ctx, witness);
        let at_most = if self.once { Duration::MAX } else { HEAD_START };
        match ctx.wait(async { timeout(at_most, self.stirred(0)).await }) {
            Ok(Stirred::Ended(came)) => self.ended(ctx, witness, came),
            Ok(Stirred::Stalled) => {
                self.stalled(ctx);
                Ok(())
            }
            Ok(Stirred::Due) | Err(_) => Ok(()),
        }
    }
    /// Begins an audit, if none is under way.
    pub fn begin(&mut self, ctx: &Context, witness: &Arc<Witness>) {
        if self.under_way.is_some() {
            return;
        }
        self.next = Instant::now() + self.pause;
        let (ready, witness, at) = (self.ready(), witness.clone(), Arc::new(AtomicU64::new(0)));
        let reached = at.clone();
        let task = async move { done(ready.map_err(Trouble::Passing)?, &witness, &reached).await };
        self.under_way = Some(UnderWay::new(ctx.network.spawn(task), at, STALLED));
    }
    /// Waits until an audit has ended; or until the next is due, where the log has more entries than were audited, or not even the
    /// last could be done. Nothing is lost if it is not waited for to the end.
    pub async fn stirred(&mut self, size: u64) -> Stirred {
        if let Some(under_way) = &mut self.under_way {
            loop {
                match under_way.came(STALLED).await {
                    Some(came) => {
                        self.under_way = None;
                        return Stirred::Ended(came);
                    }
                    None if self.unable.is_none() => return Stirred::Stalled,
                    None => {}
                }
            }
        }
        if self.unable.is_none() && self.reached.is_some_and(|reached| size <= reached) {
            std::future::pending::<()>().await;
        }
        sleep_until(self.next).await;
        Stirred::Due
    }
    /// Tells what an audit came to.
    ///
    /// # Errors
    /// A lie, which the witness has kept as its doubt; what does not hold.
    pub fn ended(&mut self, ctx: &mut Context, witness: &Witness, came: Came) -> Result<(), Failure> {
        let Done { report, own } = match came {
            Ok(done) => done,
            Err(Trouble::Lasting(failure)) => return Err(failure.of(msg!("the log cannot be audited"))),
            Err(Trouble::Passing(failure)) => {
                self.outage(ctx, &failure);
                return Ok(());
            }
        };
        if self.unable.take().is_some() && !ctx.json {
            ctx.err.line(&msg!("the log is audited again"));
        }
        if ctx.json {
            line(ctx, &json!({ "audited": audit::value(&report) }));
        } else {
            tell(ctx, &report, &own);
        }
        ctx.out.flush();
        if report.lie.is_some() {
            witness.undoubted()?;
            return Err(Failure::refused(msg!("a lie was found")));
        }
        self.reached = report.head.map(|(size, _)| size);
        Ok(())
    }
    /// The audit that has brought the witness into doubt tells why.
    ///
    /// # Errors
    /// As of [`Self::ended`].
    pub fn accuses(&mut self, ctx: &mut Context, witness: &Witness) -> Result<(), Failure> {
        if self.under_way.is_none() {
            return Ok(());
        }
        match ctx.wait(self.stirred(0)) {
            Stirred::Ended(came) => self.ended(ctx, witness, came),
            Stirred::Due | Stirred::Stalled => Ok(()),
        }
    }
    /// Tells that the audit under way comes no further.
    pub fn stalled(&mut self, ctx: &mut Context) {
        let why = msg!("it shows nothing more for {seconds} s", seconds = STALLED.as_secs());
        let failure = RemoteError::Unreachable(why).into();
        self.outage(ctx, &failure);
    }
    /// What was not audited, where the program ends here.
    ///
    /// # Errors
    /// The code of what kept it from being done; the words were told.
    pub fn result(&self) -> Result<(), Failure> {
        self.unable.map_or(Ok(()), |code| Err(Failure::said(code)))
    }
    /// Told once, until one is done again.
    fn outage(&mut self, ctx: &mut Context, failure: &Failure) {
        if self.unable.replace(failure.code).is_some() {
            return;
        }
        if ctx.json {
            line(ctx, &json!({ "not_audited": failure.sentence().to_string() }));
            ctx.out.flush();
        } else if self.once {
            let why = failure.sentence();
            ctx.err.line(&msg!("the log was not audited: {why}; the head is cosigned all the same", why));
        } else {
            let (why, seconds) = (failure.sentence(), self.pause.as_secs());
            ctx.err.line(&msg!(
                "the log is not audited: {why}; auditing again every {seconds} s, and cosigning without it",
                why,
                seconds
            ));
        }
    }
}

/// One audit.
async fn done(ready: Ready, witness: &Witness, at: &AtomicU64) -> Came {
    let passing = |error: RemoteError| Trouble::Passing(error.into());
    // What does not hold of what the exchange sends is told apart from a certificate that cannot be used.
    let remote = Remote::connect(&ready.connection).await.map_err(passing)?;
    let judged = |error: RemoteError| match error {
        RemoteError::Local(_) | RemoteError::Contradicted(_) => Trouble::Lasting(error.into()),
        other => Trouble::Passing(other.into()),
    };
    let mut session = Session::begun(ready.pinned, remote, now()).await.map_err(judged)?;
    let own = audit::party_of(&session, &ready.domain).map_err(Trouble::Passing)?;
    let heard = |reached, _| at.store(reached, Ordering::Relaxed);
    let report = witness.audit(&mut session, ready.receipts, &own, heard, now).await.map_err(judged)?;
    Ok(Done { report, own })
}

fn tell(ctx: &mut Context, report: &Report, own: &PartyId) {
    if let Some((size, _)) = report.head {
        let told = if size == report.from {
            msg!(
                "{n} entry: audited, nothing is new; no lie was found"
                    | "{n} entries: audited, nothing is new; no lie was found",
                n = size
            )
        } else {
            msg!(
                "{n} entry: audited, from entry {from}; no lie was found"
                    | "{n} entries: audited, from entry {from}; no lie was found",
                n = size,
                from = report.from
            )
        };
        ctx.out.line(&told);
    }
    audit::mine(ctx, own, report);
    if let Some(lie) = &report.lie {
        audit::accusation(ctx, lie);
    }
}

fn line(ctx: &mut Context, value: &Value) {
    ctx.out.raw(format!("{}\n", render::json_line(value)).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_audit_that_comes_no_further_is_told_apart_from_one_that_does() {
        let patience = Duration::from_millis(200);
        let at = Arc::new(AtomicU64::new(0));
        let moves = at.clone();
        // Three times as long as it may stand still; then it stands still.
        let task = tokio::spawn(async move {
            for entry in 1..=12 {
                tokio::time::sleep(patience / 4).await;
                moves.store(entry, Ordering::Relaxed);
            }
            std::future::pending().await
        });
        let mut under_way = UnderWay::new(task, at.clone(), patience);
        let stalled = timeout(50 * patience, under_way.came(patience)).await;
        assert!(stalled.is_ok_and(|came| came.is_none()));
        assert_eq!(at.load(Ordering::Relaxed), 12);
        // It is waited for all the same.
        under_way.task.abort();
        assert!(matches!(under_way.came(patience).await, Some(Err(Trouble::Passing(_)))));
    }
}
