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
        message::{Message, Tell},
        powers::Powers,
        time::Time,
    },
    msg,
    pki::{authority::Authority, leaf::Leaf, pem},
};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::{Context, now};
use crate::{confirm::Announced, errors::Failure, profile::Profile};

const DAY: i64 = 86_400;
/// What ends within so many seconds is warned of: time enough for an authority to act.
const SOON: i64 = 30 * DAY;
/// A clock that is further off than this, in seconds, is warned of; further than [`CLOCK_TOLERANCE`], acts are refused.
const CLOCK_SLACK: i64 = 30;

/// How wide the level is, in columns.
const LEVEL: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Good,
    Warning,
    Fault,
}

impl Level {
    /// For people.
    fn words(self) -> Message {
        match self {
            Self::Good => msg!("ok"),
            Self::Warning => msg!("warning"),
            Self::Fault => msg!("fault"),
        }
    }
    /// For programs.
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
    what: Message,
    words: Message,
    next: Option<Message>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: Message, words: Message) {
        self.0.push(Finding { level: Level::Good, what, words, next: None });
    }
    fn bad(&mut self, level: Level, what: Message, words: impl Tell, next: Message) {
        self.0.push(Finding { level, what, words: words.message(), next: Some(next) });
    }
    /// How long something still holds.
    fn holds(&mut self, what: Message, name: Message, from: Time, until: Time, now: Time, next: Message) {
        let n = u64::try_from((until.unix() - now.unix()) / DAY).unwrap_or_default();
        if now < from {
            self.bad(Level::Fault, what, msg!("{name} holds only from {from} on", name, from), next);
        } else if now > until {
            self.bad(Level::Fault, what, msg!("{name} ended {until}", name, until), next);
        } else if until.unix() - now.unix() < SOON {
            let words = msg!("{name} ends {until}, in one day" | "{name} ends {until}, in {n} days", name, until, n);
            self.bad(Level::Warning, what, words, next);
        } else {
            let words = msg!(
                "{name} holds until {until}, one day more" | "{name} holds until {until}, {n} days more",
                name,
                until,
                n
            );
            self.good(what, words);
        }
    }
    fn any(&self, level: Level) -> bool {
        self.0.iter().any(|finding| finding.level == level)
    }
}

pub fn run(ctx: &mut Context) -> Result<(), Failure> {
    let profile = ctx.profile()?;
    let mut found = Findings::default();
    found.good(msg!("tool"), msg!("communique {version}", version = env!("CARGO_PKG_VERSION")));
    examine(ctx, &profile, &mut found);

    let sick = found.any(Level::Fault);
    if ctx.json {
        let rows = found.0.iter().map(|f| {
            json!({ "level": f.level.as_str(), "what": f.what.to_string(), "finding": f.words.to_string(),
                "next": f.next.as_ref().map(ToString::to_string) })
        });
        ctx.out.json(&json!({ "good": !sick, "findings": rows.collect::<Vec<_>>() }));
    } else {
        for f in &found.0 {
            let Finding { level, what, words: finding, next } = f;
            let words = match next {
                None => msg!("{what}: {finding}", what, finding),
                Some(next) => msg!("{what}: {finding}; {next}", what, finding, next),
            };
            // The levels stand in a column, in every language.
            let level = crate::speech::say(&level.words());
            let room = " ".repeat(LEVEL.saturating_sub(level.width()));
            ctx.out.shown(&format!("{level}{room} {}", crate::speech::shown(&words)));
        }
    }
    if sick { Err(Failure::said(1)) } else { Ok(()) }
}

