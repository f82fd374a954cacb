//! The command line, as clap reads it.

mod acts;
mod charter;
mod key;
mod powers;
pub mod spoken;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as Group, Parser, Subcommand};
use clap_complete::Shell;
use communique::{
    client::keys::KeyRef,
    domain::{
        id::{CommuniqueId, Digest, Lang, PartyId, Role, TrustDomain},
        life::State,
        text::Direction,
        time::Time,
        words::{Line, Sought},
    },
    msg,
};

use crate::{
    bidi::{self, Bidi},
    speech,
};

pub use self::{
    acts::{Act, Away, Confirm, Declare, Reasoned, Request, Sign, SignRequest, Which, Withdraw},
    charter::{Charter, Next},
    key::{Key, KeyName, Passphrase},
    powers::{ByAuthority, Grant, Powers, Revoke},
};

/// Drafts, signs, publishes and verifies joint communiqués.
///
/// Exit codes: 0 done, 1 refused, 64 wrong arguments, 69 exchange not reachable, 75 outcome unknown, 76 the exchange contradicts
/// itself, 130 interrupted;
/// of `verify`: 0 proven, 1 something fails, 2 cannot read or cannot judge, 3 consistent but unpinned.
#[derive(Parser)]
#[command(name = "communique", version, max_term_width = 100, propagate_version = true)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
    /// Behind the commands: it is an option of each.
    #[command(flatten)]
    _spoken: spoken::Spoken,
}

