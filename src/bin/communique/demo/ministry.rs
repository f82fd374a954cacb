//! A sample ministry: its folder, its certificates, its keys.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use communique::{
    app::machine::ThisMachine,
    client::{
        chartering::{self, Terms},
        keys::keyfile,
        reading::Pinned,
        session::Session,
    },
    domain::{
        act::ActKind,
        charter::{Der, Party},
        id::{Digest, HolderId, PartyId, Role, SpiffeId, TrustDomain},
        json,
        key::{SecretKey, Signer as _},
        powers::{Holder, Powers},
        refusal::Refusal,
        statement::Statement,
        time::Time,
        words::{Line, Names},
    },
    pki::issue::{CertificateAuthority, Issued},
};

use super::{
    CharterDocument, Fault,
    parties::{PARTIES, PASSPHRASE, Sample, SampleOfficial},
};

const DAY: i64 = 86_400;

/// An official of a sample ministry.
pub struct Official {
    pub sample: &'static SampleOfficial,
    pub key: SecretKey,
    identity: Issued,
}

/// A sample ministry.
pub struct Ministry {
    pub sample: &'static Sample,
    pub id: PartyId,
    pub officials: Vec<Official>,
    authority: SecretKey,
    ca: CertificateAuthority,
    administrator: Issued,
    archivist: Issued,
    dir: PathBuf,
    now: Time,
}

impl Ministry {
    /// Makes all of them, side by side: encrypting a key file is slow on purpose.
    pub async fn make_all(dir: &Path, now: Time) -> Result<Vec<Self>, Fault> {
        let makers: Vec<_> = PARTIES
            .iter()
            .map(|sample| {
                let dir = dir.join("parties").join(sample.id);
                tokio::task::spawn_blocking(move || Self::make(sample, dir, now))
            })
            .collect();
        let mut ministries = Vec::new();
        for maker in makers {
            ministries.push(maker.await??);
        }
        Ok(ministries)
    }

    fn make(sample: &'static Sample, dir: PathBuf, now: Time) -> Result<Self, Fault> {
        fs::create_dir_all(&dir)?;
        let (start, end) = (now.plus(-60), now.plus(365 * DAY));
        let ca = CertificateAuthority::new(&format!("{} sample CA", sample.id), start, now.plus(3650 * DAY))?;
        keep(&dir, "ca", &ca.to_pem())?;
        let domain = trust_domain(sample)?;
        let issue = |role: Role, name: &str| -> Result<Issued, Fault> {
            let id = SpiffeId { trust_domain: domain.clone(), role, name: name.into() };
            let issued = ca.issue_client(&id, start, end)?;
            keep(&dir, &format!("{role}.{name}"), &issued)?;
            Ok(issued)
        };
        let authority = new_key(&dir, "authority-key.pem")?;
        let mut officials = Vec::new();
        for person in sample.officials {
            let key = new_key(&dir, &format!("{}-key.pem", person.holder))?;
            officials.push(Official { sample: person, key, identity: issue(Role::Official, person.holder)? });
        }
        let (administrator, archivist) = (issue(Role::Authority, "administrator")?, issue(Role::Archivist, "archive")?);
        let id = PartyId::parse(sample.id)?;
        Ok(Self { sample, id, officials, authority, ca, administrator, archivist, dir, now })
    }