fn examine(ctx: &Context, profile: &Profile, found: &mut Findings) {
    let now = now();
    let pinned = match profile.pinned() {
        Ok(pinned) => {
            let words = msg!("the charter of {exchange} is the one that is pinned", exchange = pinned.exchange());
            found.good(msg!("charter"), words);
            Some(pinned)
        }
        Err(failure) => {
            found.bad(
                Level::Fault,
                msg!("charter"),
                failure.sentence(),
                msg!("correct charter and pin in the profile"),
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
            let next = msg!("the parties agree on a next charter with a new server CA");
            found.holds(
                msg!("server CA"),
                msg!("the exchange's authority (as the charter has it)"),
                from,
                until,
                now,
                next,
            );
        }
        Err(refusal) => {
            found.bad(Level::Fault, msg!("server CA"), refusal, msg!("ask the other parties for the charter"))
        }
    }
    let road = match profile.road() {
        Ok(road) => road,
        Err(failure) => {
            return found.bad(
                Level::Fault,
                msg!("address"),
                failure.sentence(),
                msg!("correct the profile or the environment"),
            );
        }
    };
    let Some((certificate, private, role, party)) = identity else { return };
    let connection = pinned.connection(road, certificate, private);
    if addresses(ctx, &connection, now, found) {
        exchange(ctx, pinned, &connection, role, party.as_ref().or(profile.party.as_ref()), key.as_ref(), found);
    } else {
        let words =
            msg!("could not be asked: its clock, the charter in force, trust and full powers were not looked at");
        found.bad(
            Level::Fault,
            msg!("exchange"),
            words,
            msg!("mend what is said of the addresses, or ask the operator whether it runs"),
        );
    }
}

type Identity = (Vec<u8>, Vec<u8>, Option<Role>, Option<PartyId>);

fn own_certificate(profile: &Profile, pinned: Option<&Pinned>, now: Time, found: &mut Findings) -> Option<Identity> {
    let next = || msg!("ask your party's authority for a new certificate (`communique certs issue`)");
    let what = || msg!("certificate");
    let read = profile.identity().and_then(|(certificate, key)| {
        let leaf = pem::chain(&certificate)?.first().map(|der| Leaf::read(der)).transpose()?;
        Ok((certificate, key, leaf))
    });
    let (certificate, key, leaf) = match read {
        Ok((certificate, key, Some(leaf))) => (certificate, key, leaf),
        Ok(_) => {
            found.bad(Level::Fault, what(), msg!("the file holds no certificate"), next());
            return None;
        }
        Err(failure) => {
            found.bad(Level::Fault, what(), failure.sentence(), next());
            return None;
        }
    };
    found.holds(what(), msg!("yours"), leaf.not_before, leaf.not_after, now, next());
    let Some(id) = leaf.id else {
        found.bad(
            Level::Fault,
            msg!("identity"),
            msg!("your certificate bears no SPIFFE id, so the exchange knows nobody by it"),
            next(),
        );
        return Some((certificate, key, None, None));
    };
    let may = match id.role {
        Role::System | Role::Official => msg!("reads, drafts and carries acts"),
        Role::Authority => msg!("hands in trust and full powers, and reads neither drafts nor packages"),
        Role::Archivist => msg!("fetches packages, and reads nothing that is not published"),
        Role::Witness => msg!("reads the charter alone"),
    };
    let party = pinned.and_then(|p| p.charter().parties.iter().find(|party| party.trust_domain == id.trust_domain));
    match (party, pinned) {
        (None, Some(_)) => found.bad(
            Level::Fault,
            msg!("identity"),
            msg!("{id} is in a trust domain that the charter gives no party", id),
            msg!("take a certificate of your party, or the charter of this exchange"),
        ),
        (party, _) => {
            let role = id.role;
            let words = match party {
                Some(party) => msg!("{id} of {party}; role {role} {may}", id, party = party.id, role, may),
                None => msg!("{id}; role {role} {may}", id, role, may),
            };
            found.good(msg!("identity"), words);
        }
    }
    let party = party.map(|party| party.id.clone());
    if let (Some(named), Some(party)) = (&profile.party, &party)
        && named != party
    {
        let words = msg!("the profile says {named}, the certificate is of {party}", named, party);
        found.bad(Level::Fault, msg!("party"), words, msg!("correct party or certificate in the profile"));
    }
    Some((certificate, key, Some(id.role), party))
}

fn signing_key(profile: &Profile, found: &mut Findings) -> Option<Announced> {
    let Ok(named) = profile.signing_key() else {
        found.good(msg!("signing key"), msg!("the profile names none; it only reads"));
        return None;
    };
    if let KeyRef::File(file) = named
        && !file.exists()
        && Announced::of(named).is_ok()
    {
        let words = msg!("{file} is not there, only its public half", file);
        found.bad(Level::Fault, msg!("signing key"), words, msg!("put the key where the profile says"));
        return None;
    }
    match Announced::of(named) {
        Ok(key) => {
            let thumbprint = key.public().thumbprint();
            match key.pin_state() {
                Ok(None) => {
                    found.good(msg!("signing key"), msg!("{thumbprint} (its passphrase was not asked)", thumbprint))
                }
                Ok(Some(PinState::Usual)) => {
                    found.good(msg!("signing key"), msg!("{thumbprint} (its PIN was not asked)", thumbprint))
                }
                Ok(Some(state)) => {
                    let level = if state.open("").is_ok() { Level::Warning } else { Level::Fault };
                    found.bad(
                        level,
                        msg!("signing key"),
                        msg!("{thumbprint}: {state}", thumbprint, state),
                        msg!("have the PIN at hand before you sign"),
                    );
                }
                Err(failure) => {
                    found.bad(Level::Fault, msg!("signing key"), failure.sentence(), msg!("plug the token in again"))
                }
            }
            Some(key)
        }
        Err(failure) => {
            found.bad(
                Level::Fault,
                msg!("signing key"),
                failure.sentence(),
                msg!("correct `signing_key` in the profile"),
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
        let proxy = connection.road.proxy_for(address).map(|proxy| proxy.address().to_string());
        match knock {
            Ok(der) => {
                let words = match proxy {
                    Some(proxy) => msg!(
                        "{address} answers through the proxy {proxy}, by the charter's server CA",
                        address = address.to_string(),
                        proxy
                    ),
                    None => {
                        msg!("{address} answers directly, by the charter's server CA", address = address.to_string())
                    }
                };
                found.good(msg!("address"), words);
                if let Ok(leaf) = Leaf::read(&der) {
                    let next = msg!("tell the exchange's operator");
                    let name = msg!("the exchange's at {address}", address = address.to_string());
                    found.holds(msg!("server certificate"), name, leaf.not_before, leaf.not_after, now, next);
                }
            }
            Err(error) => {
                let level = if reached { Level::Warning } else { Level::Fault };
                let next = msg!(
                    "check address, proxy (`HTTPS_PROXY`, `NO_PROXY`), network, and whether your certificate still holds"
                );
                let (address, cause) = (address.to_string(), cause(&error));
                let words = match proxy {
                    Some(proxy) => {
                        msg!("{address} through the proxy {proxy}: {cause}", address, proxy, cause)
                    }
                    None => msg!("{address} directly: {cause}", address, cause),
                };
                found.bad(level, msg!("address"), words, next);
            }
        }
    }
    reached
}

/// Without what the sentence of an error advises in general.
fn cause(error: &communique::client::remote::RemoteError) -> Message {
    match error {
        communique::client::remote::RemoteError::Unreachable(why) => why.message(),
        other => other.message(),
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
        Err(error) => return found.bad(Level::Fault, msg!("exchange"), cause(&error), msg!("try again in a moment")),
    };
    let session = Session::over(pinned, remote);
    clock(ctx, &session, found);
    charter_in_force(ctx, &session, found);
    if !matches!(role, Some(Role::System | Role::Official | Role::Authority)) {
        return found.good(
            msg!("powers"),
            msg!("a certificate of this role reads neither trust nor full powers, and needs none"),
        );
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
        Err(error) => {
            return found.bad(Level::Warning, msg!("clock"), cause(&error), msg!("compare the clocks by hand"));
        }
    };
    let after = now();
    judge_clock(before, there, after, found);
}

/// The answer was made at some moment between asking and hearing.
fn judge_clock(before: Time, there: Time, after: Time, found: &mut Findings) {
    let ahead = (before.unix() - there.unix()).max(0);
    let behind = (there.unix() - after.unix()).max(0);
    let next = msg!("set this machine's clock (NTP); if it is right, tell the exchange's operator");
    let off = ahead.max(behind);
    let seconds = u64::try_from(off).unwrap_or_default();
    let limit = CLOCK_TOLERANCE.unsigned_abs();
    let what = msg!("clock");
    if off > CLOCK_TOLERANCE && ahead > 0 {
        let words = msg!(
            "this machine is {seconds} s ahead of the exchange; acts are refused beyond {limit} s",
            seconds,
            limit
        );
        found.bad(Level::Fault, what, words, next);
    } else if off > CLOCK_TOLERANCE {
        let words =
            msg!("this machine is {seconds} s behind the exchange; acts are refused beyond {limit} s", seconds, limit);
        found.bad(Level::Fault, what, words, next);
    } else if off > CLOCK_SLACK && ahead > 0 {
        found.bad(Level::Warning, what, msg!("this machine is {seconds} s ahead of the exchange", seconds), next);
    } else if off > CLOCK_SLACK {
        found.bad(Level::Warning, what, msg!("this machine is {seconds} s behind the exchange", seconds), next);
    } else {
        let slack = CLOCK_SLACK.unsigned_abs();
        let words = msg!("within {slack} s of the exchange's, which shows {time}", slack, time = there);
        found.good(what, words);
    }
}

fn charter_in_force(ctx: &Context, session: &Session, found: &mut Findings) {
    let what = || msg!("charter in force");
    let view = match ctx.wait(session.remote().charter(None)) {
        Ok(view) => view,
        Err(error) => return found.bad(Level::Fault, what(), cause(&error), msg!("try again in a moment")),
    };
    let ours = session.pinned().charter().digest();
    match Document::<Charter>::parse(view.charter) {
        Ok(charter) if charter.digest() == ours => {
            found.good(what(), msg!("version {version}, the one that is pinned", version = charter.version));
        }
        Ok(charter) => {
            let words = msg!(
                "version {version} is {fingerprint}, your profile pins {pinned}",
                version = charter.version,
                fingerprint = charter.digest(),
                pinned = ours
            );
            found.bad(
                Level::Fault,
                what(),
                words,
                msg!("ask the other parties by another way which charter they adopted"),
            );
        }
        Err(refusal) => found.bad(Level::Fault, what(), refusal, msg!("tell the exchange's operator")),
    }
}

fn trust(ctx: &Context, session: &Session, party: Option<&PartyId>, found: &mut Findings) {
    let what = || msg!("your party's CA");
    let Some(party) = party else { return };
    let trusts = match ctx.wait(session.trusts()) {
        Ok(trusts) => trusts,
        Err(error) => return found.bad(Level::Warning, what(), cause(&error), msg!("see `communique trust list`")),
    };
    let Some(ours) = trusts.iter().find(|trust| trust.body().party == *party) else {
        return found.bad(
            Level::Fault,
            what(),
            msg!("no trust statement is in force"),
            msg!("sign one: `communique trust sign`"),
        );
    };
    let next = msg!("sign a trust statement with a new authority before it ends (`communique trust sign`)");
    let ends: Vec<_> =
        ours.body().certificates.iter().filter_map(|der| Authority::parse(der.as_bytes()).ok()).collect();
    // One that ended may stand beside its successor.
    if let Some(last) = ends.iter().map(Authority::not_after).max() {
        let name = msg!(
            "statement {serial}: the authority that holds longest of {count}",
            serial = ours.body().serial,
            count = ends.len()
        );
        found.holds(what(), name, Time::from_unix(0), last, now(), next);
    }
}

fn powers(ctx: &Context, session: &Session, party: Option<&PartyId>, key: &Announced, found: &mut Findings) {
    let what = || msg!("full powers");
    let next = || msg!("ask your authority for a new grant (`communique powers grant`)");
    let grants = match ctx.wait(session.my_grants(key, party)) {
        Ok(grants) => grants,
        Err(error) => return found.bad(Level::Warning, what(), cause(&error), msg!("see `communique powers list`")),
    };
    let now = now();
    let force = |g: &Granted| g.force(session.pinned(), now);
    let live: Vec<_> = grants.iter().filter(|g| !force(g).ended()).collect();
    match (live.as_slice(), grants.last()) {
        ([], Some(last)) => {
            let words = match force(last) {
                Force::Expired(ended) => msg!("the last that name your key ended {time}", time = ended),
                other => msg!("the last that name your key do not stand: {why}", why = other),
            };
            found.bad(Level::Fault, what(), words, next());
        }
        ([], None) => {
            found.bad(
                Level::Fault,
                what(),
                msg!("none in the log name your key, so nothing can be signed with it"),
                next(),
            );
        }
        (live, _) => {
            for grant in live {
                let body = grant.powers.body();
                let (holder, acts, scope) = (&body.holder.id, acts(body), scope(body));
                if body.not_before > now {
                    let words = msg!(
                        "{holder} may {acts} in {scope}; they hold from {time} on",
                        holder,
                        acts,
                        scope,
                        time = body.not_before
                    );
                    found.bad(Level::Warning, what(), words, msg!("wait until then"));
                } else {
                    let name = msg!("{holder} may {acts} in {scope}; the grant", holder, acts, scope);
                    found.holds(what(), name, body.not_before, body.not_after, now, next());
                }
            }
        }
    }
}

fn acts(powers: &Powers) -> Message {
    if powers.acts.len() == ActKind::ALL.len() {
        return msg!("do every act");
    }
    super::powers::acts(powers)
}

fn scope(powers: &Powers) -> Message {
    match &powers.scope {
        None => msg!("every communiqué"),
        Some(scope) => msg!("one communiqué alone" | "{n} communiqués alone", n = scope.len()),
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
            found.holds(msg!("certificate"), msg!("yours"), at(from), at(until), at(0), msg!("renew it"));
            let [finding] = found.0.as_slice() else { panic!("one finding") };
            assert_eq!(finding.level.as_str(), level, "{from} to {until}");
            assert!(finding.words.to_string().contains(words), "{}", finding.words);
            assert_eq!(finding.next.is_none(), level == "ok");
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
            assert!(finding.words.to_string().contains(words), "{}", finding.words);
        }
    }
}
