//! `witness`: cosigns the heads of the exchange's log, each only if it continues the last; at an interval, and for whoever asks over HTTP.
//! With `--audit` the log is audited beside it.

mod auditor;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use communique::{
    client::{
        remote::RemoteError,
        session::Session,
        witnessing::{Cosigned, Kept, Unable, Witness, WitnessError},
    },
    http::witness::{self as door, Declined, Judge},
    log::tree::Hash,
    msg,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::Notify,
    time::{Instant, sleep_until},
};

use self::auditor::{Auditor, Stirred};
use super::{Context, now};
use crate::{args, confirm::Announced, errors::Failure, profile::Profile, render};

pub fn run(ctx: &mut Context, args: &args::Witness) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let founding = profile.pinned()?.founding();
    // What may not run is told before anybody is asked for a passphrase.
    let mut auditor = Auditor::wanted(args, &profile)?;
    let announced = Announced::of(&args.key)?;
    let kept = Kept::open(&announced.place()?, founding)?;
    let signer = announced.unlock(&args.passphrase)?;
    let witness = Arc::new(Witness::new(kept, Arc::from(signer)));
    // A profile that cannot be used, and a key that is no witness's, are told at once; what breaks later comes back by itself.
    let mut session = Some(open(ctx, &profile)?);
    if let Some(session) = &session {
        witness.follow(session.pinned())?;
    }
    if let Some(auditor) = &mut auditor {
        auditor.first(ctx, &witness)?;
    }
    let asked = Arc::new(Notify::new());
    if let Some(address) = args.listen {
        listen(ctx, address, &witness, &asked)?;
    }
    let (mut handed_in, mut said) = (None, None);
    loop {
        match look(ctx, &witness, &mut session, handed_in) {
            Ok(Some(cosigned)) => {
                handed_in = Some(cosigned.checkpoint.size());
                said = handed_in;
                tell(ctx, cosigned.checkpoint.size(), cosigned.checkpoint.root(), false);
            }
            Ok(None) => {}
            Err(error) if !args.once && comes_back(&error) => {
                session = None;
                let seconds = args.interval;
                let why = Failure::from(error).sentence();
                ctx.err.line(&msg!("looking again in {seconds} s: {why}", seconds, why));
            }
            Err(error) => return Err(ends(ctx, &witness, auditor.as_mut(), error)),
        }
        if args.once {
            return auditor.map_or(Ok(()), |auditor| auditor.result());
        }
        let next = Instant::now() + Duration::from_secs(args.interval);
        loop {
            if let Err(doubt) = witness.undoubted() {
                return Err(ends(ctx, &witness, auditor.as_mut(), doubt));
            }
            if let Some((size, root)) = witness.last().filter(|(size, _)| said != Some(*size)) {
                said = Some(size);
                tell(ctx, size, root, true);
            }
            ctx.out.flush();
            let seen = said.unwrap_or_default();
            let wakes = async {
                let stirred = async {
                    match &mut auditor {
                        Some(auditor) => auditor.stirred(seen).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = sleep_until(next) => Woken::Look,
                    () = asked.notified() => Woken::Asked,
                    stirred = stirred => Woken::By(stirred),
                }
            };
            match (ctx.wait(wakes), &mut auditor) {
                (Woken::Look, _) => break,
                (Woken::By(Stirred::Due), Some(auditor)) => auditor.begin(ctx, &witness),
                (Woken::By(Stirred::Ended(came)), Some(auditor)) => auditor.ended(ctx, &witness, came)?,
                (Woken::By(Stirred::Stalled), Some(auditor)) => auditor.stalled(ctx),
                (Woken::Asked | Woken::By(_), _) => {}
            }
        }
    }
}

/// Why there is something to do.
enum Woken {
    /// It is time to look.
    Look,
    /// Somebody asked over HTTP.
    Asked,
    By(Stirred),
}

/// Why it ends: if an audit brought the witness into doubt, that tells it.
fn ends(ctx: &mut Context, witness: &Witness, auditor: Option<&mut Auditor>, error: WitnessError) -> Failure {
    let told = match (&error, auditor) {
        (WitnessError::Doubt(doubt), Some(auditor)) if doubt.audited.is_some() => auditor.accuses(ctx, witness),
        _ => Ok(()),
    };
    told.err().unwrap_or_else(|| error.into())
}

