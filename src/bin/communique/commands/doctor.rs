//! `doctor`: whether a profile will work, and for how long. Asks everything, changes nothing.

use communique::{
    client::{
        granted::{Force, Granted},
        keys::{KeyRef, token::PinState},
        reading::Pinned,
        remote::{Connection, Remote},
        session::Session,
    },
    domain::{
        act::ActKind,
        charter::Charter,
        document::Document,
        id::{PartyId, Role},
        key::Signer as _,
        life::CLOCK_TOLERANCE,
        powers::Powers,
        text::escape_line,
        time::Time,
    },
    pki::{authority::Authority, leaf::Leaf, pem},
};
use serde_json::json;

use super::{Context, now};
use crate::{confirm::Announced, errors::Failure, profile::Profile};

const DAY: i64 = 86_400;
/// What ends within so many seconds is warned of: time enough for an authority to act.
const SOON: i64 = 30 * DAY;
/// A clock that is further off than this, in seconds, is warned of; further than [`CLOCK_TOLERANCE`], acts are refused.
const CLOCK_SLACK: i64 = 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Good,
    Warning,
    Fault,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// One thing that was looked at: how it stands, and what to do next unless it is well.
struct Finding {
    level: Level,
    what: &'static str,
    words: String,
    next: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: &'static str, words: impl Into<String>) {
        self.0.push(Finding { level: Level::Good, what, words: words.into(), next: String::new() });
    }
    fn bad(&mut self, level: Level, what: &'static str, words: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { level, what, words: words.into(), next: next.into() });
    }
    /// How long something still holds.
    fn holds(&mut self, what: &'static str, name: &str, from: Time, until: Time, now: Time, next: &str) {
        let days = (until.unix() - now.unix()) / DAY;
        if now < from {
            self.bad(Level::Fault, what, format!("{name} holds only from {from} on"), next);
        } else if now > until {
            self.bad(Level::Fault, what, format!("{name} ended {until}"), next);
        } else if until.unix() - now.unix() < SOON {
            self.bad(Level::Warning, what, format!("{name} ends {until}, in {days} days"), next);
        } else {
            self.good(what, format!("{name} holds until {until}, {days} days more"));
        }
    }
    fn any(&self, level: Level) -> bool {
        self.0.iter().any(|finding| finding.level == level)
    }
}

pub fn run(ctx: &mut Context) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let mut found = Findings::default();
    found.good("tool", format!("communique {}", env!("CARGO_PKG_VERSION")));
    examine(ctx, &profile, &mut found);

    let sick = found.any(Level::Fault);
    if ctx.json {
        let rows = found.0.iter().map(|f| {
            let next = Some(&f.next).filter(|next| !next.is_empty());
            json!({ "level": f.level.as_str(), "what": f.what, "finding": f.words, "next": next })
        });
        ctx.out.json(&json!({ "good": !sick, "findings": rows.collect::<Vec<_>>() }));
    } else {
        for f in &found.0 {
            let next = if f.next.is_empty() { String::new() } else { format!("; {}", f.next) };
            ctx.out.line(&format!("{:<8} {}: {}{next}", f.level.as_str(), f.what, f.words));
        }
    }
    if sick { Err(Failure::said(1)) } else { Ok(()) }
}

fn examine(ctx: &Context, profile: &Profile, found: &mut Findings) {
    let now = now();
    let pinned = match profile.pinned() {
        Ok(pinned) => {
            let words = format!("the charter of {} is the one that is pinned", pinned.exchange());
            found.good("charter", words);
            Some(pinned)
        }
        Err(failure) => {
            found.bad(
                Level::Fault,
                "charter",
                crate::speech::say(&failure.sentence()),
                "correct charter and pin in the profile",
            );
            None
        }
    };
    let identity = own_certificate(profile, pinned.as_ref(), now, found);
    let key = signing_key(profile, found);
    let Some(pinned) = pinned else { return };
    match Authority::parse_member("charter.server_ca", pinned.charter().server_ca.as_bytes()) {
        Ok(authority) => {
            let (from, until) = (Time::from_unix(0), authority.not_after());
            let next = "the parties agree on a next charter with a new server CA";
            found.holds("server CA", "the exchange's authority, as the charter has it,", from, until, now, next);
        }
        Err(refusal) => {
            found.bad(Level::Fault, "server CA", refusal.to_string(), "ask the other parties for the charter")
        }
    }
    let road = match profile.road() {
        Ok(road) => road,
        Err(failure) => {
            return found.bad(
                Level::Fault,
                "address",
                crate::speech::say(&failure.sentence()),
                "correct the profile or the environment",
            );
        }
    };
    let Some((certificate, private, role, party)) = identity else { return };
    let connection = pinned.connection(road, certificate, private);
    if addresses(ctx, &connection, now, found) {
        exchange(ctx, pinned, &connection, role, party.as_ref().or(profile.party.as_ref()), key.as_ref(), found);
    } else {
        let words = "could not be asked: its clock, the charter in force, trust and full powers were not looked at";
        found.bad(
            Level::Fault,
            "exchange",
            words,
            "mend what is said of the addresses, or ask the operator whether it runs",
        );
    }
}