#[derive(Group, Clone)]
pub struct Global {
    /// Which exchange, and as whom: a profile's name, or its file.
    #[arg(long, global = true, value_name = "NAME|FILE", env = "COMMUNIQUE_PROFILE", default_value = "default")]
    pub profile: String,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print without colours, as with NO_COLOR in the environment.
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Print what is longer than the screen at once, and not by a pager.
    #[arg(long, global = true)]
    pub no_pager: bool,
    /// Who lays out words that run from right to left: the terminal, the tool, or nobody (off). Otherwise whoever can.
    #[arg(long, global = true, value_enum, value_name = "WHO", env = bidi::VARIABLE, default_value = "auto")]
    pub bidi: Bidi,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make certificates, for trials and for ministries without an authority of their own.
    #[command(subcommand)]
    Certs(Certs),
    /// Make, show, list, back up and restore signing keys: files, tokens (PKCS#11), ssh-agents.
    #[command(subcommand)]
    Key(Key),
    /// Draft, adopt and read the charter, and those that succeed it.
    #[command(subcommand)]
    Charter(Charter),
    /// Say which certificate authorities your party is known by.
    #[command(subcommand)]
    Trust(Trust),
    /// Grant and revoke full powers, and see who holds them.
    #[command(subcommand)]
    Powers(Powers),
    /// Propose a communiqué: revision 1.
    New(New),
    /// Propose the next revision.
    Revise(Revise),
    /// Show a communiqué as it stands.
    Show(Show),
    /// Show what changed from one revision to another.
    Diff(Diff),
    /// List the communiqués that name your party.
    List(List),
    /// List what waits for an act of your party, by deadline.
    Inbox,
    /// Show who did what to a communiqué, when, with reasons.
    History {
        /// The communiqué's id.
        id: CommuniqueId,
    },
    /// Say something of a revision, to all parties or within your own.
    #[command(subcommand)]
    Remark(Remark),
    /// Tell what happens as it happens, and run a command for each event.
    Watch(Watch),
    /// Object to the newest revision, with reasons, while the text is settled: it does not open.
    Object(Reasoned),
    /// Declare how your party understands the text, for all to read; its signature may then be given with it.
    Declare(Declare),
    /// Initial the newest revision: the text is final, but not yet consented to.
    Initial(Act),
    /// Open the newest revision for signature, where initialling is waived.
    Open(Act),
    /// Sign the newest revision, definitively or ad referendum.
    Sign(Sign),
    /// Confirm a signature that your party gave ad referendum.
    Confirm(Confirm),
    /// Decline the newest revision once it is open, with reasons: it goes back to drafting.
    Decline(Reasoned),
    /// Take a communiqué back: a draft by its proposer, what is open by every party.
    Withdraw(Withdraw),
    /// Agree to publication before the embargo ends; it needs every party.
    Release(Act),
    /// Agree that the texts of what was withdrawn or has lapsed are erased for ever; it needs every party.
    Purge(Act),
    /// Act away from the network: a request, its answer, and handing that in.
    #[command(subcommand)]
    Act(Away),
    /// Ask for publication of a communiqué that every party has signed.
    Publish {
        /// The communiqué's id.
        id: CommuniqueId,
    },
    /// Import, check and mend texts.
    #[command(subcommand)]
    Text(Text),
    /// Fetch the package of a published communiqué.
    Fetch {
        /// The communiqué's id.
        id: CommuniqueId,
        /// Where to put it; must not exist. What a break leaves lies beside it as FILE.part, and the next run goes on from there.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Look after this profile: certificates, clock, addresses, charter and full powers, in plain words.
    ///
    /// One line for each finding, with what to do next. Says what it can with the exchange down. Ends with 1 if there is a fault.
    Doctor,
    /// Be your party's witness: cosign the heads of the exchange's log, each only if it is proven to continue the last.
    ///
    /// Checks that the log's key signed each head, and that its digests continue those of the last. What stands in the log it does not
    /// see: acts that nobody did, entries that break the rules or are withheld are found by an audit alone, beside it with --audit.
    ///
    /// Needs a certificate of role `witness`. Remembers the last head beside the key, as KEY.head. Ends with 1 on a lie, keeps it as
    /// KEY.doubt, and cosigns nothing until that file is taken away.
    Witness(Witness),
    /// Check the whole log that your party may see, from where the last audit stopped.
    ///
    /// Ends with 1 if a lie of the exchange was found; then a file of evidence is written, for others to check.
    Audit(Audit),
    /// Keep your party's own verified copy of all that it may see of the exchange, in a folder, and bring it up to date.
    ///
    /// Every entry is checked as an audit does before it is kept, every text, annex and package against its digest. It goes on where it
    /// stopped. What the parties had erased is erased here too. Ends with 1 if the exchange lied, or does not give all.
    Mirror(Mirror),
    /// Verify packages, without network and without unpacking them.
    Verify(Verify),
    /// Play a sample negotiation from the first draft to a verified package, on this machine.
    Demo(DemoArgs),
    /// Write the manual: a man page for each command.
    Man {
        /// The directory, such as ~/.local/share/man/man1; in another language than English, such as ~/.local/share/man, and the pages go below it,
        /// as in fr/man1. Pages of an earlier version are overwritten.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print what a shell is to run so that it completes commands and options.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Subcommand)]
pub enum Certs {
    /// Make a certificate authority for a party.
    Ca {
        /// The party.
        #[arg(long, value_name = "ID")]
        party: PartyId,
        /// The trust domain that the charter gives it.
        #[arg(long, value_name = "DOMAIN")]
        trust_domain: TrustDomain,
        /// The directory for ca.pem, ca-key.pem and ca.toml.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How long it holds, in days.
        #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(i64).range(1..=36_500))]
        days: i64,
    },
    /// Issue a certificate to somebody who calls the exchange.
    Issue {
        /// The authority's directory.
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// system, official, authority, witness or archivist.
        #[arg(long)]
        role: Role,
        /// Who: small letters, digits, dots, dashes and underscores.
        #[arg(long)]
        name: String,
        /// The directory for ROLE-NAME.pem and ROLE-NAME-key.pem.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How long it holds, in days.
        #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3650))]
        days: i64,
    },
}

/// How an act is consented to.
#[derive(Group, Clone)]
pub struct Consent {
    /// Do not ask for the party's id. For scripts: somebody else has read what is signed.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub passphrase: Passphrase,
}

#[derive(Subcommand)]
pub enum Trust {
    /// Sign which certificate authorities your party is known by, and which certificates it shuts out.
    Sign {
        /// The charter.
        #[arg(long, value_name = "FILE")]
        charter: PathBuf,
        /// The authority key: a file, pkcs11:… or ssh-agent:….
        #[arg(long, value_name = "KEY", value_parser = KeyName)]
        key: KeyRef,
        /// Above the one before; 1 for the first.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        serial: u64,
        /// A CA certificate in PEM.
        #[arg(long, value_name = "CERT.pem", required = true, num_args = 1..)]
        ca: Vec<PathBuf>,
        /// A certificate that is refused from now on, in PEM.
        #[arg(long, value_name = "CERT.pem", num_args = 1..)]
        revoke: Vec<PathBuf>,
        /// Where to write the statement; must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        consent: Consent,
    },
    /// Hand a trust statement in to the exchange.
    Submit {
        /// The signed statement.
        file: PathBuf,
    },
    /// List the trust statements in force.
    List,
}

#[derive(Group)]
pub struct New {
    /// The draft: a TOML file that names titles, parties, texts and annexes (see docs/TOOL.md).
    pub draft: PathBuf,
    /// It corrects this published communiqué (VCLT, article 79): the same parties sign again, and the original is kept.
    #[arg(long, value_name = "ID")]
    pub rectifies: Option<CommuniqueId>,
    /// Correct it although a newer rectification of it is published.
    #[arg(long, requires = "rectifies")]
    pub anyway: bool,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Group)]
pub struct Revise {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// The draft, as for `new`.
    pub draft: PathBuf,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Group)]
pub struct Show {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// This revision instead of the newest.
    #[arg(long, value_name = "N")]
    pub revision: Option<u64>,
    /// The texts too.
    #[arg(long)]
    pub texts: bool,
}

#[derive(Group)]
pub struct List {
    /// Only those in this state, such as drafting, open, complete or published.
    #[arg(long, value_name = "STATE")]
    pub state: Option<State>,
    /// Only those that name this party too.
    #[arg(long, value_name = "ID")]
    pub party: Option<PartyId>,
    /// Only those that wait for an act of your party.
    #[arg(long)]
    pub awaiting: bool,
    /// Only those whose title holds these words, in any language and whatever their case.
    #[arg(long, value_name = "WORDS", value_parser = Sought::new)]
    pub text: Option<Sought>,
}

#[derive(Subcommand)]
pub enum Remark {
    /// Add a remark. It is not signed, and no package holds it.
    Add(AddRemark),
    /// List the remarks that your party may read.
    List {
        /// The communiqué's id.
        id: CommuniqueId,
        /// Only those on this revision.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        revision: Option<u64>,
        /// Only those within your own party.
        #[arg(long)]
        own: bool,
    },
}

#[derive(Group)]
pub struct AddRemark {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// What is said.
    #[arg(required_unless_present = "text_file", conflicts_with = "text_file")]
    pub text: Option<String>,
    /// A file that says it.
    #[arg(long, value_name = "FILE")]
    pub text_file: Option<PathBuf>,
    /// The revision that it speaks of; the newest, if it is left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub revision: Option<u64>,
    /// For your own party alone, and not for the others.
    #[arg(long)]
    pub own: bool,
    /// Who says it, in one line; the name in your certificate, if it is left out.
    #[arg(long, value_parser = |s: &str| Line::new(s))]
    pub author: Option<Line>,
    /// In which language.
    #[arg(long)]
    pub lang: Option<Lang>,
}

#[derive(Group)]
pub struct Watch {
    /// From this index of the log on; from now on, if it is left out. Where a resume point is kept, it counts instead.
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Only this communiqué.
    #[arg(long, value_name = "ID")]
    pub of: Option<CommuniqueId>,
    /// For each event run this command in a shell, with one line of JSON on its standard input; at least once for each. Keeps a
    /// resume point.
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// How often a command that fails is run again, with growing pauses, before watching stops.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Where the resume point is kept; with --exec, it is kept in the state directory if this is left out.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

#[derive(Group)]
pub struct Witness {
    /// The witness key, whose public half the charter gives your party: a file, pkcs11:… or ssh-agent:….
    #[arg(long, value_name = "KEY", value_parser = KeyName)]
    pub key: KeyRef,
    /// How long to wait between two looks at the exchange, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
    /// Look once, and end: for cron.
    #[arg(long)]
    pub once: bool,
    /// Serve whoever asks for cosignatures here too, in plain HTTP (C2SP tlog-witness).
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    pub listen: Option<SocketAddr>,
    /// Audit the log too, as `communique audit` does with this profile of your party (role system or official): at the start, and
    /// when the log has grown. On a lie, cosign nothing more.
    #[arg(long, value_name = "NAME|FILE")]
    pub audit: Option<String>,
    /// How long to wait from one audit to the next at least, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), requires = "audit")]
    pub audit_interval: u64,
    #[command(flatten)]
    pub passphrase: Passphrase,
}

#[derive(Group)]
pub struct Diff {
    /// The communiqué's id.
    pub id: CommuniqueId,
    /// The older revision; the one before, if it is left out.
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// The later revision; the newest, if it is left out.
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
}

#[derive(Subcommand)]
pub enum Text {
    /// Check texts against the rules of text.v1, and language versions against one another.
    ///
    /// Versions are compared where several languages are given: as in fr=fr.txt ar=ar.txt, or by a draft.toml. As many
    /// paragraphs, the same numbers and dates: what differs is a warning, and changes no exit code.
    Check {
        /// A text; a text and its language, as in fr=fr.txt; or a draft (.toml), which names texts and languages.
        #[arg(required = true, value_name = "FILE|LANG=FILE|DRAFT.toml")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        way: Way,
    },
    /// Mend what can be mended without changing a word.
    Clean {
        file: PathBuf,
        /// Where to write the mended text; must not exist. Standard output, if it is left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        way: Way,
    },
    /// Make a text of a .docx or .odt, and say what of it is dropped.
    ///
    /// Paragraphs, headings and list items become paragraphs. Tables, notes, pictures, comments, headers and hidden text are
    /// dropped; tracked changes are read as if accepted. Encrypted files and files with macros are refused.
    Import {
        /// The document.
        #[arg(value_name = "FILE.docx|FILE.odt")]
        file: PathBuf,
        /// Where to write the text; must not exist. Standard output, if it is left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        way: Way,
    },
}

/// Which way a text runs.
#[derive(Group, Clone)]
pub struct Way {
    /// The text's language.
    #[arg(long)]
    pub lang: Option<Lang>,
    /// `ltr` or `rtl`; by language, if it is left out.
    #[arg(long, value_parser = direction)]
    pub dir: Option<Direction>,
}

#[derive(Group)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// From the first entry on, and not from where the last audit stopped.
    #[arg(long)]
    pub anew: bool,
    #[command(subcommand)]
    pub command: Option<Audits>,
}

#[derive(Subcommand)]
pub enum Audits {
    /// Check a file of evidence, without network: what it proves, and of whom.
    ///
    /// Ends with 0 if a lie is proven against the pin, 3 if it is proven without one or the exchange must answer for it, 1 if the file
    /// proves nothing, 2 if it cannot be read.
    Verify {
        /// The file.
        file: PathBuf,
        /// The fingerprint of the charter that you trust, got by another way than the file: 64 hex digits.
        #[arg(long, value_name = "HEX")]
        pin: Option<Digest>,
    },
}

#[derive(Group)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Mirror {
    /// The folder of the mirror; it is made.
    #[arg(value_name = "DIR", required = true)]
    pub folder: Option<PathBuf>,
    /// Go on as things happen, until it is stopped.
    #[arg(long)]
    pub follow: bool,
    /// Take the entries again from the first on, as when a mirror is damaged.
    #[arg(long)]
    pub anew: bool,
    #[command(subcommand)]
    pub command: Option<Mirrors>,
}

