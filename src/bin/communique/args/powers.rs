//! The arguments of `powers`.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{
    Args as Group, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use communique::{
    client::keys::KeyRef,
    domain::{
        act::ActKind,
        id::{CommuniqueId, Digest, HolderId, Lang, PartyId},
        time::Time,
        words::Line,
    },
};

use super::{Consent, KeyName, moment, words};

#[derive(Subcommand)]
pub enum Powers {
    /// Grant full powers with your party's authority key.
    Grant(Box<Grant>),
    /// End full powers with your party's authority key, with a reason.
    Revoke(Revoke),
    /// Hand full powers, or their revocation, in to the exchange.
    Submit {
        /// The signed statement: a grant or a revocation.
        file: PathBuf,
    },
    /// List full powers, and whether they are in force.
    List {
        /// Of this party alone.
        #[arg(long, value_name = "ID")]
        party: Option<PartyId>,
    },
    /// Show full powers.
    Show {
        /// Their digest, as `powers list` gives it.
        digest: Digest,
    },
}

/// What a party's authority signs, and where that goes.
#[derive(Group)]
pub struct ByAuthority {
    /// The charter in force, or the file of charters up to it.
    #[arg(long, value_name = "FILE")]
    pub charter: PathBuf,
    /// The authority key: a file, pkcs11:… or ssh-agent:….
    #[arg(long, value_name = "KEY", alias = "authority", value_parser = KeyName)]
    pub key: KeyRef,
    /// Where to write what is signed; must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Hand it in to the exchange at once.
    #[arg(long)]
    pub submit: bool,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Group)]
pub struct Grant {
    #[command(flatten)]
    pub by: ByAuthority,
    /// The person's id within the party, never reused.
    #[arg(long, value_name = "ID")]
    pub holder: HolderId,
    /// His or her name in a language, as in `fr=A. Essai`; once per language.
    #[arg(long, value_name = "LANG=WORDS", value_parser = words, required = true)]
    pub holder_name: Vec<(Lang, Line)>,
    /// His or her title in a language; once per language.
    #[arg(long, value_name = "LANG=WORDS", value_parser = words, required = true)]
    pub title: Vec<(Lang, Line)>,
    /// The public half of his or her key.
    #[arg(long, value_name = "FILE.jwk")]
    pub holder_key: PathBuf,
    /// What he or she may do; once per act.
    #[arg(long, required = true, value_parser = PossibleValuesParser::new(ActKind::ALL.map(ActKind::as_str)).try_map(|s| s.parse::<ActKind>()))]
    pub act: Vec<ActKind>,
    /// In this communiqué alone; once per communiqué.
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub scope: Vec<CommuniqueId>,
    /// From when on; from now on if it is left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub not_before: Option<Time>,
    /// Until when, as in 2027-06-30T23:59:59Z or 2027-07-01.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub not_after: Time,
}

#[derive(Group)]
pub struct Revoke {
    /// The full powers: their digest as `powers list` gives it, or their file, which is shown before it is ended.
    #[arg(value_name = "DIGEST|FILE")]
    pub grant: String,
    /// Why, for every party to read.
    #[arg(long, value_name = "TEXT", required_unless_present = "reason_file", conflicts_with = "reason_file")]
    pub reason: Option<String>,
    /// A file that says why.
    #[arg(long, value_name = "FILE")]
    pub reason_file: Option<PathBuf>,
    #[command(flatten)]
    pub by: ByAuthority,
}

impl Grant {
    /// The acts, each once.
    pub fn acts(&self) -> BTreeSet<ActKind> {
        self.act.iter().copied().collect()
    }
}
