//! The arguments of `charter`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};
use communique::{
    client::keys::KeyRef,
    domain::{
        charter,
        id::{Digest, Lang, PartyId, TrustDomain},
        time::Time,
        words::Line,
    },
};

use super::{Consent, KeyName, moment, words};

#[derive(Subcommand)]
pub enum Charter {
    /// Describe your party, for whoever drafts the charter.
    Party {
        /// The party's id, never reused.
        #[arg(long)]
        id: PartyId,
        /// Its name in a language, as in `fr=Ministère d’essai`; once per language.
        #[arg(long, value_name = "LANG=WORDS", value_parser = words, required = true)]
        name: Vec<(Lang, Line)>,
        /// The trust domain of its certificates.
        #[arg(long, value_name = "DOMAIN")]
        trust_domain: TrustDomain,
        /// The public half of its authority key.
        #[arg(long, value_name = "FILE.jwk")]
        authority_key: PathBuf,
        /// How many holders of full powers must sign for it.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=charter::QUORUM_LIMIT))]
        quorum: u64,
        /// The public half of its witness's key, if it runs one.
        #[arg(long, value_name = "FILE.jwk")]
        witness: Option<PathBuf>,
        /// Where to write it; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Draft charter 1 from the exchange's description and the parties'.
    Draft {
        /// host.json, as `communiqued init` wrote it.
        #[arg(long, value_name = "FILE")]
        host: PathBuf,
        /// A party's description; once per party.
        #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
        party: Vec<PathBuf>,
        /// How the next charter is adopted.
        #[arg(long, value_enum, default_value = "unanimous")]
        succession: Succession,
        /// How many witnesses a package should show.
        #[arg(long, value_name = "N", default_value_t = 0)]
        witnesses: u64,
        /// Where to write it; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Draft the charter that succeeds the newest of a file: who joins, who leaves, whose description changes.
    Next(Next),
    /// Adopt a charter with your party's authority key.
    ///
    /// Of a file with several charters, the last is adopted. A later charter is adopted with the key that your party has in
    /// the charter before; a party that joins, or whose key changes, adopts it with its new key (whose key changes, with both).
    Adopt {
        /// The charter, or a file of charters.
        file: PathBuf,
        /// The authority key: a file, pkcs11:… or ssh-agent:….
        #[arg(long, value_name = "KEY", alias = "authority", value_parser = KeyName)]
        key: KeyRef,
        /// Where to write the adoption; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Put forward the last charter of a file to the exchange, with your party's adoption of it.
    Propose {
        /// The file of charters, as `charter next` wrote it.
        file: PathBuf,
        /// The adoption by your party.
        #[arg(long, value_name = "FILE")]
        adoption: PathBuf,
    },
    /// Hand in an adoption of a charter that was put forward. Any party may carry it.
    SubmitAdoption {
        /// The adoption.
        file: PathBuf,
    },
    /// List every charter that was put forward: in force, pending, failed; and who has adopted it.
    List,
    /// Write the charters in force, proven from the pinned one, to a file: for profiles and for offline work.
    Fetch {
        /// With this proposed charter after them, by its fingerprint: to be read and adopted.
        #[arg(long, value_name = "HEX")]
        proposed: Option<Digest>,
        /// Where to write them; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show a charter: a file's last, or the one that is in force at the exchange.
    Show {
        /// The charter's file; without one, the exchange is asked.
        file: Option<PathBuf>,
        /// The charter of this fingerprint at the exchange, such as one that is proposed.
        #[arg(long, value_name = "HEX", conflicts_with = "file")]
        proposed: Option<Digest>,
    },
    /// Print a charter's fingerprint, to be compared by another way than the exchange.
    Fingerprint {
        /// The charter's file; of several charters, the last.
        file: PathBuf,
    },
}

#[derive(Group)]
pub struct Next {
    /// The file of charters in force, as `charter fetch` writes it.
    pub after: PathBuf,
    /// The description of a party that joins; once per party.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub join: Vec<PathBuf>,
    /// A party that leaves; once per party.
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub leave: Vec<PartyId>,
    /// The new description of a party that stays, with another key, name or quorum; once per party.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub replace: Vec<PathBuf>,
    /// The exchange's new host.json, when its keys change.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// How many witnesses a package should show from then on.
    #[arg(long, value_name = "N")]
    pub witnesses: Option<u64>,
    /// Until when it must be adopted, at most 366 days from now, as in 2027-01-31 or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub adopt_by: Time,
    /// Where to write the charters with the new one; must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// How many continuing parties must adopt the next charter.
#[derive(ValueEnum, Clone, Copy)]
pub enum Succession {
    Unanimous,
    AllButOne,
}

impl From<Succession> for charter::Succession {
    fn from(s: Succession) -> Self {
        match s {
            Succession::Unanimous => Self::Unanimous,
            Succession::AllButOne => Self::AllButOne,
        }
    }
}
