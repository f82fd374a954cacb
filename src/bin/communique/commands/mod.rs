//! The commands: one file per noun. Each reads, decides by the library, and prints; the rules are not here.

mod act;
mod acts;
mod audit;
mod ceremony;
mod certs;
mod charter;
pub mod diff;
mod doctor;
mod drafts;
mod history;
mod key;
pub mod manual;
mod mirror;
mod powers;
mod publication;
mod remark;
mod show;
mod succession;
mod text;
mod trust;
pub mod verify;
mod watch;
mod witness;
mod wording;

use communique::{
    app::machine::ThisMachine,
    client::{reading::Pinned, receipts::Receipts, remote::RemoteError, seen::Memory, session::Session},
    domain::{act::ActKind, time::Time},
    msg,
};

use self::acts::Intent;
use crate::{
    args::{Args, Charter, Command},
    demo,
    errors::Failure,
    pager::{Pager, Seen},
    profile::{self, Profile},
    progress::Progress,
    render::Out,
    speech::Said,
    stage::Stage,
};

/// What every command has at hand.
pub struct Context {
    /// Results.
    pub out: Out,
    /// What is said by the way: prompts, warnings.
    pub err: Out,
    /// Whether results are for programs.
    pub json: bool,
    profile: String,
    network: tokio::runtime::Handle,
    /// Shows what is longer than the screen, if somebody looks.
    pager: Option<Pager>,
    /// How far an act has come.
    pub stage: Stage,
}

/// Runs one command.
///
/// # Errors
/// Why it was not done.
pub fn run(args: Args, network: tokio::runtime::Handle, stage: Stage) -> Result<(), Failure> {
    let colour = !args.global.no_color;
    let mut ctx = Context {
        out: Out::stdout(colour),
        err: Out::stderr(colour),
        json: args.global.json,
        profile: args.global.profile,
        network,
        pager: if args.global.json || args.global.no_pager { None } else { Pager::of_terminal() },
        stage,
    };
    if is_long(&args.command) {
        let pager = ctx.pager.clone();
        ctx.out.page(pager);
    }
    let done = match args.command {
        Command::Certs(command) => certs::run(&mut ctx, command),
        Command::Key(command) => key::run(&mut ctx, command),
        Command::Charter(command) => charter::run(&mut ctx, command),
        Command::Trust(command) => trust::run(&mut ctx, command),
        Command::Powers(command) => powers::run(&mut ctx, command),
        Command::New(args) => drafts::new(&mut ctx, &args),
        Command::Revise(args) => drafts::revise(&mut ctx, &args),
        Command::Show(args) => show::show(&mut ctx, &args),
        Command::List(args) => show::list(&mut ctx, args),
        Command::Inbox => show::inbox(&mut ctx),
        Command::History { id } => history::run(&mut ctx, id),
        Command::Remark(command) => remark::run(&mut ctx, command),
        Command::Watch(args) => watch::run(&mut ctx, &args),
        Command::Witness(args) => witness::run(&mut ctx, &args),
        Command::Diff(args) => diff::run(&mut ctx, &args),
        Command::Object(args) => acts::reasoned(&mut ctx, ActKind::Object, &args),
        Command::Declare(args) => acts::declare(&mut ctx, &args),
        Command::Initial(args) => acts::run(&mut ctx, Intent::plain(ActKind::Initial), &args),
        Command::Open(args) => acts::run(&mut ctx, Intent::plain(ActKind::Open), &args),
        Command::Sign(args) => acts::sign(&mut ctx, &args),
        Command::Confirm(args) => acts::confirm(&mut ctx, &args),
        Command::Decline(args) => acts::reasoned(&mut ctx, ActKind::Decline, &args),
        Command::Withdraw(args) => acts::withdraw(&mut ctx, &args),
        Command::Act(command) => act::run(&mut ctx, command),
        Command::Release(args) => acts::run(&mut ctx, Intent::plain(ActKind::Release), &args),
        Command::Purge(args) => acts::run(&mut ctx, Intent::plain(ActKind::Purge), &args),
        Command::Publish { id } => publication::publish(&mut ctx, id),
        Command::Fetch { id, out } => publication::fetch(&mut ctx, id, &out),
        Command::Text(command) => text::run(&mut ctx, command),
        Command::Doctor => doctor::run(&mut ctx),
        Command::Audit(args) => audit::run(&mut ctx, &args),
        Command::Mirror(args) => mirror::run(&mut ctx, &args),
        Command::Verify(args) => verify::run(&mut ctx, &args),
        Command::Man { out } => manual::man(&mut ctx, &out),
        Command::Completions { shell } => {
            manual::completions(&mut ctx, shell);
            Ok(())
        }
        Command::Demo(args) => {
            let network = ctx.network.clone();
            network.block_on(demo::run(args, &mut ctx.out))
        }
    };
    let written =
        ctx.out.end().map_err(|error| Failure::refused(msg!("the output could not be written: {error}", error)));
    done.and(written)
}

