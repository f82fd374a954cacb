//! The negotiation that the demo plays.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use communique::{
    app::machine::ThisMachine,
    client::{
        acting::{self, Circumstances},
        drafting,
        reading::{Pinned, Reading},
        session::Session,
    },
    domain::{
        act::ActKind,
        document::Document,
        id::{CommuniqueId, Lang, Salt},
        life::State,
        manifest::Manifest,
        message::Tell,
        words::{Line, Prose},
    },
    msg,
};

use super::{
    Fault, Teller, column,
    ministry::{Ministry, Official},
    parties::{REASON, SECOND, THIRD},
};
use crate::render;

/// An official at work: the person, and a session with his or her certificate.
struct Desk<'a> {
    ministry: &'a Ministry,
    official: &'a Official,
    session: Session,
}

impl<'a> Desk<'a> {
    async fn sit(ministry: &'a Ministry, n: usize, pinned: &Pinned, address: &str) -> Result<Self, Fault> {
        let session = ministry.official(n, pinned, address).await?;
        Ok(Self { ministry, official: &ministry.officials[n], session })
    }

    /// Proposes the draft in this folder.
    async fn propose(
        &self,
        id: CommuniqueId,
        folder: &Path,
        previous: Option<&Document<Manifest>>,
    ) -> Result<Document<Manifest>, Fault> {
        let description = drafting::read(&folder.join("draft.toml"))?;
        let place = match previous {
            None => drafting::Place::First(self.ministry.id.clone(), None),
            Some(manifest) => drafting::Place::After(manifest),
        };
        let salt = Salt::new(ThisMachine.bytes());
        let (manifest, uploads) = drafting::manifest(folder, description, self.session.pinned(), id, place, salt)?;
        self.session.upload(id, &uploads, Arc::new(|_, _| ())).await?;
        let key = &self.official.key;
        let grants = self.session.my_grants(key, Some(&self.ministry.id)).await?;
        let now = ThisMachine.now();
        let grant = acting::choose(self.session.pinned(), &grants, key, ActKind::Propose, &manifest, now)?;
        self.session.propose(&manifest, grant, key, at(now, None)?).await?;
        Ok(manifest)
    }

    /// Reads the communiqué, every digest computed again and every text seen, then acts on it.
    async fn act(&self, id: CommuniqueId, kind: ActKind, reason: Option<&str>) -> Result<Reading, Fault> {
        let reading = self.session.read(id).await?;
        let manifest = &reading.newest.manifest;
        self.session.texts(manifest).await?;
        let key = &self.official.key;
        let grants = self.session.my_grants(key, Some(&self.ministry.id)).await?;
        let now = ThisMachine.now();
        let grant = acting::choose(self.session.pinned(), &grants, key, kind, manifest, now)?;
        self.session.act(&reading, kind, grant, key, at(now, reason)?).await?;
        Ok(self.session.read(id).await?)
    }
}

fn at(time: communique::domain::time::Time, reason: Option<&str>) -> Result<Circumstances, Fault> {
    let place = Some(Line::new("Portneuf (exemple)")?);
    Ok(Circumstances { time, place, reason: reason.map(Prose::new).transpose()?, declaration: None, confirms: None })
}

