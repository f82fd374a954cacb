//! `communique`: the parties' tool. Arguments in, one command run, an exit code out.

mod args;
mod bidi;
mod commands;
mod confirm;
mod demo;
mod errors;
mod help;
mod manual;
mod pager;
mod profile;
mod progress;
mod render;
mod speech;
mod stage;
mod unanswered;
mod usage;

use std::{process::ExitCode, time::Duration};

use clap::FromArgMatches as _;
use communique::msg;

use self::{args::Args, errors::Failure, stage::Stage};

/// How long after SIGINT a command may take to put the terminal in order.
const GRACE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    // First of all: a profile, which says the language, may hold what it should not.
    let private = keep_memory_private();
    speech::choose();
    if let Err(error) = private {
        Failure::refused(msg!("this system leaves no way to keep keys out of core dumps: {error}", error)).tell(false);
        return ExitCode::FAILURE;
    }
    let args = match help::command().try_get_matches().and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(answer) => return usage::answer(&answer),
    };
    bidi::ask(args.global.bidi);
    let as_json = args.global.json;
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(until_interrupted(args));
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::refused(msg!("the system gives no threads: {error}", error))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(as_json);
            ExitCode::from(failure.code)
        }
    }
}

/// No core dump of this process, and no other of the same user looks into its memory: keys, passphrases and PINs lie there. A size
/// of 0 alone would not do, since a dump that goes to a program through a pipe does not ask for it.
#[cfg(unix)]
fn keep_memory_private() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // What is run for `watch --exec` may raise its own again.
    let maximum = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum })?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn keep_memory_private() -> std::io::Result<()> {
    Ok(())
}

/// Runs the command on a thread of its own, since it waits for people as well as for the network.
async fn until_interrupted(args: Args) -> Result<(), Failure> {
    let network = tokio::runtime::Handle::current();
    let stage = Stage::default();
    let mut work = {
        let stage = stage.clone();
        tokio::task::spawn_blocking(move || commands::run(args, network, stage))
    };
    let ended = loop {
        tokio::select! {
            ended = &mut work => break ended,
            Ok(()) = tokio::signal::ctrl_c() => {
                // It was meant for the pager.
                if pager::is_open() {
                    continue;
                }
                match tokio::time::timeout(GRACE, work).await {
                    Ok(ended) => break ended,
                    Err(_) => return Err(stage.interrupted()),
                }
            }
        }
    };
    let ended = ended.unwrap_or_else(|_| {
        Err(Failure::refused(msg!("the tool has a fault and stopped; please report the lines above")))
    });
    ended.map_err(|failure| if failure.is_interrupted() { stage.interrupted() } else { failure })
}