/// Whether a command prints what may be longer than a screen, and nothing that somebody waits for meanwhile.
fn is_long(command: &Command) -> bool {
    match command {
        Command::Show(_) | Command::Diff(_) | Command::History { .. } => true,
        Command::Verify(args) => args.texts,
        Command::Charter(Charter::Show { .. }) => true,
        _ => false,
    }
}

impl Context {
    /// The profile that was asked for.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn profile(&self) -> Result<Profile, Failure> {
        Profile::load(&self.profile)
    }
    /// A session as the profile says.
    ///
    /// # Errors
    /// Files that cannot be read; an exchange that cannot be reached.
    pub fn session(&self, profile: &Profile) -> Result<Session, Failure> {
        Ok(self.wait(self.opened(profile)?)?)
    }
    /// The same, to be waited for.
    fn opened(&self, profile: &Profile) -> Result<impl Future<Output = Result<Session, RemoteError>> + use<>, Failure> {
        let pinned = profile.pinned()?;
        let (certificate, key) = profile.identity()?;
        let (road, receipts) = (profile.road()?, self.receipts(&pinned)?);
        Ok(async move {
            let mut session = Session::open_by(pinned, road, certificate, key, now()).await?;
            session.keep(receipts).await?;
            Ok(session)
        })
    }
    /// What this profile keeps of the exchange's log.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub fn receipts(&self, pinned: &Pinned) -> Result<Receipts, Failure> {
        receipts_of(&self.profile, pinned)
    }
    /// What was seen with this profile of the exchange that this folder of receipts is of.
    ///
    /// # Errors
    /// A folder that cannot be found.
    pub fn memory(&self, pinned: &Pinned) -> Result<Memory, Failure> {
        Ok(Memory::within(&profile::receipts(&self.profile, pinned.founding())?))
    }
    /// Waits for the network.
    pub fn wait<F: Future>(&self, answer: F) -> F::Output {
        self.network.block_on(answer)
    }
    /// Where a person sees what is about to be signed; results for programs stay apart from it.
    pub fn scene(&mut self) -> &mut Out {
        if self.json { &mut self.err } else { &mut self.out }
    }
    /// Begins what a person is to see before anything is signed. Where it is more than a screen, a pager shows it.
    pub fn begin_scene(&mut self) {
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            let pager = self.pager.clone();
            self.scene().page(pager);
        }
    }
    /// Ends it: whoever has read it can answer now.
    pub fn end_scene(&mut self) -> Seen {
        let number = (u16::from_be_bytes(random()) % 9000 + 1000).to_string();
        let end = msg!("This is the end of what is to be signed. Its number, to be typed below: {number}", number);
        let (by_pager, page) = self.scene().turn(Some(&end));
        if by_pager { Seen::Paged { number, page } } else { Seen::AtOnce }
    }
    /// Shows it once more.
    pub fn repeat_scene(&mut self, page: &[u8]) {
        let pager = self.pager.clone();
        self.scene().again(pager.as_ref(), page);
    }
    /// A line for people alone.
    pub fn say(&mut self, line: &(impl Said + ?Sized)) {
        if !self.json {
            self.out.line(line);
        }
    }
    /// A bar for a transfer.
    pub fn progress(&self, what: &(impl Said + ?Sized), bytes: u64) -> Progress {
        Progress::new(what, bytes, !self.json && self.err.is_terminal())
    }
    /// A bar for entries of the log.
    pub fn progress_of_entries(&self, what: &(impl Said + ?Sized)) -> Progress {
        Progress::entries(what, !self.json && self.err.is_terminal())
    }
}

/// What the profile of this name keeps of the exchange's log.
fn receipts_of(profile: &str, pinned: &Pinned) -> Result<Receipts, Failure> {
    let folder = profile::receipts(profile, pinned.founding())?;
    Receipts::in_folder(folder).map_err(|e| RemoteError::from(e).into())
}

/// This machine's clock.
pub fn now() -> Time {
    ThisMachine.now()
}

/// This machine's clock in milliseconds since 1970 began.
pub fn millis() -> u64 {
    ThisMachine.millis()
}

/// Bytes from this machine's source of randomness.
pub fn random<const N: usize>() -> [u8; N] {
    ThisMachine.bytes()
}