#[derive(Subcommand)]
pub enum Mirrors {
    /// Check a whole mirror, without network: every digest, proof and rule; and name what is damaged or missing.
    ///
    /// Ends with 0 if all is sound, 1 if not.
    Verify {
        /// The folder of the mirror.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The fingerprint of the charter that you trust, 64 hex digits; that of the profile, if it is left out.
        #[arg(long, value_name = "HEX")]
        pin: Option<Digest>,
    },
    /// Write a communiqué out of a mirror, without network: entries, manifests, acts, texts, annexes, remarks, package.
    Restore {
        /// The folder of the mirror.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The communiqué's id.
        id: CommuniqueId,
        /// Where to write it; must not exist.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// The fingerprint of the charter that you trust, 64 hex digits; that of the profile, if it is left out.
        #[arg(long, value_name = "HEX")]
        pin: Option<Digest>,
    },
    /// Print the bytes of this digest: an entry, document, statement, text, annex or package.
    Object {
        /// The folder of the mirror.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Its digest: 64 hex digits.
        #[arg(value_name = "HEX")]
        digest: Digest,
    },
}

#[derive(Group)]
pub struct Verify {
    /// Packages.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The fingerprint of the charter that you trust, got by another way than the package: 64 hex digits.
    #[arg(long, value_name = "HEX")]
    pub charter_pin: Option<Digest>,
    /// Print the texts of packages that are proven.
    #[arg(long)]
    pub texts: bool,
    /// Print the texts of packages that are only consistent too.
    #[arg(long, requires = "texts")]
    pub unproven: bool,
}

