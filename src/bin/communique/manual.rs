//! What a system shows of a program: its man pages, and what a shell completes. Both are made from the arguments as clap reads them, so
//! that they cannot say otherwise than `--help`; what arguments do not tell, such as exit codes, each program hands in.

use std::io;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// A section of a page beside those of the arguments: a heading, and what each row says of its name.
pub type Section = (&'static str, Vec<(String, &'static str)>);

/// The page of a command and those of all below it, by their files' names. `beside` has further sections, by a page's name.
///
/// # Errors
/// What clap says of its arguments cannot be written.
pub fn pages(
    command: Command,
    section: &str,
    beside: &dyn Fn(&str) -> Vec<Section>,
) -> io::Result<Vec<(String, Vec<u8>)>> {
    // Whoever reads a page of its own needs no command that prints it.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let (top, mut pages) = (command.get_name().to_owned(), Vec::new());
    walk(&command, &top, section, beside, &mut pages)?;
    Ok(pages)
}

fn walk(
    command: &Command,
    top: &str,
    section: &str,
    beside: &dyn Fn(&str) -> Vec<Section>,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let version = command.get_version().unwrap_or_default();
    let man = Man::new(command.clone()).section(section).source(format!("{top} {version}"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut further = Roff::new();
    for (heading, rows) in beside(&name) {
        further.control("SH", [heading]);
        for (name, words) in rows {
            further.control("TP", []).text([bold(name)]).text([roman(words)]);
        }
    }
    if name != top {
        further.control("SH", ["SEE ALSO"]).text([bold(top), roman(format!("({section})"))]);
    }
    further.to_writer(&mut page)?;
    pages.push((format!("{name}.{section}"), page));
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| walk(below, top, section, beside, pages))
}

/// What this shell is to run to complete the command.
pub fn completion(mut command: Command, shell: Shell) -> Vec<u8> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// Headings.
pub fn said() -> Vec<&'static str> { vec![] }
