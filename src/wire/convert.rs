//! What a caller sees, to the wire and back. The server encodes, the client decodes; a value that decodes is well formed.
//! Documents, entries and statements pass as the bytes that they are: who receives them parses and verifies them.

use std::sync::Arc;

use crate::{
    domain::{
        act::ActKind,
        charter::{Charter, PARTIES_LIMIT},
        entry::{Entry, NAMED_LIMIT},
        id::{CommuniqueId, Digest},
        json::{self, Form},
        life::State,
        manifest::{ANNEX_LIMIT, Manifest, REVISIONS_LIMIT},
        refusal::Refusal,
        remark::Remark,
        statement::STATEMENT_LIMIT,
        time::Time,
        view::{
            ActView, Attested, CharterView, CommuniqueView, EventView, Happening, ListFilter, Logged, Page, PowersView,
            PublicationView, Receipt, RemarkView, RevisionView, Summary, WatchItem,
        },
        words::Sought,
    },
    msg,
};

use crate::log::proof::PROOF_LIMIT;

use super::{CHUNK_LIMIT, names, v1};

/// Most adoptions that come with one charter: by each party of it and of the one before.
pub const ADOPTIONS_LIMIT: usize = 2 * PARTIES_LIMIT;

/// Reads a digest out of this field.
///
/// # Errors
/// [`Refusal::Malformed`] for anything but 64 lower-case hex digits.
pub fn digest(field: &str, value: &str) -> Result<Digest, Refusal> {
    Digest::parse(value).map_err(|_| Refusal::malformed(field, msg!("is not 64 lower-case hex digits")))
}

/// Reads the state that a list is filtered by; `None` for all.
///
/// # Errors
/// [`Refusal::Malformed`] for a number that names none.
pub fn state_filter(value: i32) -> Result<Option<State>, Refusal> {
    if value == v1::State::Unspecified as i32 { Ok(None) } else { state("state", value).map(Some) }
}

/// Reads the announcement of an upload: for which communiqué, its digest, its size in bytes, the offset that it comes from.
///
/// # Errors
/// [`Refusal::Malformed`]; [`Refusal::TooLarge`] above what the largest annex may have.
pub fn upload_header(header: &v1::UploadHeader) -> Result<(CommuniqueId, Digest, u64, u64), Refusal> {
    let communique = names::parse_communique("header.communique", &header.communique)?;
    let sha256 = digest("header.sha256", &header.sha256)?;
    content_size("header.size", header.size)?;
    if header.offset > header.size {
        return Err(Refusal::malformed("header.offset", msg!("is beyond the end, {size}", size = header.size)));
    }
    Ok((communique, sha256, header.size, header.offset))
}

/// Checks the length of a chunk, and hands it on.
///
/// # Errors
/// [`Refusal::Malformed`] for an empty one, [`Refusal::TooLarge`] above [`CHUNK_LIMIT`].
pub fn chunk(chunk: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    within("chunk", chunk.len(), CHUNK_LIMIT)?;
    Ok(chunk)
}

/// Reads what the exchange holds after an upload.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::TooLarge`].
pub fn uploaded(response: &v1::UploadContentResponse) -> Result<(Digest, u64), Refusal> {
    content_size("size", response.size)?;
    Ok((digest("sha256", &response.sha256)?, response.size))
}

/// Reads a page: its rows, and the token for the next one as it came.
///
/// # Errors
/// As the rows'.
pub fn page<M, T: TryFrom<M, Error = Refusal>>(rows: Vec<M>, next: String) -> Result<Page<T>, Refusal> {
    Ok(Page { rows: rows.into_iter().map(T::try_from).collect::<Result<_, _>>()?, next })
}

/// A member without which a message says nothing.
///
/// # Errors
/// [`Refusal::Malformed`] if it is not there.
pub fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::malformed(field, msg!("is missing")))
}

