//! What a verifier checks, one by one. The ids are stable: reports, tests and `docs/FORMAT.md` name them.

use std::fmt;

use crate::{domain::message::Message, msg};

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal $line:literal;)+) => {
        /// One check of a package. The first that fails ends the verification.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Check {
            $($(#[doc = $doc])+ $variant,)+
        }
        impl Check {
            /// Every check, in the order of the procedure.
            pub const ALL: &'static [Check] = &[$(Check::$variant),+];
            /// Its stable id.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }
            /// What must hold, as a sentence that is translated.
            #[must_use]
            pub fn rule(self) -> Message {
                match self { $(Self::$variant => msg!($line),)+ }
            }
            /// What must hold, in one line.
            #[must_use]
            pub fn line(self) -> &'static str {
                match self { $(Self::$variant => $line,)+ }
            }
        }
    };
}

checks! {
    /// The container.
    Zip = "ZIP"
        "the file is a zip archive of the one strict form, and every content in it is what its headers say";
    /// The folder and the order of files.
    BagLayout = "BAG-LAYOUT"
        "all files lie under one folder `communique-<id>`, id as in the manifest: the six tag files, then `data/` by path, then `evidence/`";
    /// Everything is there.
    FileMissing = "FILE-MISSING"
        "every file of the layout is there, every document and statement that an entry names, and a proof for every entry";
    /// The manifest.
    Manifest = "MANIFEST"
        "`data/communique.json` is a manifest in canonical form, within all bounds";
    /// Nothing else is there.
    FileExtra = "FILE-EXTRA"
        "there is no file beyond the layout, no document or statement that no entry names, no full powers that no act names, no revocation of others, no earlier declaration that no signature names, no charter that did not come into force, no proof of an entry that is not here";
    /// The original.
    Rectifies = "RECTIFIES"
        "where the manifest corrects another document, the package of that one is whole, verifies by itself, is the one that the manifest names, and is of the same log and charters";
    /// The charters.
    Charter = "CHARTER"
        "each `data/charters/<version>.json` is a charter of that version in canonical form, within all bounds";
    /// Their succession.
    CharterChain = "CHARTER-CHAIN"
        "the charters begin with version 1, which founds the manifest, and go on without a gap; each could succeed the one before when it was put forward";
    /// The fingerprint.
    Pin = "PIN"
        "the fingerprint that the reader brought is that of one of the charters";
    /// Statement files.
    Statement = "STATEMENT"
        "each `data/statements/<digest>.jws` has the digest that it is named by, and is within bounds";
    /// Entry files.
    Entry = "ENTRY"
        "each `data/entries/<index>.json` is a log entry in canonical form, of a stream and kind that belong to this package, and records exactly what the rules log";
    /// Order and linking.
    EntryChain = "ENTRY-CHAIN"
        "log times never go back; the communiqué's entries from the signed revision on are linked without a gap, all others in order; what was logged in one step lies side by side";
    /// Adoption.
    Adoption = "ADOPTION"
        "each adoption is of a charter here, by the party's authority key, and in time; one charter was in force before anything but charters was logged";
    /// Full powers.
    Grant = "GRANT"
        "the full powers that each act names were signed by the party's authority key, logged before, not revoked, and cover the act; what revokes them is signed by that key";
    /// Acts.
    Act = "ACT"
        "each act is signed by the key of its full powers, agrees with manifest and charter, and was allowed when it was logged";
    /// The deadline.
    Deadline = "DEADLINE"
        "the manifest's deadline had not passed at the revision or at any signature";
    /// The opening.
    Opening = "OPENING"
        "the `opened` entry stands where the initials or the act of opening make it due, and lists them";
    /// Seats.
    Seats = "SEATS"
        "no holder signs twice, no party initials, releases or withdraws twice, and at completion every party's quorum of different holders has signed, definitively or with a confirmation";
    /// Completion.
    Completion = "COMPLETION"
        "the `completed` entry follows the last signature that was missing, and lists the signatures that count";
    /// Publication.
    Published = "PUBLISHED"
        "the last entry is `published`; it follows completion and records the manifest";
    /// The embargo.
    Embargo = "EMBARGO"
        "it was not published before the manifest's embargo, unless every party had released it";
    /// What was published.
    PublishedList = "PUBLISHED-LIST"
        "`published` lists path and digest of every file in `data/` but `README.txt` and itself, and nothing else";
    /// The certified copy.
    CertifiedCopy = "CERTIFIED-COPY"
        "the depositary's key attests exactly this manifest, this `published` entry, its index and its time";
    /// The proofs of entries.
    LogProof = "LOG-PROOF"
        "each `evidence/<index>.tlog-proof` is a proof in its one form, carries the same checkpoint as all others, and leads from the entry of this index to its root";
    /// The head of the log.
    LogHead = "LOG-HEAD"
        "the checkpoint is of the log that the newest charter names, in its one form, and signed by that log's key";
    /// The head's cosignatures.
    Witness = "WITNESS"
        "what follows the log's signature are cosignatures that verify, by witnesses of parties under the newest charter, in order of parties, one each";
    /// Texts, byte for byte.
    TextDigest = "TEXT-DIGEST"
        "each text has the size and digest that the manifest names";
    /// Texts, by the rules.
    TextRules = "TEXT-RULES"
        "each text obeys the text rules that the manifest names";
    /// Annexes, byte for byte.
    AnnexDigest = "ANNEX-DIGEST"
        "each annex has the size and digest that the manifest names";
    /// The README.
    Readme = "README"
        "`data/README.txt` is the constant of this version of the format";
    /// The bag's declaration.
    BagDeclaration = "BAG-DECLARATION"
        "`bagit.txt` is the constant of BagIt 1.0 in UTF-8";
    /// The bag's metadata.
    BagInfo = "BAG-INFO"
        "`bag-info.txt` is what manifest and `published` entry make it";
    /// Payload manifests.
    BagManifest = "BAG-MANIFEST"
        "`manifest-sha256.txt` and `manifest-sha512.txt` list exactly the files of `data/`, by path, with their digests";
    /// Tag manifests.
    BagTagmanifest = "BAG-TAGMANIFEST"
        "`tagmanifest-sha256.txt` and `tagmanifest-sha512.txt` list exactly the other tag files, by path, with their digests";
    /// One form of the container.
    ZipForm = "ZIP-FORM"
        "the archive's time is that of `published`";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A check that failed, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub check: Check,
    pub detail: Message,
}

impl Check {
    /// This check's failure.
    pub(super) fn fails(self, detail: Message) -> Failure {
        Failure { check: self, detail }
    }
}
