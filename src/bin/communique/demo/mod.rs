//! `communique demo`: a small world made and a negotiation played, by the real client against the real exchange, over real
//! mutual TLS. Everything in it is a sample.

mod ministry;
mod parties;
mod play;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::Instant,
};

use communique::{
    app::{
        config::Config,
        init::init,
        machine::ThisMachine,
        serve::{Bound, found, serve},
    },
    client::{
        chartering::{self, Host},
        reading::Pinned,
        remote::RemoteError,
    },
    domain::{
        charter::Succession,
        document::Document,
        id::ExchangeName,
        message::{Message, Tell as _},
        refusal::Refusal,
    },
    msg,
    package::verify::verify,
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{args::DemoArgs, errors::Failure, render::Out};
use ministry::Ministry;

/// What can stop the demo: anything that can stop the real job.
pub struct Fault(Failure);

impl Fault {
    /// What the demo itself finds wrong.
    fn of(sentence: Message) -> Self {
        Self(Failure::refused(sentence))
    }
}
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Fault {
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<RemoteError>() {
            Ok(error) => return Self((*error).into()),
            Err(error) => error,
        };
        let error = match error.downcast::<Refusal>() {
            Ok(refusal) => return Self((*refusal).into()),
            Err(error) => error,
        };
        Self(Failure::refused(match error.downcast::<std::io::Error>() {
            Ok(error) => error.message(),
            Err(error) => Message::words(error.to_string()),
        }))
    }
}

/// The steps that the demo counts.
const STEPS: usize = 15;

/// Tells what happens, step by step.
pub struct Teller<'a> {
    out: &'a mut Out,
    step: usize,
    started: Instant,
}

impl Teller<'_> {
    /// The next step begins.
    fn step(&mut self, what: &Message) {
        self.step += 1;
        let seconds = format!("{:>4.1}", self.started.elapsed().as_secs_f32());
        let step = format!("{:>2}/{STEPS}", self.step);
        self.out.gap();
        self.out.heading(&msg!("[{step}] {seconds} s  {what}", step, seconds, what));
        self.out.flush();
    }
    /// What it means.
    fn say(&mut self, words: &Message) {
        self.out.item(4, words);
        self.out.flush();
    }
}

/// The exchange that the demo serves, and the way to stop it.
struct Served {
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), communique::app::serve::ServeError>>,
}

impl Served {
    /// Starts it exactly as `communiqued serve` does.
    async fn start(config: Config) -> Result<(Self, Bound), Fault> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, addresses) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(
            config,
            |b| {
                let _ = bound.send(b);
            },
            shutdown,
        ));
        match addresses.await {
            Ok(addresses) => Ok((Self { stop, served }, addresses)),
            Err(_) => {
                served.await??;
                Err(Fault::of(msg!("the exchange ended before it served")))
            }
        }
    }
    async fn stop(self) -> Result<(), Fault> {
        let _ = self.stop.send(());
        Ok(self.served.await??)
    }
}

/// Plays it.
///
/// # Errors
/// Whatever went wrong; the files stay where they are.
pub async fn run(args: DemoArgs, out: &mut Out) -> Result<(), Failure> {
    play(args, out).await.map_err(|Fault(failure)| failure)
}