fn within(field: &str, len: usize, limit: usize) -> Result<(), Refusal> {
    match len {
        0 => Err(Refusal::malformed(field, msg!("is empty"))),
        len if len > limit => {
            Err(Refusal::TooLarge { what: msg!("{what} in bytes", what = field), limit: limit as u64 })
        }
        _ => Ok(()),
    }
}

fn content_size(field: &str, size: u64) -> Result<(), Refusal> {
    within(field, usize::try_from(size).unwrap_or(usize::MAX), ANNEX_LIMIT as usize)
}

/// The bytes of a document: there, and not too large for its form.
fn document<F: Form>(field: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    within(field, bytes.len(), F::LIMIT)?;
    Ok(bytes)
}

/// A compact statement: there, ASCII, and not too large.
fn statement(field: &str, compact: String) -> Result<String, Refusal> {
    within(field, compact.len(), STATEMENT_LIMIT)?;
    // RFC 7515, section 3.1: base64url and dots. So it is also safe to show.
    if compact.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        Ok(compact)
    } else {
        Err(Refusal::malformed(field, msg!("is not a compact JWS (RFC 7515)")))
    }
}

fn revision_number(field: &str, n: u64) -> Result<u64, Refusal> {
    if (1..=REVISIONS_LIMIT).contains(&n) {
        Ok(n)
    } else {
        Err(Refusal::malformed(field, msg!("is not within 1 … {limit}", limit = REVISIONS_LIMIT)))
    }
}

macro_rules! named {
    ($ours:ty, $theirs:ty, $parse:ident: $($variant:ident)+) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$variant => Self::$variant,)+ }
            }
        }
        fn $parse(field: &str, value: i32) -> Result<$ours, Refusal> {
            match <$theirs>::try_from(value).unwrap_or_default() {
                $(<$theirs>::$variant => Ok(<$ours>::$variant),)+
                <$theirs>::Unspecified => {
                    Err(Refusal::malformed(field, msg!("is none of {choices}", choices = <$ours>::ALL.map(<$ours>::as_str).join(", "))))
                }
            }
        }
    };
}
named!(State, v1::State, state: Drafting Open Complete Published Withdrawn Lapsed);
named!(
    ActKind, v1::ActKind, act_kind:
    Propose Object Declare Initial Open Sign SignAdReferendum Confirm Decline Withdraw Release Purge
);

fn timestamp(time: Time) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.unix(), nanos: 0 }
}
fn time(field: &str, value: Option<prost_types::Timestamp>) -> Result<Time, Refusal> {
    let value = required(field, value)?;
    let time = Time::from_unix(value.seconds);
    // `from_unix` holds what is outside the years of the format; that would be another time than was sent.
    if value.nanos == 0 && time.unix() == value.seconds {
        Ok(time)
    } else {
        Err(Refusal::malformed(field, msg!("is not a whole second of the years 1970 to 9998")))
    }
}

impl From<Receipt> for v1::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self { index: receipt.index, entry: receipt.entry, proof: receipt.proof.unwrap_or_default() }
    }
}
impl TryFrom<v1::Receipt> for Receipt {
    type Error = Refusal;
    fn try_from(receipt: v1::Receipt) -> Result<Self, Refusal> {
        json::integer("receipt.index", receipt.index, 0)?;
        let proof = Some(receipt.proof).filter(|proof| !proof.is_empty());
        if proof.as_ref().is_some_and(|proof| proof.len() > PROOF_LIMIT) {
            return Err(Refusal::TooLarge { what: msg!("receipt.proof, in bytes,"), limit: PROOF_LIMIT as u64 });
        }
        Ok(Self { index: receipt.index, entry: document::<Entry>("receipt.entry", receipt.entry)?, proof })
    }
}
impl TryFrom<Option<v1::Receipt>> for Receipt {
    type Error = Refusal;
    fn try_from(receipt: Option<v1::Receipt>) -> Result<Self, Refusal> {
        required("receipt", receipt)?.try_into()
    }
}

