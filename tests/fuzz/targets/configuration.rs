//! The configuration and descriptions of drafts: read or refused, with every problem in words.
#![no_main]

use std::path::Path;

use communique::{app::config::Config, client::drafting};

fn check(data: &[u8]) {
    let path = Path::new("file.toml");
    assert!(drafting::parse(path, data).err().is_none_or(|e| !e.to_string().is_empty()));
    // After a NUL: what the environment says.
    let Ok(all) = std::str::from_utf8(data) else { return };
    let (text, environment) = all.split_once('\0').unwrap_or((all, ""));
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (format!("COMMUNIQUE__{name}"), value.to_owned()));
    match Config::parse(path, text, variables) {
        Ok(config) => assert!(!config.exchange.name.is_empty()),
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| assert!(!problem.to_string().is_empty()));
        }
    }
}

libfuzzer_sys::fuzz_target!(init: communique_fuzz::seeds::offer("configuration"), |data: &[u8]| check(data));
