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

/// The headings of sections that every page has.
pub const HEADINGS: [&str; 6] = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SUBCOMMANDS", SEE_ALSO];
const SEE_ALSO: &str = "SEE ALSO";

/// The page of a command and those of all below it, by their files' names. `beside` has further sections, by a page's name; `say` has
/// the words for headings and for what sections say.
///
/// # Errors
/// What clap says of its arguments cannot be written.
pub fn pages(
    command: Command,
    section: &str,
    beside: &dyn Fn(&str) -> Vec<Section>,
    say: &dyn Fn(&str) -> String,
) -> io::Result<Vec<(String, Vec<u8>)>> {
    // Whoever reads a page of its own needs no command that prints it.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let (top, mut pages) = (command.get_name().to_owned(), Vec::new());
    let around = Around { top: &top, section, beside, say };
    walk(&command, &around, &mut pages)?;
    Ok(pages)
}

/// What all pages of a program share.
struct Around<'a> {
    top: &'a str,
    section: &'a str,
    beside: &'a dyn Fn(&str) -> Vec<Section>,
    say: &'a dyn Fn(&str) -> String,
}

fn walk(command: &Command, around: &Around<'_>, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let Around { top, section, beside, say } = around;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let version = command.get_version().unwrap_or_default();
    let man = Man::new(command.clone()).section(*section).source(format!("{top} {version}"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut page = with_headings(&page, say).into_bytes();
    let mut further = Roff::new();
    for (heading, rows) in beside(&name) {
        further.control("SH", [say(heading).as_str()]);
        for (name, words) in rows {
            further.control("TP", []).text([bold(name)]).text([roman(say(words))]);
        }
    }
    if name != *top {
        further.control("SH", [say(SEE_ALSO).as_str()]).text([bold(*top), roman(format!("({section})"))]);
    }
    further.to_writer(&mut page)?;
    pages.push((format!("{name}.{section}"), page));
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| walk(below, around, pages))
}

/// A page with the headings that are always the same in these words.
fn with_headings(page: &[u8], say: &dyn Fn(&str) -> String) -> String {
    let heading = |line: &str| {
        let of = line.strip_prefix(".SH ")?.trim_matches(['"', '\u{a0}']);
        let said = if HEADINGS.contains(&of) { say(of) } else { of.to_uppercase() };
        Some(if said.contains(' ') { format!(".SH \"{said}\"") } else { format!(".SH {said}") })
    };
    let page = String::from_utf8_lossy(page);
    page.lines().map(|line| heading(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// What this shell is to run to complete the command.
pub fn completion(mut command: Command, shell: Shell) -> Vec<u8> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}