type Identity = (Vec<u8>, Vec<u8>, Option<Role>, Option<PartyId>);

fn own_certificate(profile: &Profile, pinned: Option<&Pinned>, now: Time, found: &mut Findings) -> Option<Identity> {
    const NEXT: &str = "ask your party's authority for a new certificate (communique certs issue)";
    const WHAT: &str = "certificate";
    let read = profile.identity().and_then(|(certificate, key)| {
        let leaf = pem::chain(&certificate)?.first().map(|der| Leaf::read(der)).transpose()?;
        Ok((certificate, key, leaf))
    });
    let (certificate, key, leaf) = match read {
        Ok((certificate, key, Some(leaf))) => (certificate, key, leaf),
        Ok(_) => {
            found.bad(Level::Fault, WHAT, "the file holds no certificate", NEXT);
            return None;
        }
        Err(failure) => {
            found.bad(Level::Fault, WHAT, crate::speech::say(&failure.sentence()), NEXT);
            return None;
        }
    };
    found.holds(WHAT, "yours", leaf.not_before, leaf.not_after, now, NEXT);
    let Some(id) = leaf.id else {
        found.bad(
            Level::Fault,
            "identity",
            "your certificate bears no SPIFFE id, so the exchange knows nobody by it",
            NEXT,
        );
        return Some((certificate, key, None, None));
    };
    let may = match id.role {
        Role::System | Role::Official => "reads, drafts and carries acts",
        Role::Authority => "hands in trust and full powers, and reads neither drafts nor packages",
        Role::Archivist => "fetches packages, and reads nothing that is not published",
        Role::Witness => "reads the charter alone",
    };
    let party = pinned.and_then(|p| p.charter().parties.iter().find(|party| party.trust_domain == id.trust_domain));
    match (party, pinned) {
        (None, Some(_)) => found.bad(
            Level::Fault,
            "identity",
            format!("{id} is in a trust domain that the charter gives no party"),
            "take a certificate of your party, or the charter of this exchange",
        ),
        (party, _) => {
            let of = party.map(|p| format!(" of {}", p.id)).unwrap_or_default();
            found.good("identity", format!("{id}{of}; role {} {may}", id.role));
        }
    }
    let party = party.map(|party| party.id.clone());
    if let (Some(named), Some(party)) = (&profile.party, &party)
        && named != party
    {
        let words = format!("the profile says {named}, the certificate is of {party}");
        found.bad(Level::Fault, "party", words, "correct party or certificate in the profile");
    }
    Some((certificate, key, Some(id.role), party))
}

fn signing_key(profile: &Profile, found: &mut Findings) -> Option<Announced> {
    let Ok(named) = profile.signing_key() else {
        found.good("signing key", "the profile names none; it only reads");
        return None;
    };
    if let KeyRef::File(file) = named
        && !file.exists()
        && Announced::of(named).is_ok()
    {
        let words = format!("{} is not there, only its public half", file.display());
        found.bad(Level::Fault, "signing key", words, "put the key where the profile says");
        return None;
    }
    match Announced::of(named) {
        Ok(key) => {
            let thumbprint = key.public().thumbprint();
            match key.pin_state() {
                Ok(None) => found.good("signing key", format!("{thumbprint} (its passphrase was not asked)")),
                Ok(Some(PinState::Usual)) => found.good("signing key", format!("{thumbprint} (its PIN was not asked)")),
                Ok(Some(state)) => {
                    let level = if state.open("").is_ok() { Level::Warning } else { Level::Fault };
                    found.bad(
                        level,
                        "signing key",
                        format!("{thumbprint}: {}", crate::speech::say(&state)),
                        "have the PIN at hand before you sign",
                    );
                }
                Err(failure) => found.bad(
                    Level::Fault,
                    "signing key",
                    crate::speech::say(&failure.sentence()),
                    "plug the token in again",
                ),
            }
            Some(key)
        }
        Err(failure) => {
            found.bad(
                Level::Fault,
                "signing key",
                crate::speech::say(&failure.sentence()),
                "correct signing_key in the profile",
            );
            None
        }
    }
}

