//! Full powers as the log has them: verified, and whether they still stand.

use super::reading::Pinned;
use crate::{
    domain::{
        entry::{Entry, Kind},
        json,
        message::{Fact, Tell},
        powers::{Powers, Revocation},
        refusal::{Refusal, same},
        statement::{Statement, is_by},
        time::Time,
        view::PowersView,
    },
    msg,
};

/// Full powers, with their end if they were revoked.
#[derive(Clone, Debug)]
pub struct Granted {
    /// What they say.
    pub powers: Statement<Powers>,
    /// Their revocation, and when it was logged: the exchange's word.
    pub revoked: Option<(Statement<Revocation>, Time)>,
}

/// Whether full powers can be acted under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Force {
    /// They can.
    Stands,
    /// They hold from a later time on.
    NotYet(Time),
    /// They ended by themselves.
    Expired(Time),
    /// They were revoked.
    Revoked(Time),
    /// The key that gave them is no longer its party's authority.
    Outlived,
    /// Their party is none under the charter in force.
    Left,
}

impl Granted {
    /// Checks what the exchange shows of full powers.
    ///
    /// # Errors
    /// What does not verify under an authority key that the party has or had; a revocation of other powers.
    pub fn check(pinned: &Pinned, view: &PowersView) -> Result<Self, Refusal> {
        let powers = pinned.powers(&view.statement)?;
        let revoked = match &view.revocation {
            None => None,
            Some(attested) => {
                let revocation = pinned.revocation(&attested.statement)?;
                same("revocation.grant", powers.digest(), revocation.body().grant)?;
                same("revocation.party", &powers.body().party, &revocation.body().party)?;
                let entry: Entry = json::parse(&attested.receipt.entry)?;
                if entry.kind != Kind::Revocation || entry.statements != [revocation.digest()] {
                    return Err(Refusal::disagrees("receipt", revocation.digest(), msg!("an entry of something else")));
                }
                Some((revocation, entry.time))
            }
        };
        Ok(Self { powers, revoked })
    }
    /// Whether they can be acted under now, by the newest charter known.
    #[must_use]
    pub fn force(&self, pinned: &Pinned, now: Time) -> Force {
        let body = self.powers.body();
        let authority = pinned.standing().party(&body.party).map(|party| party.authority);
        match (&self.revoked, authority) {
            (Some((_, time)), _) => Force::Revoked(*time),
            (None, Err(_)) => Force::Left,
            (None, Ok(key)) if !is_by::<Powers>(self.powers.compact(), &key) => Force::Outlived,
            (None, Ok(_)) if now > body.not_after => Force::Expired(body.not_after),
            (None, Ok(_)) if now < body.not_before => Force::NotYet(body.not_before),
            (None, Ok(_)) => Force::Stands,
        }
    }
}

impl Force {
    /// Whether they ended for good: a new grant is needed.
    #[must_use]
    pub fn ended(&self) -> bool {
        !matches!(self, Force::Stands | Force::NotYet(_))
    }
}

impl Tell for Force {
    fn tell(&self) -> Fact {
        match self {
            Force::Stands => msg!("full powers" => "in force"),
            Force::NotYet(time) => msg!("in force from {time} on", time),
            Force::Expired(time) => msg!("expired {time}", time),
            Force::Revoked(time) => msg!("revoked {time}", time),
            Force::Outlived => msg!("ended with the authority key that gave them"),
            Force::Left => msg!("ended: the party has left"),
        }
        .into()
    }
}
impl std::fmt::Display for Force {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tell().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        entry::StreamId,
        id::Salt,
        samples::{World, key, noon, party},
        view::{Attested, Receipt},
        words::Prose,
    };

    fn revocation(world: &World, powers: &Statement<Powers>, with: &str) -> Statement<Revocation> {
        let body = Revocation {
            founding: world.charter.digest(),
            exchange: world.charter.exchange.clone(),
            party: powers.body().party.clone(),
            grant: powers.digest(),
            reason: Prose::new("Fin de mission.").unwrap(),
            time: noon(),
        };
        Statement::sign(body, &key(with)).unwrap()
    }

    #[test]
    fn powers_stand_until_something_ends_them() {
        let world = World::new(&[("north", 1), ("south", 1)]);
        let pinned = Pinned::new(world.charter.bytes(), world.charter.digest()).unwrap();
        let powers = Statement::sign(world.powers("north", "a1"), &key("authority of north")).unwrap();
        let receipt = |statement| {
            let entry = Entry {
                documents: vec![],
                files: None,
                kind: Kind::Revocation,
                previous: None,
                salt: Salt::new([0; 32]),
                seq: 0,
                statements: vec![statement],
                stream: StreamId::Party(party("north")),
                time: noon(),
            };
            Receipt { index: 1, entry: json::encode(&entry), proof: None }
        };
        let view = |end: Option<(&Statement<Revocation>, Receipt)>| PowersView {
            statement: powers.compact().into(),
            receipt: Receipt { index: 0, entry: vec![], proof: None },
            revocation: end.map(|(r, receipt)| Attested { statement: r.compact().into(), receipt }),
        };
        let stands = Granted::check(&pinned, &view(None)).unwrap();
        let body = powers.body();
        for (now, force) in [
            (noon(), Force::Stands),
            (body.not_before.plus(-1), Force::NotYet(body.not_before)),
            (body.not_after.plus(1), Force::Expired(body.not_after)),
        ] {
            assert_eq!(stands.force(&pinned, now), force);
        }
        let end = revocation(&world, &powers, "authority of north");
        let ended = Granted::check(&pinned, &view(Some((&end, receipt(end.digest()))))).unwrap();
        assert_eq!(ended.force(&pinned, noon()), Force::Revoked(noon()));
        // By another's key, of other powers, or by a receipt of something else.
        let foreign = revocation(&world, &powers, "authority of south");
        assert!(Granted::check(&pinned, &view(Some((&foreign, receipt(foreign.digest()))))).is_err());
        let other = Statement::sign(world.powers("north", "b1"), &key("authority of north")).unwrap();
        let other = revocation(&world, &other, "authority of north");
        assert!(Granted::check(&pinned, &view(Some((&other, receipt(other.digest()))))).is_err());
        assert!(Granted::check(&pinned, &view(Some((&end, receipt(other.digest()))))).is_err());
    }
}
