//! Who may call what: one table, method × role, denying by default. A use case takes a permit for its own method, and only
//! [`Permit::ask`] makes one: forgetting to ask does not compile.

use std::marker::PhantomData;

use crate::domain::{
    id::{PartyId, Role},
    message::Tell,
    refusal::Refusal,
};

use Role::{Archivist, Authority, Official, System, Witness};

/// A method of the contract.
pub trait Method: Send + Sync + 'static {
    /// `Service/Method`.
    const NAME: &'static str;
    /// The roles that may call it.
    const ROLES: &'static [Role];
}

macro_rules! rights {
    ($($service:ident: $($method:ident [$($role:ident)+])+;)+) => {
        $($(
            #[doc = concat!("`", stringify!($service), "/", stringify!($method), "`.")]
            #[derive(Debug)]
            pub enum $method {}
            impl Method for $method {
                const NAME: &'static str = concat!(stringify!($service), "/", stringify!($method));
                const ROLES: &'static [Role] = &[$($role),+];
            }
        )+)+
        /// The whole table: every method with the roles that may call it.
        pub const RIGHTS: &[(&str, &[Role])] = &[$($(($method::NAME, $method::ROLES)),+),+];
    };
}

rights! {
    CharterService:
        GetCharter        [System Official Authority Witness Archivist]
        ListCharters      [System Official Authority Witness Archivist]
        ProposeCharter    [System Authority]
        SubmitAdoption    [System Authority]
        SubmitTrust       [System Authority]
        ListTrust         [System Official Authority];
    PowersService:
        SubmitPowers      [System Authority]
        SubmitRevocation  [System Authority]
        ListPowers        [System Official Authority]
        GetPowers         [System Official Authority];
    CommuniqueService:
        ProposeRevision   [System Official]
        SubmitAct         [System Official]
        GetCommunique     [System Official]
        ListCommuniques   [System Official]
        GetRevision       [System Official]
        ListRevisions     [System Official]
        ListActs          [System Official]
        PublishCommunique [System Official]
        AddRemark         [System Official]
        ListRemarks       [System Official];
    ContentService:
        UploadContent     [System Official]
        GetUpload         [System Official]
        DownloadContent   [System Official];
    PublicationService:
        GetPublication    [System Official Archivist]
        ListPublications  [System Official Archivist]
        DownloadPackage   [System Official Archivist];
    EventService:
        Watch             [System Official]
        ListEvents        [System Official];
    LogService:
        GetCheckpoint       [System Official Authority Witness Archivist]
        GetInclusionProof   [System Official Authority Witness Archivist]
        GetConsistencyProof [System Official Authority Witness Archivist]
        ListDigests         [System Official Authority Witness Archivist]
        SubmitCosignature   [Witness];
}

/// Leave for one call of `M`, by a party's certificate.
#[derive(Debug)]
pub struct Permit<M> {
    party: PartyId,
    method: PhantomData<M>,
}

impl<M: Method> Permit<M> {
    /// Asks for it. Party and role come from the verified certificate, never from a request.
    ///
    /// # Errors
    /// [`Refusal::NotPermitted`].
    pub fn ask(party: &PartyId, role: Role) -> Result<Self, Refusal> {
        if M::ROLES.contains(&role) {
            Ok(Self { party: party.clone(), method: PhantomData })
        } else {
            Err(Refusal::NotPermitted { role: role.message(), method: M::NAME.into() })
        }
    }
    /// Whose certificate called.
    #[must_use]
    pub fn party(&self) -> &PartyId {
        &self.party
    }
    /// That the statement carried is the caller's own party's.
    ///
    /// # Errors
    /// [`Refusal::NotYourParty`].
    pub fn own(&self, signed: &PartyId) -> Result<(), Refusal> {
        if *signed == self.party {
            Ok(())
        } else {
            Err(Refusal::NotYourParty { signed: signed.clone(), caller: self.party.clone() })
        }
    }
}