/// Knocks at every address. Whether one of them opens.
fn addresses(ctx: &Context, connection: &Connection, now: Time, found: &mut Findings) -> bool {
    let addresses = connection.road.addresses();
    let tried: Vec<_> = addresses.iter().map(|a| (a, ctx.wait(Remote::knock(connection, a)))).collect();
    let reached = tried.iter().any(|(_, knock)| knock.is_ok());
    for (address, knock) in tried {
        let by = connection.road.proxy_for(address).map(|p| format!(" through the proxy {}", p.address()));
        let by = by.unwrap_or_else(|| " directly".into());
        match knock {
            Ok(der) => {
                found.good("address", format!("{address} answers{by}, by the charter's server CA"));
                if let Ok(leaf) = Leaf::read(&der) {
                    let next = "tell the exchange's operator";
                    let name = format!("the exchange's at {address}");
                    found.holds("server certificate", &name, leaf.not_before, leaf.not_after, now, next);
                }
            }
            Err(error) => {
                let level = if reached { Level::Warning } else { Level::Fault };
                let next =
                    "check address, proxy (HTTPS_PROXY, NO_PROXY), network, and whether your certificate still holds";
                found.bad(level, "address", format!("{address}{by}: {}", escape_line(&cause(&error))), next);
            }
        }
    }
    reached
}

/// Without what the sentence of an error advises in general.
fn cause(error: &communique::client::remote::RemoteError) -> String {
    match error {
        communique::client::remote::RemoteError::Unreachable(why) => crate::speech::say(why),
        other => crate::speech::say(other),
    }
}

/// What the exchange itself says.
fn exchange(
    ctx: &Context,
    pinned: Pinned,
    connection: &Connection,
    role: Option<Role>,
    party: Option<&PartyId>,
    key: Option<&Announced>,
    found: &mut Findings,
) {
    let remote = match ctx.wait(Remote::connect(connection)) {
        Ok(remote) => remote,
        Err(error) => return found.bad(Level::Fault, "exchange", cause(&error), "try again in a moment"),
    };
    let session = Session::over(pinned, remote);
    clock(ctx, &session, found);
    charter_in_force(ctx, &session, found);
    if !matches!(role, Some(Role::System | Role::Official | Role::Authority)) {
        return found.good("powers", "a certificate of this role reads neither trust nor full powers, and needs none");
    }
    trust(ctx, &session, party, found);
    if let Some(key) = key {
        powers(ctx, &session, party, key, found);
    }
}

fn clock(ctx: &Context, session: &Session, found: &mut Findings) {
    let before = now();
    let there = match ctx.wait(session.remote().clock()) {
        Ok(there) => there,
        Err(error) => return found.bad(Level::Warning, "clock", cause(&error), "compare the clocks by hand"),
    };
    let after = now();
    judge_clock(before, there, after, found);
}

/// The answer was made at some moment between asking and hearing.
fn judge_clock(before: Time, there: Time, after: Time, found: &mut Findings) {
    let ahead = (before.unix() - there.unix()).max(0);
    let behind = (there.unix() - after.unix()).max(0);
    let (off, how) = if ahead > 0 { (ahead, "ahead of") } else { (behind, "behind") };
    let next = "set this machine's clock (NTP); if it is right, tell the exchange's operator";
    let words = format!("this machine is {off} s {how} the exchange");
    if off > CLOCK_TOLERANCE {
        found.bad(Level::Fault, "clock", format!("{words}; acts are refused beyond {CLOCK_TOLERANCE} s"), next);
    } else if off > CLOCK_SLACK {
        found.bad(Level::Warning, "clock", words, next);
    } else {
        found.good("clock", format!("within {CLOCK_SLACK} s of the exchange's, which shows {there}"));
    }
}

fn charter_in_force(ctx: &Context, session: &Session, found: &mut Findings) {
    const WHAT: &str = "charter in force";
    let view = match ctx.wait(session.remote().charter(None)) {
        Ok(view) => view,
        Err(error) => return found.bad(Level::Fault, WHAT, cause(&error), "try again in a moment"),
    };
    let ours = session.pinned().charter().digest();
    match Document::<Charter>::parse(view.charter) {
        Ok(charter) if charter.digest() == ours => {
            found.good(WHAT, format!("version {}, the one that is pinned", charter.version));
        }
        Ok(charter) => {
            let words = format!("version {} is {}, your profile pins {ours}", charter.version, charter.digest());
            found.bad(Level::Fault, WHAT, words, "ask the other parties by another way which charter they adopted");
        }
        Err(refusal) => found.bad(Level::Fault, WHAT, refusal.to_string(), "tell the exchange's operator"),
    }
}