/// What is wrong with an argument, in the language of this run.
type Fault = String;

fn words(s: &str) -> Result<(Lang, Line), Fault> {
    let (lang, words) = s.split_once('=').ok_or_else(|| speech::say(&msg!("write it as in `fr=Ministère d’essai`")))?;
    Ok((lang.parse::<Lang>().map_err(|e| speech::say(&e))?, Line::new(words).map_err(|e| speech::say(&e))?))
}

fn moment(s: &str) -> Result<Time, Fault> {
    Time::parse(s)
        .or_else(|_| Time::parse(&format!("{s}T00:00:00Z")))
        .map_err(|_| speech::say(&msg!("write it as in `2027-07-01` or `2027-06-30T23:59:59Z` (UTC)")))
}

fn direction(s: &str) -> Result<Direction, Fault> {
    match s {
        "ltr" => Ok(Direction::Ltr),
        "rtl" => Ok(Direction::Rtl),
        _ => Err(speech::say(&msg!("write `ltr` or `rtl`"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    /// The commands that do something, as they are typed.
    fn leaves(command: &clap::Command, before: &str, leaves: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let typed = format!("{before}{}", below.get_name());
            // What is optional below a command leaves it one that does something.
            if !below.has_subcommands() || !below.is_subcommand_required_set() {
                leaves.push(typed.clone());
            }
            self::leaves(below, &format!("{typed} "), leaves);
        }
    }

    #[test]
    fn every_command_has_its_json_in_the_manual() {
        let manual = include_str!("../../../docs/TOOL.md");
        let (_, told) = manual.split_once("\n## `--json`\n").unwrap();
        let (table, other) = told.split_once("Without `--json`").unwrap();
        let first = |row: &str| row.strip_prefix("| `").and_then(|row| row.split(" | ").next()).map(str::to_owned);
        let other = other.split("\n\n").next().unwrap().to_owned();
        let told: Vec<_> = table
            .lines()
            .filter_map(first)
            .chain([other])
            .flat_map(|cell| cell.split('`').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut commands = Vec::new();
        leaves(&Args::command(), "", &mut commands);
        assert!(commands.len() > 50, "{commands:?}");
        let missing: Vec<_> = commands.iter().filter(|command| !told.contains(command)).collect();
        assert!(missing.is_empty(), "docs/TOOL.md does not say what they print with --json: {missing:?}");
    }
}

/// How the demo is asked for.
#[derive(Group)]
pub struct DemoArgs {
    /// Where to leave the files; a new folder here if it is left out
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Leave the exchange running, with a ready client profile for each party
    #[arg(long)]
    pub serve: bool,
}