    /// Its name, in the reader's language.
    pub fn name(&self) -> &'static str {
        let tag = crate::speech::language().tag();
        let [.., (_, english)] = self.sample.names;
        self.sample.names.iter().find(|(lang, _)| *lang == tag).map_or(english, |(_, name)| name)
    }
    /// How the party describes itself for the charter.
    pub fn described(&self) -> Result<Party, Fault> {
        let party = Party {
            id: self.id.clone(),
            names: names(&self.sample.names)?,
            trust_domain: trust_domain(self.sample)?,
            authority: self.authority.public(),
            quorum: self.sample.quorum,
            witness: None,
        };
        fs::write(self.dir.join("party.json"), json::encode(&party))?;
        Ok(party)
    }

    /// Full powers for each official: every act, everywhere, for a year.
    pub fn powers(&self, pinned: &Pinned) -> Result<Vec<Statement<Powers>>, Fault> {
        let grant = |official: &Official| -> Result<Statement<Powers>, Fault> {
            let person = official.sample;
            let holder = Holder {
                id: HolderId::parse(person.holder)?,
                names: names(&[("en", person.name)])?,
                titles: names(&person.titles)?,
            };
            let terms = Terms {
                holder,
                key: official.key.public(),
                acts: BTreeSet::from(ActKind::ALL),
                scope: None,
                not_before: self.now.plus(-60),
                not_after: self.now.plus(365 * DAY),
            };
            let powers = chartering::grant(pinned, &self.authority, terms)?;
            fs::write(self.dir.join(format!("{}-powers.jws", person.holder)), powers.compact())?;
            Ok(powers)
        };
        self.officials.iter().map(grant).collect()
    }

    /// A session of an official, the administrator, the archivist.
    pub async fn official(&self, n: usize, pinned: &Pinned, address: &str) -> Result<Session, Fault> {
        self.session(&self.officials[n].identity, pinned, address).await
    }
    pub async fn administrator(&self, pinned: &Pinned, address: &str) -> Result<Session, Fault> {
        self.session(&self.administrator, pinned, address).await
    }
    pub async fn archivist(&self, pinned: &Pinned, address: &str) -> Result<Session, Fault> {
        self.session(&self.archivist, pinned, address).await
    }
    async fn session(&self, identity: &Issued, pinned: &Pinned, address: &str) -> Result<Session, Fault> {
        let (certificate, key) = (identity.cert_pem.as_bytes().to_vec(), identity.key_pem.as_bytes().to_vec());
        Ok(Session::open(pinned.clone(), address, certificate, key, self.now).await?)
    }

    /// A ready profile of the party's first official.
    pub fn write_profiles(&self, address: &str, pin: Digest) -> Result<(), Fault> {
        let holder = self.officials[0].sample.holder;
        let profile = format!(
            "# A client profile: `communique --profile THIS …`. Paths are relative to this file.\n\
             address = \"{address}\"\ncharter = \"../../charter.json\"\npin = \"{pin}\"\nparty = \"{}\"\n\
             certificate = \"official.{holder}.pem\"\nkey = \"official.{holder}-tls-key.pem\"\n\
             signing_key = \"{holder}-key.pem\"\n",
            self.id
        );
        Ok(fs::write(self.dir.join("profile.toml"), profile)?)
    }
}

/// Every party's adoption and first trust statement; copies stay in the party's folder.
pub fn consents(ministries: &[Ministry], charter: &CharterDocument) -> Result<(Vec<String>, Vec<String>), Fault> {
    let pinned = Pinned::new(charter.bytes(), charter.digest())?;
    let (mut adoptions, mut trusts) = (Vec::new(), Vec::new());
    for m in ministries {
        let now = ThisMachine.now();
        let adoption = chartering::adopt(charter, &m.authority, now)?;
        let ca = Der::new(m.ca.der().to_vec())?;
        let trust = chartering::trust(&pinned, &m.authority, 1, [ca], [], now)?;
        fs::write(m.dir.join("adoption.jws"), adoption.compact())?;
        fs::write(m.dir.join("trust.jws"), trust.compact())?;
        adoptions.push(adoption.compact().to_owned());
        trusts.push(trust.compact().to_owned());
    }
    Ok((adoptions, trusts))
}

fn trust_domain(sample: &Sample) -> Result<TrustDomain, Refusal> {
    TrustDomain::parse(format!("mfa.{}.example", sample.id))
}

fn names(by_language: &[(&str, &str)]) -> Result<Names, Refusal> {
    let each = |(lang, words): &(&str, &str)| Ok((lang.parse()?, Line::new(*words)?));
    Names::new(by_language.iter().map(each).collect::<Result<Vec<_>, Refusal>>()?)
}

/// A new key in an encrypted file, with its public half beside it.
fn new_key(dir: &Path, file: &str) -> Result<SecretKey, Fault> {
    let key = SecretKey::from_seed(&ThisMachine.bytes());
    keyfile::write_encrypted(&dir.join(file), &key, PASSPHRASE)?;
    fs::write(dir.join(format!("{file}.jwk")), json::encode(&key.public()))?;
    Ok(key)
}

/// A certificate and its key, which its owner alone can read.
fn keep(dir: &Path, name: &str, issued: &Issued) -> Result<(), Fault> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    fs::write(dir.join(format!("{name}.pem")), &issued.cert_pem)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(dir.join(format!("{name}-tls-key.pem")))?.write_all(issued.key_pem.as_bytes())?;
    Ok(())
}