fn trust(ctx: &Context, session: &Session, party: Option<&PartyId>, found: &mut Findings) {
    const WHAT: &str = "your party's CA";
    let Some(party) = party else { return };
    let trusts = match ctx.wait(session.trusts()) {
        Ok(trusts) => trusts,
        Err(error) => return found.bad(Level::Warning, WHAT, cause(&error), "see communique trust list"),
    };
    let Some(ours) = trusts.iter().find(|trust| trust.body().party == *party) else {
        return found.bad(Level::Fault, WHAT, "no trust statement is in force", "sign one: communique trust sign");
    };
    let next = "sign a trust statement with a new authority before it ends (communique trust sign)";
    let ends: Vec<_> =
        ours.body().certificates.iter().filter_map(|der| Authority::parse(der.as_bytes()).ok()).collect();
    // One that ended may stand beside its successor.
    if let Some(last) = ends.iter().map(Authority::not_after).max() {
        let name = format!("statement {}: the authority that holds longest of {}", ours.body().serial, ends.len());
        found.holds(WHAT, &name, Time::from_unix(0), last, now(), next);
    }
}

fn powers(ctx: &Context, session: &Session, party: Option<&PartyId>, key: &Announced, found: &mut Findings) {
    const WHAT: &str = "full powers";
    const NEXT: &str = "ask your authority for a new grant (communique powers grant)";
    let grants = match ctx.wait(session.my_grants(key, party)) {
        Ok(grants) => grants,
        Err(error) => return found.bad(Level::Warning, WHAT, cause(&error), "see communique powers list"),
    };
    let now = now();
    let force = |g: &Granted| g.force(session.pinned(), now);
    let live: Vec<_> = grants.iter().filter(|g| !force(g).ended()).collect();
    match (live.as_slice(), grants.last()) {
        ([], Some(last)) => {
            let words = match force(last) {
                Force::Expired(ended) => format!("the last that name your key ended {ended}"),
                other => format!("the last that name your key do not stand: {other}"),
            };
            found.bad(Level::Fault, WHAT, words, NEXT);
        }
        ([], None) => {
            found.bad(Level::Fault, WHAT, "none in the log name your key, so nothing can be signed with it", NEXT);
        }
        (live, _) => {
            for grant in live {
                let body = grant.powers.body();
                let name = format!("{} may {} in {};", body.holder.id, acts(body), scope(body));
                if body.not_before > now {
                    found.bad(
                        Level::Warning,
                        WHAT,
                        format!("{name} they hold from {} on", body.not_before),
                        "wait until then",
                    );
                } else {
                    let until = format!("{name} the grant");
                    found.holds(WHAT, &until, body.not_before, body.not_after, now, NEXT);
                }
            }
        }
    }
}

fn acts(powers: &Powers) -> String {
    if powers.acts.len() == ActKind::ALL.len() {
        return "do every act".into();
    }
    powers.acts.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ")
}

fn scope(powers: &Powers) -> String {
    match &powers.scope {
        None => "every communiqué".into(),
        Some(scope) if scope.len() == 1 => "one communiqué alone".into(),
        Some(scope) => format!("{} communiqués alone", scope.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_unix(2_000_000_000).plus(seconds)
    }

    #[test]
    fn what_ends_is_said_in_time() {
        for (from, until, level, words) in [
            (-1, SOON, "ok", "30 days more"),
            (-1, SOON - 1, "warning", "in 29 days"),
            (-1, 0, "warning", "in 0 days"),
            (-9, -1, "fault", "ended"),
            (1, SOON * 2, "fault", "only from"),
        ] {
            let mut found = Findings::default();
            found.holds("certificate", "yours", at(from), at(until), at(0), "renew it");
            let [finding] = found.0.as_slice() else { panic!("one finding") };
            assert_eq!(finding.level.as_str(), level, "{from} to {until}");
            assert!(finding.words.contains(words), "{}", finding.words);
            assert_eq!(finding.next.is_empty(), level == "ok");
        }
    }

    #[test]
    fn a_clock_is_judged_by_both_ends_of_the_call() {
        for (before, there, after, level, words) in [
            (0, 0, 0, "ok", "within"),
            (0, 30, 60, "ok", "within"),
            (31, 0, 32, "warning", "31 s ahead of"),
            (0, 131, 100, "warning", "31 s behind"),
            (0, 301, 0, "fault", "301 s behind"),
            (301, 0, 301, "fault", "acts are refused beyond 300 s"),
        ] {
            let mut found = Findings::default();
            judge_clock(at(before), at(there), at(after), &mut found);
            let [finding] = found.0.as_slice() else { panic!("one finding") };
            assert_eq!(finding.level.as_str(), level, "{before} {there} {after}");
            assert!(finding.words.contains(words), "{}", finding.words);
        }
    }
}