impl From<CharterView> for v1::Charter {
    fn from(view: CharterView) -> Self {
        Self {
            document: view.charter,
            adoptions: view.adoptions.into_iter().map(Into::into).collect(),
            receipt: Some(view.receipt.into()),
            in_force_time: view.in_force.map(timestamp),
            absent: view.absent.iter().map(names::party).collect(),
        }
    }
}
impl TryFrom<v1::Charter> for CharterView {
    type Error = Refusal;
    fn try_from(charter: v1::Charter) -> Result<Self, Refusal> {
        json::count("charter.adoptions", charter.adoptions.len(), 1, ADOPTIONS_LIMIT)?;
        json::count("charter.absent", charter.absent.len(), 0, PARTIES_LIMIT)?;
        Ok(Self {
            charter: document::<Charter>("charter.document", charter.document)?,
            receipt: charter.receipt.try_into()?,
            adoptions: charter.adoptions.into_iter().map(Attested::try_from).collect::<Result<_, _>>()?,
            in_force: charter.in_force_time.map(|t| time("charter.in_force_time", Some(t))).transpose()?,
            absent: charter.absent.iter().map(|p| names::parse_party("charter.absent", p)).collect::<Result<_, _>>()?,
        })
    }
}

macro_rules! attested {
    ($($theirs:ident $field:literal)+) => {$(
        impl From<Attested> for v1::$theirs {
            fn from(view: Attested) -> Self {
                Self { statement: view.statement, receipt: Some(view.receipt.into()) }
            }
        }
        impl TryFrom<v1::$theirs> for Attested {
            type Error = Refusal;
            fn try_from(it: v1::$theirs) -> Result<Self, Refusal> {
                Ok(Self { statement: statement($field, it.statement)?, receipt: it.receipt.try_into()? })
            }
        }
    )+};
}
attested!(Adoption "adoption.statement" Trust "trust.statement" Revocation "revocation.statement");

impl From<PowersView> for v1::Powers {
    fn from(view: PowersView) -> Self {
        let (receipt, revocation) = (Some(view.receipt.into()), view.revocation.map(Into::into));
        Self { statement: view.statement, receipt, revocation }
    }
}
impl TryFrom<v1::Powers> for PowersView {
    type Error = Refusal;
    fn try_from(powers: v1::Powers) -> Result<Self, Refusal> {
        Ok(Self {
            statement: statement("powers.statement", powers.statement)?,
            receipt: powers.receipt.try_into()?,
            revocation: powers.revocation.map(Attested::try_from).transpose()?,
        })
    }
}

impl From<RevisionView> for v1::Revision {
    fn from(view: RevisionView) -> Self {
        Self { manifest: view.manifest, propose: view.propose, receipt: Some(view.receipt.into()) }
    }
}
impl TryFrom<v1::Revision> for RevisionView {
    type Error = Refusal;
    fn try_from(revision: v1::Revision) -> Result<Self, Refusal> {
        Ok(Self {
            manifest: document::<Manifest>("revision.manifest", revision.manifest)?,
            propose: statement("revision.propose", revision.propose)?,
            receipt: revision.receipt.try_into()?,
        })
    }
}

impl From<ActView> for v1::Act {
    fn from(view: ActView) -> Self {
        let view = match view {
            ActView::Shown { statement, receipt } => {
                v1::act::View::Shown(v1::ShownAct { statement, receipt: Some(receipt.into()) })
            }
            ActView::Escrowed { party, act, revision } => v1::act::View::Escrowed(v1::EscrowedAct {
                party: names::party(&party),
                act: v1::ActKind::from(act).into(),
                revision,
            }),
        };
        Self { view: Some(view) }
    }
}
impl TryFrom<v1::Act> for ActView {
    type Error = Refusal;
    fn try_from(act: v1::Act) -> Result<Self, Refusal> {
        Ok(match required("act", act.view)? {
            v1::act::View::Shown(shown) => Self::Shown {
                statement: statement("act.statement", shown.statement)?,
                receipt: shown.receipt.try_into()?,
            },
            v1::act::View::Escrowed(escrowed) => Self::Escrowed {
                party: names::parse_party("act.party", &escrowed.party)?,
                act: act_kind("act.act", escrowed.act)?,
                revision: revision_number("act.revision", escrowed.revision)?,
            },
        })
    }
}