/// Plays it, and answers where the package is.
pub async fn negotiation(
    tell: &mut Teller<'_>,
    dir: &Path,
    ministries: &[Ministry],
    pinned: &Pinned,
    address: &str,
) -> Result<PathBuf, Fault> {
    let [boreal, rivers, alder, cedar] = ministries else { return Err(Fault::of(msg!("four parties play"))) };

    tell.step(&msg!("Each authority grants full powers: this person, this key, these acts."));
    for m in ministries {
        let session = m.administrator(pinned, address).await?;
        for powers in m.powers(pinned)? {
            session.submit_powers(powers.compact()).await?;
            let person = &powers.body().holder;
            let (party, name) = (column(m.id.as_str()), render::name(&person.names).to_owned());
            tell.say(&msg!("{party} {name}, {title}", party, name, title = render::name(&person.titles)));
        }
    }

    let id = CommuniqueId::new(ThisMachine.millis(), &ThisMachine.bytes());
    let desks = [
        Desk::sit(boreal, 0, pinned, address).await?,
        Desk::sit(rivers, 0, pinned, address).await?,
        Desk::sit(alder, 0, pinned, address).await?,
        Desk::sit(cedar, 0, pinned, address).await?,
    ];
    let second_spokesperson = Desk::sit(rivers, 1, pinned, address).await?;
    let [of_boreal, of_rivers, of_alder, of_cedar] = &desks;

    tell.step(&msg!("boreal proposes a draft in French, Russian and Arabic, with an annex."));
    let drafts = Drafts::new(dir)?;
    let first = of_boreal.propose(id, &drafts.folder(1), None).await?;
    tell.say(&msg!("communiqué {id}, revision {revision}", id, revision = first.revision));
    tell.say(&msg!("The manifest names every text by digest; whoever acts, acts on exactly these bytes."));

    tell.step(&msg!("three-rivers changes the text: a second revision. What changed, in each language:"));
    drafts.second()?;
    let second = of_rivers.propose(id, &drafts.folder(2), Some(&first)).await?;
    changed(tell, of_cedar, &first, &second).await?;

    tell.step(&msg!("Every party initials: the text is authentic. With the last initial it opens for signature."));
    for desk in &desks {
        let reading = desk.act(id, ActKind::Initial, None).await?;
        let (party, state) = (column(desk.ministry.id.as_str()), reading.state);
        tell.say(&msg!("{party} initials; the communiqué is {state}", party, state));
    }

    tell.step(&msg!("alder signs, into escrow. Then cedar declines, with reasons: the escrow is sealed for ever."));
    of_alder.act(id, ActKind::Sign, None).await?;
    let seen = of_boreal.session.read(id).await?;
    let hidden: Vec<_> = seen.escrowed.iter().map(Tell::tell).collect();
    tell.say(&msg!("boreal looks: a signature of {parties} is there. It cannot see it.", parties = hidden));
    let reading = of_cedar.act(id, ActKind::Decline, Some(REASON)).await?;
    tell.say(&msg!("cedar declines: {reason}", reason = REASON));
    tell.say(&msg!("The communiqué is {state} again; a new revision is needed.", state = reading.state));

    tell.step(&msg!("boreal proposes a third revision, which meets the objection. It is initialled again."));
    drafts.third()?;
    let third = of_boreal.propose(id, &drafts.folder(3), Some(&second)).await?;
    changed(tell, of_cedar, &second, &third).await?;
    for desk in &desks {
        desk.act(id, ActKind::Initial, None).await?;
    }
    tell.say(&msg!("Four initials: open for signature."));

    tell.step(&msg!("The parties sign. No one sees another's signature before all are there."));
    for desk in [of_boreal, of_rivers, of_alder, &second_spokesperson, of_cedar] {
        let reading = desk.act(id, ActKind::Sign, None).await?;
        let (party, name) = (column(desk.ministry.id.as_str()), desk.official.sample.name);
        tell.say(&if reading.state == State::Complete {
            msg!("{party} {name} signs; every party has signed: complete, escrow opens", party, name)
        } else {
            msg!("{party} {name} signs", party, name)
        });
    }

    tell.step(&msg!("cedar asks for publication: one package, the same bytes whoever asks."));
    let publication = of_cedar.session.publish(id).await?;
    let (digest, size) = publication.package;
    tell.say(&msg!("one byte, SHA-256 {digest}" | "{n} bytes, SHA-256 {digest}", n = size, digest));

    tell.step(&msg!("An archivist of cedar downloads it."));
    let archivist = cedar.archivist(pinned, address).await?;
    let path = dir.join("package.zip");
    let mut file = tokio::fs::File::create(&path).await?;
    archivist.remote().download_package(id, &mut file, &|_| ()).await?;
    tell.say(&path.message());
    Ok(path)
}

/// Shows what changed between two revisions, as a third party reads them: from the exchange, digests computed again.
async fn changed(
    tell: &mut Teller<'_>,
    reader: &Desk<'_>,
    before: &Document<Manifest>,
    after: &Document<Manifest>,
) -> Result<(), Fault> {
    let (old, new) = (reader.session.texts(before).await?, reader.session.texts(after).await?);
    for (lang, words) in &new {
        crate::commands::diff::text(tell.out, lang, old.get(lang).map_or("", String::as_str), words);
    }
    Ok(())
}

/// The drafts' folders, as a drafter would keep them.
struct Drafts {
    dir: PathBuf,
}

impl Drafts {
    /// The first draft's files.
    fn new(dir: &Path) -> Result<Self, Fault> {
        let drafts = Self { dir: dir.join("drafts") };
        let first = drafts.folder(1);
        fs::create_dir_all(&first)?;
        for (name, words) in [
            ("fr.txt", include_str!("fr.txt")),
            ("ru.txt", include_str!("ru.txt")),
            ("ar.txt", include_str!("ar.txt")),
            ("stations.csv", include_str!("stations.csv")),
            ("draft.toml", include_str!("draft.toml")),
        ] {
            fs::write(first.join(name), words)?;
        }
        Ok(drafts)
    }
    fn folder(&self, revision: usize) -> PathBuf {
        self.dir.join(revision.to_string())
    }
    fn second(&self) -> Result<(), Fault> {
        self.next(1, |lang, words| {
            SECOND.iter().filter(|(l, ..)| *l == lang).fold(words, |w, (_, old, new)| w.replace(old, new))
        })
    }
    fn third(&self) -> Result<(), Fault> {
        self.next(2, |lang, words| {
            THIRD.iter().filter(|(l, _)| *l == lang).fold(words, |w, (_, paragraph)| format!("{w}\n{paragraph}\n"))
        })
    }
    /// Copies a revision's folder and edits its texts.
    fn next(&self, from: usize, edit: impl Fn(&str, String) -> String) -> Result<(), Fault> {
        let (old, new) = (self.folder(from), self.folder(from + 1));
        fs::create_dir_all(&new)?;
        for name in ["stations.csv", "draft.toml"] {
            fs::copy(old.join(name), new.join(name))?;
        }
        for lang in ["fr", "ru", "ar"] {
            let file = format!("{lang}.txt");
            let words = edit(Lang::parse(lang)?.as_str(), fs::read_to_string(old.join(&file))?);
            fs::write(new.join(&file), words)?;
        }
        Ok(())
    }
}
