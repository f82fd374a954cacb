//! `communique`: the parties' tool. Arguments in, one command run, an exit code out.

mod args;
mod commands;
mod confirm;
mod demo;
mod errors;
mod profile;
mod progress;
mod render;
mod unanswered;

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;

use self::{args::Args, errors::Failure};

/// How long after SIGINT a command may take to put the terminal in order.
const GRACE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
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

/// Runs the command on a thread of its own, since it waits for people as well as for the network.
async fn until_interrupted(args: Args) -> Result<(), Failure> {
    let network = tokio::runtime::Handle::current();
    let mut work = tokio::task::spawn_blocking(move || commands::run(args, network));
    let ended = tokio::select! {
        ended = &mut work => ended,
        Ok(()) = tokio::signal::ctrl_c() => match tokio::time::timeout(GRACE, work).await {
            Ok(ended) => ended,
            Err(_) => return Err(Failure::interrupted()),
        },
    };
    ended.unwrap_or_else(|_| Err(Failure::refused("the tool has a fault and stopped; please report the lines above")))
}