impl From<CommuniqueView> for v1::Communique {
    fn from(view: CommuniqueView) -> Self {
        Self {
            name: names::communique(view.communique),
            state: v1::State::from(view.state).into(),
            newest: Some(view.newest.into()),
            opened: view.opened.map(Into::into),
            acts: view.acts.into_iter().map(Into::into).collect(),
            declined: view.declined,
            returned: view.returned,
            purged: view.purged,
        }
    }
}
impl TryFrom<v1::Communique> for CommuniqueView {
    type Error = Refusal;
    fn try_from(communique: v1::Communique) -> Result<Self, Refusal> {
        Ok(Self {
            communique: names::parse_communique("communique.name", &communique.name)?,
            state: state("communique.state", communique.state)?,
            newest: required("communique.newest", communique.newest)?.try_into()?,
            opened: communique.opened.map(Receipt::try_from).transpose()?,
            acts: communique.acts.into_iter().map(ActView::try_from).collect::<Result<_, _>>()?,
            declined: communique.declined,
            returned: communique.returned,
            purged: communique.purged,
        })
    }
}

impl From<Summary> for v1::CommuniqueSummary {
    fn from(row: Summary) -> Self {
        Self {
            name: names::communique(row.communique),
            state: v1::State::from(row.state).into(),
            revision: row.revision,
            manifest: row.manifest,
            deadline: row.deadline.map(timestamp),
            awaited: row.awaited.into_iter().map(|act| v1::ActKind::from(act).into()).collect(),
        }
    }
}
impl TryFrom<v1::CommuniqueSummary> for Summary {
    type Error = Refusal;
    fn try_from(row: v1::CommuniqueSummary) -> Result<Self, Refusal> {
        Ok(Self {
            communique: names::parse_communique("communique.name", &row.name)?,
            state: state("communique.state", row.state)?,
            revision: revision_number("communique.revision", row.revision)?,
            manifest: document::<Manifest>("communique.manifest", row.manifest)?,
            deadline: row.deadline.map(|at| time("communique.deadline", Some(at))).transpose()?,
            awaited: row
                .awaited
                .into_iter()
                .map(|act| act_kind("communique.awaited", act))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<RemarkView> for v1::Remark {
    fn from(view: RemarkView) -> Self {
        Self { document: view.remark, receipt: Some(view.receipt.into()) }
    }
}
impl TryFrom<v1::Remark> for RemarkView {
    type Error = Refusal;
    fn try_from(remark: v1::Remark) -> Result<Self, Refusal> {
        Ok(Self {
            remark: document::<Remark>("remark.document", remark.document)?,
            receipt: remark.receipt.try_into()?,
        })
    }
}

impl From<EventView> for v1::Event {
    fn from(view: EventView) -> Self {
        let happening = match view.happening {
            Happening::Shown(logged) => {
                // Shared with other watchers: copied only now that it is sent.
                let logged = Arc::unwrap_or_clone(logged);
                v1::event::View::Shown(v1::LoggedEntry { entry: logged.entry, objects: logged.objects })
            }
            Happening::Escrowed { communique, party, act, revision } => v1::event::View::Escrowed(v1::EscrowedEntry {
                communique: names::communique(communique),
                act: Some(v1::EscrowedAct {
                    party: names::party(&party),
                    act: v1::ActKind::from(act).into(),
                    revision,
                }),
            }),
        };
        Self { index: view.index, view: Some(happening) }
    }
}
impl TryFrom<v1::Event> for EventView {
    type Error = Refusal;
    fn try_from(event: v1::Event) -> Result<Self, Refusal> {
        json::integer("event.index", event.index, 0)?;
        let happening = match required("event", event.view)? {
            v1::event::View::Shown(shown) => {
                json::count("event.objects", shown.objects.len(), 0, 2 * NAMED_LIMIT)?;
                Happening::Shown(Arc::new(Logged {
                    entry: document::<Entry>("event.entry", shown.entry)?,
                    objects: shown.objects,
                }))
            }
            v1::event::View::Escrowed(escrowed) => {
                let act = required("event.act", escrowed.act)?;
                Happening::Escrowed {
                    communique: names::parse_communique("event.communique", &escrowed.communique)?,
                    party: names::parse_party("event.act.party", &act.party)?,
                    act: act_kind("event.act.act", act.act)?,
                    revision: revision_number("event.act.revision", act.revision)?,
                }
            }
        };
        Ok(Self { index: event.index, happening })
    }
}

impl From<WatchItem> for v1::WatchResponse {
    fn from(item: WatchItem) -> Self {
        let item = match item {
            WatchItem::Event(event) => v1::watch_response::Item::Event(event.into()),
            WatchItem::Heartbeat(next_index) => v1::watch_response::Item::Heartbeat(v1::Heartbeat { next_index }),
        };
        Self { item: Some(item) }
    }
}
impl TryFrom<v1::WatchResponse> for WatchItem {
    type Error = Refusal;
    fn try_from(response: v1::WatchResponse) -> Result<Self, Refusal> {
        Ok(match required("item", response.item)? {
            v1::watch_response::Item::Event(event) => Self::Event(event.try_into()?),
            v1::watch_response::Item::Heartbeat(beat) => {
                json::integer("heartbeat.next_index", beat.next_index, 0)?;
                Self::Heartbeat(beat.next_index)
            }
        })
    }
}

/// Reads what a list of communiqués is filtered by, and the mark that its page tokens bear.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::TooLarge`].
pub fn list_filter(request: &v1::ListCommuniquesRequest) -> Result<(ListFilter, String), Refusal> {
    let filter = ListFilter {
        state: state_filter(request.state)?,
        party: match request.party.as_str() {
            "" => None,
            name => Some(names::parse_party("party", name)?),
        },
        awaiting: request.awaiting,
        text: match request.text.as_str() {
            "" => None,
            words => Some(Sought::new(words)?),
        },
    };
    let mark = super::page::mark(&[
        filter.state.map_or("", State::as_str),
        &request.party,
        if filter.awaiting { "awaiting" } else { "" },
        filter.text.as_ref().map_or("", Sought::as_str),
    ]);
    Ok((filter, mark))
}

/// Writes the request for a page of the list.
#[must_use]
pub fn list_request(filter: &ListFilter, page_size: i32, page_token: String) -> v1::ListCommuniquesRequest {
    v1::ListCommuniquesRequest {
        state: filter.state.map_or(v1::State::Unspecified, v1::State::from).into(),
        page_size,
        page_token,
        party: filter.party.as_ref().map(names::party).unwrap_or_default(),
        awaiting: filter.awaiting,
        text: filter.text.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default(),
    }
}

impl From<PublicationView> for v1::Publication {
    fn from(view: PublicationView) -> Self {
        let (package_sha256, package_size) = view.package;
        Self {
            communique: names::communique(view.communique),
            manifest: view.manifest,
            publish_time: Some(timestamp(view.published)),
            receipt: Some(view.receipt.into()),
            package_sha256: package_sha256.to_string(),
            package_size,
            rectified_by: view.rectified_by.map(names::communique).unwrap_or_default(),
        }
    }
}
impl TryFrom<v1::Publication> for PublicationView {
    type Error = Refusal;
    fn try_from(publication: v1::Publication) -> Result<Self, Refusal> {
        json::integer("publication.package_size", publication.package_size, 1)?;
        Ok(Self {
            communique: names::parse_communique("publication.communique", &publication.communique)?,
            manifest: document::<Manifest>("publication.manifest", publication.manifest)?,
            published: time("publication.publish_time", publication.publish_time)?,
            receipt: publication.receipt.try_into()?,
            package: (digest("publication.package_sha256", &publication.package_sha256)?, publication.package_size),
            rectified_by: match publication.rectified_by.as_str() {
                "" => None,
                name => Some(names::parse_communique("publication.rectified_by", name)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PartyId;

    fn id() -> CommuniqueId {
        CommuniqueId::new(1_750_000_000_000, &[7; 10])
    }
    fn receipt() -> Receipt {
        Receipt { index: 42, entry: b"{entry}".to_vec(), proof: Some("sample".into()) }
    }
    fn revision() -> RevisionView {
        RevisionView { manifest: b"{manifest}".to_vec(), propose: "a.b-._c".into(), receipt: receipt() }
    }
    fn escrowed(act: ActKind) -> ActView {
        ActView::Escrowed { party: PartyId::parse("north").unwrap(), act, revision: 2 }
    }
    fn communique(state: State) -> CommuniqueView {
        let shown = ActView::Shown { statement: "a.b.c".into(), receipt: receipt() };
        CommuniqueView {
            communique: id(),
            state,
            newest: revision(),
            opened: (state != State::Drafting).then(receipt),
            acts: ActKind::ALL.into_iter().map(escrowed).chain([shown]).collect(),
            declined: state == State::Drafting,
            returned: state == State::Drafting,
            purged: state == State::Withdrawn,
        }
    }
    fn publication() -> PublicationView {
        PublicationView {
            communique: id(),
            manifest: b"{manifest}".to_vec(),
            published: Time::from_unix(1_750_000_000),
            receipt: receipt(),
            package: (Digest::of(b"package"), 1 << 30),
            rectified_by: Some(CommuniqueId::new(3, &[4; 10])),
        }
    }
    fn attested(statement: &str) -> Attested {
        Attested { statement: statement.into(), receipt: receipt() }
    }
    fn powers() -> PowersView {
        PowersView { statement: "a.b.c".into(), receipt: receipt(), revocation: Some(attested("g.h.i")) }
    }
    fn charter() -> CharterView {
        CharterView {
            charter: b"{charter}".to_vec(),
            receipt: receipt(),
            adoptions: ["a.b.c", "d.e.f"].map(attested).into(),
            in_force: Some(Time::from_unix(7)),
            absent: vec![PartyId::parse("absent").unwrap()],
        }
    }

    /// There and back, through bytes.
    fn round<T, M>(view: T)
    where
        T: Clone + PartialEq + std::fmt::Debug + TryFrom<M, Error = Refusal>,
        M: prost::Message + Default + From<T>,
    {
        let bytes = M::from(view.clone()).encode_to_vec();
        assert_eq!(T::try_from(M::decode(bytes.as_slice()).unwrap()), Ok(view));
    }

    /// Changes a message of this view, and asks what decoding it answers.
    #[track_caller]
    fn refused<T, M>(view: T, reason: &str, change: impl Fn(&mut M))
    where
        T: std::fmt::Debug + TryFrom<M, Error = Refusal>,
        M: From<T>,
    {
        let mut message = M::from(view);
        change(&mut message);
        assert_eq!(T::try_from(message).map_err(|r| r.reason()).unwrap_err(), reason);
    }

    #[test]
    fn views_come_back() {
        round::<_, v1::Receipt>(receipt());
        round::<_, v1::Charter>(charter());
        round::<_, v1::Trust>(Attested { statement: "a.b.c".into(), receipt: receipt() });
        round::<_, v1::Powers>(powers());
        round::<_, v1::Revision>(revision());
        round::<_, v1::Publication>(publication());
        round::<_, v1::Remark>(RemarkView { remark: b"{remark}".to_vec(), receipt: receipt() });
        let logged = Logged { entry: b"{entry}".to_vec(), objects: vec![b"{manifest}".to_vec(), b"a.b.c".to_vec()] };
        let shown = EventView { index: 7, happening: Happening::Shown(Arc::new(logged)) };
        let party = PartyId::parse("north").unwrap();
        let escrowed_event = |act| EventView {
            index: 8,
            happening: Happening::Escrowed { communique: id(), party: party.clone(), act, revision: 2 },
        };
        round::<_, v1::Event>(shown.clone());
        round::<_, v1::Event>(escrowed_event(ActKind::Sign));
        for item in [WatchItem::Event(shown), WatchItem::Heartbeat(0), WatchItem::Heartbeat(9)] {
            round::<_, v1::WatchResponse>(item);
        }
        for filter in [
            ListFilter::default(),
            ListFilter {
                state: Some(State::Open),
                party: Some(party),
                awaiting: true,
                text: Some(Sought::new("étang").unwrap()),
            },
        ] {
            let request = list_request(&filter, 5, "token".into());
            assert_eq!(list_filter(&request).map(|(filter, _)| filter), Ok(filter));
        }
        for act in ActKind::ALL {
            round::<_, v1::Act>(escrowed(act));
        }
        for state in State::ALL {
            round::<_, v1::Communique>(communique(state));
            round::<_, v1::CommuniqueSummary>(Summary {
                communique: id(),
                state,
                revision: 3,
                manifest: b"{}".to_vec(),
                deadline: (state == State::Open).then(|| Time::from_unix(1_750_000_000)),
                awaited: ActKind::ALL.to_vec(),
            });
            assert_eq!(state_filter(v1::State::from(state).into()), Ok(Some(state)));
        }
        let rows = vec![powers(), powers()];
        let sent = rows.iter().cloned().map(v1::Powers::from).collect();
        assert_eq!(page(sent, "token".into()), Ok(Page { rows, next: "token".into() }));
        assert_eq!(
            page::<v1::Powers, PowersView>(vec![], String::new()),
            Ok(Page { rows: vec![], next: String::new() })
        );
    }

    #[test]
    fn empty_messages_do_not_decode() {
        fn empty<T: TryFrom<M, Error = Refusal>, M: Default>() -> Option<&'static str> {
            T::try_from(M::default()).err().map(|r| r.reason())
        }
        let all = [
            empty::<Receipt, v1::Receipt>(),
            empty::<CharterView, v1::Charter>(),
            empty::<Attested, v1::Trust>(),
            empty::<PowersView, v1::Powers>(),
            empty::<RevisionView, v1::Revision>(),
            empty::<ActView, v1::Act>(),
            empty::<CommuniqueView, v1::Communique>(),
            empty::<Summary, v1::CommuniqueSummary>(),
            empty::<PublicationView, v1::Publication>(),
            empty::<RemarkView, v1::Remark>(),
            empty::<EventView, v1::Event>(),
            empty::<WatchItem, v1::WatchResponse>(),
        ];
        assert_eq!(all, [Some("MALFORMED"); 12]);
        assert!(upload_header(&v1::UploadHeader::default()).is_err());
        assert!(uploaded(&v1::UploadContentResponse::default()).is_err());
    }

    #[test]
    fn missing_members_and_unspecified_values_do_not_decode() {
        const BAD: &str = "MALFORMED";
        type C = v1::Communique;
        for value in [0, -1, 7, i32::MAX] {
            refused(communique(State::Open), BAD, |m: &mut C| m.state = value);
        }
        refused(communique(State::Open), BAD, |m: &mut C| m.newest = None);
        refused(communique(State::Open), BAD, |m: &mut C| m.name = "communiques/-".into());
        refused(communique(State::Open), BAD, |m: &mut C| m.opened = Some(v1::Receipt::default()));
        refused(communique(State::Open), BAD, |m: &mut C| m.acts.push(v1::Act::default()));
        for change in [
            |e: &mut v1::EscrowedAct| e.act = 0,
            |e: &mut v1::EscrowedAct| e.act = 99,
            |e: &mut v1::EscrowedAct| e.revision = 0,
            |e: &mut v1::EscrowedAct| e.revision = REVISIONS_LIMIT + 1,
            |e: &mut v1::EscrowedAct| e.party = "north".into(),
        ] {
            refused(escrowed(ActKind::Sign), BAD, |m: &mut v1::Act| {
                let Some(v1::act::View::Escrowed(e)) = &mut m.view else { unreachable!() };
                change(e);
            });
        }
        refused(revision(), BAD, |m: &mut v1::Revision| m.receipt = None);
        refused(revision(), BAD, |m: &mut v1::Revision| m.manifest.clear());
        refused(powers(), BAD, |m: &mut v1::Powers| m.receipt = None);
        refused(receipt(), BAD, |m: &mut v1::Receipt| m.index = u64::MAX);
        refused(charter(), BAD, |m: &mut v1::Charter| m.adoptions.clear());
        for hostile in ["", "a.b.\u{1b}[2J", "a b.c", "a.b.c\n", "é.b.c"] {
            refused(powers(), BAD, |m: &mut v1::Powers| m.statement = hostile.into());
        }
    }

    #[test]
    fn digests_times_and_sizes_are_exact() {
        const BAD: &str = "MALFORMED";
        type P = v1::Publication;
        let good = Digest::of(b"").to_string();
        for bad in
            ["", "00", &good[1..], &good.to_uppercase(), &format!("{good}0"), &format!("{good}\n"), &"é".repeat(32)]
        {
            refused(publication(), BAD, |m: &mut P| m.package_sha256 = bad.into());
            assert!(digest("digest", bad).is_err(), "{bad:?}");
        }
        for (seconds, nanos) in [(-1, 0), (0, 1), (0, -1), (i64::MAX, 0), (i64::MIN, 0), (253_370_764_800, 0)] {
            refused(publication(), BAD, |m: &mut P| {
                m.publish_time = Some(prost_types::Timestamp { seconds, nanos });
            });
        }
        refused(publication(), BAD, |m: &mut P| m.publish_time = None);
        refused(publication(), BAD, |m: &mut P| m.package_size = 0);

        let header =
            |size| v1::UploadHeader { communique: names::communique(id()), sha256: good.clone(), size, offset: 0 };
        assert_eq!(upload_header(&header(ANNEX_LIMIT)), Ok((id(), Digest::of(b""), ANNEX_LIMIT, 0)));
        assert_eq!(upload_header(&header(0)).unwrap_err().reason(), BAD);
        let from = |offset| upload_header(&v1::UploadHeader { offset, ..header(9) });
        assert_eq!(from(9), Ok((id(), Digest::of(b""), 9, 9)));
        assert_eq!(from(10).unwrap_err().reason(), BAD);
        assert_eq!(upload_header(&header(ANNEX_LIMIT + 1)).unwrap_err().reason(), "TOO_LARGE");
        assert_eq!(upload_header(&header(u64::MAX)).unwrap_err().reason(), "TOO_LARGE");
        assert_eq!(chunk(vec![0; CHUNK_LIMIT]).map(|c| c.len()), Ok(CHUNK_LIMIT));
        assert_eq!(chunk(vec![]).unwrap_err().reason(), BAD);
        assert_eq!(chunk(vec![0; CHUNK_LIMIT + 1]).unwrap_err().reason(), "TOO_LARGE");
        assert_eq!(state_filter(0), Ok(None));
        assert_eq!(state_filter(99).unwrap_err().reason(), BAD);
    }

    #[test]
    fn nothing_over_its_limit_decodes() {
        const LARGE: &str = "TOO_LARGE";
        refused(receipt(), LARGE, |m: &mut v1::Receipt| m.entry = vec![b' '; Entry::LIMIT + 1]);
        refused(revision(), LARGE, |m: &mut v1::Revision| m.manifest = vec![b' '; Manifest::LIMIT + 1]);
        refused(revision(), LARGE, |m: &mut v1::Revision| m.propose = "a".repeat(STATEMENT_LIMIT + 1));
        refused(charter(), LARGE, |m: &mut v1::Charter| m.document = vec![b' '; Charter::LIMIT + 1]);
        refused(charter(), LARGE, |m: &mut v1::Charter| {
            m.adoptions = vec![attested("a.b.c").into(); ADOPTIONS_LIMIT + 1]
        });
    }
}