async fn play(args: DemoArgs, out: &mut Out) -> Result<(), Fault> {
    let dir = folder(args.out)?;
    let mut tell = Teller { out, step: 0, started: Instant::now() };
    tell.say(&msg!("A sample negotiation. Invented states, invented people. Files: {folder}", folder = dir));

    tell.step(&msg!("Each party makes its own certificate authority, its authority key and its officials' keys."));
    let ministries = Ministry::make_all(&dir, ThisMachine.now()).await?;
    for m in &ministries {
        let (party, name) = (column(m.sample.id), m.name());
        tell.say(&msg!("{party} {name}, quorum {quorum}", party, name, quorum = m.sample.quorum));
    }
    tell.say(&msg!("Private keys are encrypted files of the party; none of them ever leaves its folder."));

    tell.step(&msg!("The exchange's operator prepares: two keys of its own, a server certificate, a configuration."));
    let name = ExchangeName::parse("exchange.sample.example")?;
    let home = dir.join("exchange");
    init(&home, &name, &free_address()?, &free_address()?)?;
    tell.say(&msg!("They sign log heads and certified copies, nothing else. host.json goes into the charter."));

    tell.step(&msg!(
        "The parties agree a charter: who they are, with which keys. Its fingerprint is the root of all trust."
    ));
    let host: Host = chartering::description(&std::fs::read(home.join("host.json"))?)?;
    let described = ministries.iter().map(Ministry::described).collect::<Result<_, _>>()?;
    let charter = chartering::draft(host, described, Succession::Unanimous, 0)?;
    let pin = charter.digest();
    std::fs::write(dir.join("charter.json"), charter.bytes())?;
    std::fs::write(dir.join("charter-fingerprint.txt"), format!("{pin}\n"))?;
    tell.say(&msg!("fingerprint {fingerprint}", fingerprint = pin));

    tell.step(&msg!("Every authority adopts it and names the CAs that its people are known by. Then it is founded."));
    let (adoptions, trusts) = ministry::consents(&ministries, &charter)?;
    let config = load(&home)?;
    found(&config, charter.bytes().to_vec(), adoptions, trusts).await?;
    tell.say(&msg!("The log begins with these statements; each is signed, and each can be checked by anybody."));

    tell.step(&msg!("The exchange starts, as `communiqued serve` does."));
    let (served, addresses) = Served::start(config).await?;
    let address = addresses.exchange.to_string();
    tell.say(&msg!("gRPC on {address}: TLS 1.3, both sides with certificates. Nothing else is listened to.", address));

    let pinned = Pinned::new(charter.bytes(), pin)?;
    for m in &ministries {
        m.write_profiles(&address, pin)?;
    }
    let package = play::negotiation(&mut tell, &dir, &ministries, &pinned, &address).await?;

    let served = if args.serve {
        Some(served)
    } else {
        served.stop().await?;
        None
    };
    tell.step(&if served.is_some() {
        msg!("An archivist verifies the package, without asking the exchange anything.")
    } else {
        msg!("The exchange is stopped. An archivist verifies the package with nothing but the fingerprint.")
    });
    let verdict = verify(std::fs::File::open(&package)?, Some(pin));
    crate::commands::verify::say(tell.out, &package, &verdict, Some(pin));
    if verdict.exit_code() != 0 {
        return Err(Fault::of(msg!("the package does not verify")));
    }
    farewell(&mut tell, &dir, pin, served.is_some());
    if let Some(served) = served {
        tell.out.line(&msg!("The exchange is running. Press Ctrl-C to stop it."));
        tell.out.flush();
        tokio::signal::ctrl_c().await?;
        served.stop().await?;
    }
    Ok(())
}

fn farewell(tell: &mut Teller<'_>, dir: &Path, pin: communique::domain::id::Digest, serving: bool) {
    let seconds = tell.started.elapsed().as_secs_f32();
    let (at, tool) = (dir.display(), this_program());
    tell.out.gap();
    tell.out.heading(&msg!("Done in {seconds} s. Three commands to try next:", seconds = format!("{seconds:.1}")));
    tell.out.command(&format!("  {tool} verify {at}/package.zip --charter-pin {pin}"));
    if serving {
        tell.out.command(&format!("  {tool} --profile {at}/parties/boreal/profile.toml list"));
        tell.out.command(&format!("  {tool} --profile {at}/parties/cedar/profile.toml new {at}/drafts/1/draft.toml"));
        tell.out.line(&msg!("The passphrase of every sample key: {passphrase}", passphrase = parties::PASSPHRASE));
    } else {
        tell.out.command(&format!("  unzip -l {at}/package.zip"));
        tell.out.command(&format!("  {tool} demo --serve"));
    }
    tell.out.flush();
}

/// An id with room behind it, so that what follows stands in a column.
fn column(id: &str) -> String {
    format!("{id:<13}")
}

/// How a person here calls this program.
#[expect(clippy::disallowed_methods, reason = "a command to try next is for the shell that this was called from")]
fn this_program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match std::env::current_exe() {
        Ok(program) => match program.strip_prefix(&here) {
            Ok(below) => format!("./{}", below.display()),
            Err(_) => program.display().to_string(),
        },
        Err(_) => "communique".into(),
    }
}

/// The folder for the files: as asked, or a new one here.
fn folder(asked: Option<PathBuf>) -> Result<PathBuf, Fault> {
    let dir = match asked {
        Some(dir) => dir,
        None => {
            let stamp = ThisMachine.now().to_string().replace([':', '-'], "");
            PathBuf::from(format!("demo-{stamp}"))
        }
    };
    if dir.exists() && std::fs::read_dir(&dir)?.next().is_some() {
        return Err(Fault::of(msg!("{folder} is not empty; choose another folder with `--out`", folder = dir)));
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// An address of this machine that is free now. It is written into configuration and profiles, so that both stay usable.
fn free_address() -> Result<String, Fault> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn load(home: &Path) -> Result<Config, Fault> {
    let told = |problems: Vec<communique::app::config::Problem>| -> Fault {
        Fault::of(Message::words(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
    };
    let config = Config::load(&home.join("communiqued.toml"), std::iter::empty()).map_err(told)?;
    match config.check() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(told(problems)),
    }
}

/// What the pieces of the demo share of a document.
type CharterDocument = Document<communique::domain::charter::Charter>;