/// A session of this profile: without what a party keeps for itself, which has its own lock.
fn open(ctx: &Context, profile: &Profile) -> Result<Session, Failure> {
    let (certificate, key) = profile.identity()?;
    Ok(ctx.wait(Session::open_by(profile.pinned()?, profile.road()?, certificate, key, now()))?)
}

/// One look at the exchange, with a new connection where the last one broke.
fn look(
    ctx: &Context,
    witness: &Witness,
    session: &mut Option<Session>,
    handed_in: Option<u64>,
) -> Result<Option<Cosigned>, WitnessError> {
    let profile = ctx.profile();
    let looked = async {
        let open = match session.take() {
            Some(open) => open,
            // Read anew: certificates are renewed meanwhile.
            None => {
                let read = || -> Result<_, Failure> {
                    let profile = profile?;
                    let (certificate, key) = profile.identity()?;
                    Ok((profile.pinned()?, profile.road()?, certificate, key))
                };
                let (pinned, road, certificate, key) =
                    read().map_err(|failure| RemoteError::Unreachable(failure.sentence()))?;
                Session::open_by(pinned, road, certificate, key, now()).await?
            }
        };
        let mut pinned = open.pinned().clone();
        pinned.follow(&open.remote().charters().await?, now()).map_err(RemoteError::from)?;
        witness.follow(&pinned)?;
        let cosigned = witness.look(open.remote(), handed_in, now).await?;
        *session = Some(open);
        Ok(cosigned)
    };
    ctx.wait(looked)
}

/// What a later look may find mended.
fn comes_back(error: &WitnessError) -> bool {
    matches!(
        error,
        WitnessError::Remote(
            RemoteError::Unreachable(_) | RemoteError::OutcomeUnknown(_) | RemoteError::Refused { .. }
        )
    )
}

/// A head that was cosigned: for who asked, or handed in to the exchange.
fn tell(ctx: &mut Context, size: u64, root: Hash, asked: bool) {
    if ctx.json {
        let value = json!({ "size": size, "root": root.to_string(), "asked": asked });
        ctx.out.raw(format!("{}\n", render::json_line(&value)).as_bytes());
    } else {
        let told = if asked {
            msg!("{n} entry: cosigned, for who asked" | "{n} entries: cosigned, for who asked", n = size)
        } else {
            msg!("{n} entry: cosigned, and handed in" | "{n} entries: cosigned, and handed in", n = size)
        };
        ctx.out.line(&told);
    }
}

/// Serves who asks, for as long as the program runs.
fn listen(ctx: &mut Context, address: SocketAddr, witness: &Arc<Witness>, asked: &Arc<Notify>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let address = address.to_string();
        Failure::refused(msg!("cannot listen on {address}: {error}; another process may have the port", address, error))
    };
    let listener = ctx.wait(TcpListener::bind(address)).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let judge = Arc::new(Desk { witness: witness.clone(), asked: asked.clone() });
    ctx.network.spawn(door::serve(listener, judge, std::future::pending()));
    if ctx.json {
        ctx.out.raw(format!("{}\n", render::json_line(&json!({ "listening": bound.to_string() }))).as_bytes());
    } else {
        ctx.out.line(&msg!("a witness for who asks: {address}", address = format!("http://{bound}/")));
    }
    ctx.out.flush();
    Ok(())
}

/// What a listener asks, with this machine's clock.
struct Desk {
    witness: Arc<Witness>,
    asked: Arc<Notify>,
}

impl Judge for Desk {
    fn add_checkpoint(&self, body: &[u8]) -> Result<String, Declined> {
        let judged = self.witness.add_checkpoint(body, now());
        // Whoever waits says what was cosigned, or why nothing more is.
        if matches!(judged, Ok(_) | Err(Unable::Ours(_))) {
            self.asked.notify_one();
        }
        judged.map(|cosigned| cosigned.line).map_err(|unable| match unable {
            Unable::No(no) => Declined::No(no),
            Unable::Ours(_) => Declined::Unable,
        })
    }
    fn checkpoint(&self, origin: &str) -> Option<String> {
        self.witness.checkpoint(origin)
    }
}
