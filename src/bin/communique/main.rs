//! `communique`: the parties' tool. Arguments in, one command run, an exit code out.

mod args;
mod commands;
mod confirm;
mod demo;
mod errors;
mod profile;
mod progress;
mod render;
mod speech;
mod stage;
mod unanswered;

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;

use self::{args::Args, errors::Failure, stage::Stage};

/// How long after SIGINT a command may take to put the terminal in order.
const GRACE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    if let Err(e) = keep_memory_private() {
        Failure::refused(format!("this system leaves no way to keep keys out of core dumps: {e}")).tell(false);
        return ExitCode::FAILURE;
    }
    speech::choose();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(answer) => return errors::answer(&answer),
    };
    let as_json = args.global.json;
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(until_interrupted(args));
            runtime.shutdown_background();
            outcome
        }
        Err(e) => Err(Failure::refused(format!("the system gives no threads: {e}"))),
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
    let ended = tokio::select! {
        ended = &mut work => ended,
        Ok(()) = tokio::signal::ctrl_c() => match tokio::time::timeout(GRACE, work).await {
            Ok(ended) => ended,
            Err(_) => return Err(stage.interrupted()),
        },
    };
    let ended = ended
        .unwrap_or_else(|_| Err(Failure::refused("the tool has a fault and stopped; please report the lines above")));
    ended.map_err(|failure| if failure.is_interrupted() { stage.interrupted() } else { failure })
}
