//! The guides for people, typed as they stand: at a terminal of their own, every command in its order, and at each question what the
//! guide says is typed, between ‹ and ›. What a guide shows is then all that was printed.
//!
//! `GUIDE=write cargo test --test tool guides` brings what the guides show up to date. What differs each time becomes `…`; a line that
//! is right as it stands is left alone, and so is a `…` alone in its line, with as many lines before and after it.

mod terminal;
mod world;

use std::{fs, path::Path};

use crate::{
    missing::missing,
    page::{self, ANYTHING, Block},
};

use self::{
    terminal::Terminal,
    world::{Delegation, Official, World},
};

/// A mark that leaves commands to `deploy/deb/test`, which types them where packages can be installed.
const INSTALLED: &str = "deb";

/// What a guide should show of what was printed, if it shows these lines now.
fn brought_up_to_date(world: &dyn World, shown: &[String], printed: &str) -> Vec<String> {
    let printed = unbroken(printed.trim_end().lines().map(str::trim_end));
    let shown = unbroken(shown.iter().map(String::as_str));
    let line = |shown: Option<&Vec<&str>>, printed: &[&str]| -> Vec<String> {
        let fresh = |printed: &[&str]| steady(&world.seen_by_a_reader(&whole(printed)));
        // Held against what differs each time, a date in a guide would be right until the next day.
        match shown.filter(|shown| page::is(&fresh(printed), &whole(shown))) {
            Some(shown) => shown.iter().map(ToString::to_string).collect(),
            None => {
                let lines = printed.chunk_by(|_, next| next.starts_with(BROKEN));
                lines.flat_map(|line| if line.len() == 1 { vec![fresh(line)] } else { broken(&fresh(line)) }).collect()
            }
        }
    };
    let Some(left_out) = shown.iter().position(|line| *line == [ANYTHING]) else {
        return printed.iter().enumerate().flat_map(|(n, printed)| line(shown.get(n), printed)).collect();
    };
    let after = shown.len() - left_out - 1;
    assert!(!shown[left_out + 1..].contains(&vec![ANYTHING]), "two lines of {ANYTHING} in {shown:?}");
    assert!(printed.len() >= left_out + after, "fewer lines than are shown: {printed:?}");
    let mut lines = Vec::new();
    lines.extend((0..left_out).flat_map(|n| line(shown.get(n), &printed[n])));
    lines.push(ANYTHING.to_owned());
    lines.extend((0..after).flat_map(|n| line(shown.get(left_out + 1 + n), &printed[printed.len() - after + n])));
    lines
}

/// How wide the terminal is.
pub const COLUMNS: usize = 80;
/// How a terminal begins what it broke off a line.
const BROKEN: &str = "  ┆ ";
/// How it begins what it broke off a sentence of our own. Commands and columns begin like this too.
const INDENT: &str = "  ";

/// Each line with all that may have been broken off it: where that is changes with the length of a date.
fn unbroken<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut unbroken: Vec<Vec<_>> = vec![];
    for line in lines {
        match unbroken.last_mut().filter(|last| line.starts_with(INDENT) && **last != [ANYTHING]) {
            Some(last) => last.push(line),
            None => unbroken.push(vec![line]),
        }
    }
    unbroken
}

/// A line as it was before it was broken.
fn whole(lines: &[&str]) -> String {
    let mut whole = lines[0].to_owned();
    for line in &lines[1..] {
        whole.push(' ');
        whole += [BROKEN, INDENT].iter().find_map(|begin| line.strip_prefix(begin)).unwrap_or(line);
    }
    whole
}

/// A line as a terminal would break it.
fn broken(line: &str) -> Vec<String> {
    let mut words = line.split(' ');
    let mut lines = vec![words.next().unwrap_or_default().to_owned()];
    for word in words {
        match lines.last_mut().filter(|last| last.chars().count() + 1 + word.chars().count() <= COLUMNS) {
            Some(last) => *last += &format!(" {word}"),
            None => lines.push(format!("{BROKEN}{word}")),
        }
    }
    lines
}

/// A line without what differs each time: digests, keys and thumbprints, moments, sizes of files.
fn steady(line: &str) -> String {
    // A public key is wider than the terminal.
    if let Some((before, (_, after))) =
        line.split_once("\"x\":\"").and_then(|(before, key)| Some((before, key.split_once('"')?)))
    {
        return format!("{before}\"x\":\"{ANYTHING}\"{}", steady(after));
    }
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    let line = without_moments(line);
    let mut steady = String::new();
    let mut rest = line.as_str();
    while let Some(begin) = rest.find(is_of_a_word) {
        let (before, from) = rest.split_at(begin);
        let (word, after) = from.split_at(from.find(|c| !is_of_a_word(c)).unwrap_or(from.len()));
        let size = KILOBYTES.iter().any(|unit| after.trim_start().starts_with(unit)) && word.parse::<u32>().is_ok();
        steady += before;
        steady += if size || differs(word) { ANYTHING } else { word };
        rest = after;
    }
    steady + rest
}

/// A line without moments as people write them, in whatever language: from the day, or from the date, to the time.
fn without_moments(line: &str) -> String {
    let is_of_a_word = |c: char| c.is_alphanumeric() || "-:".contains(c);
    let numeric = |word: &str, digits: &[usize]| digits.contains(&word.len()) && word.parse::<u16>().is_ok();
    let mut words: Vec<(usize, &str)> = Vec::new();
    for (at, word) in line.split(|c| !is_of_a_word(c)).map(|word| (word.as_ptr().addr() - line.as_ptr().addr(), word)) {
        if !word.is_empty() {
            words.push((at, word));
        }
    }
    let is_time = |word: &str| (2..=3).contains(&word.split(':').count()) && word.split(':').all(|n| numeric(n, &[2]));
    let Some(time) = words.iter().position(|(_, word)| is_time(word)) else { return line.to_owned() };
    let before = &words[time.saturating_sub(6)..time];
    let year = before.iter().rposition(|(_, word)| numeric(word, &[4]) || word.parse::<jiff::civil::Date>().is_ok());
    let day = year.and_then(|year| match before[year].1 {
        date if date.len() > 4 => Some(before[year].0),
        // The first of a month, in French.
        _ => before[..year].iter().rfind(|(_, word)| numeric(word, &[1, 2]) || *word == "1er").map(|(at, _)| *at),
    });
    let (at, word) = words[time];
    let begin = day.unwrap_or(at);
    format!("{}{ANYTHING}{}", &line[..begin], without_moments(&line[at + word.len()..]))
}

/// How languages write what a file's size is in.
const KILOBYTES: [&str; 3] = ["kB", "ko", "кБ"];

fn differs(word: &str) -> bool {
    let hex = word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let moment = word.len() >= 17 && word.ends_with('Z') && word.as_bytes()[10] == b'T' && word.contains(':');
    // A thumbprint or key in base64url, and nothing that people write.
    let thumbprint =
        word.len() == 43 && word.chars().any(char::is_uppercase) && word.chars().any(|c| c.is_ascii_digit());
    hex && word.len() == 64 || moment || thumbprint
}

/// Types a guide. Answers the page as it should stand.
fn typed(page: &str, world: &mut dyn World) -> String {
    let blocks = page::blocks(page);
    let mut terminal = Terminal::start(world);
    let mut fresh = Vec::new();
    for block in &blocks {
        match block.mark.as_deref() {
            Some(INSTALLED) => continue,
            Some(mark) => world.meanwhile(mark),
            None => (),
        }
        let shown: &[String] = block.shown.first().map_or(&[], |shown| &shown.lines);
        assert!(block.shown.len() <= 1, "“{}” shows twice what it prints: {}", block.section, block.commands);
        let printed = terminal.types(world, &world.of_this_run(&block.commands), &answers(shown));
        let printed = match printed {
            Ok(printed) => printed,
            Err(why) => panic!("“{}”: {why}\n{}", block.section, block.commands),
        };
        let lines = brought_up_to_date(world, shown, &printed);
        if block.shown.is_empty() {
            assert!(lines.is_empty(), "“{}”: {}\nprints what is not shown:\n{printed}", block.section, block.commands);
        }
        fresh.extend(block.shown.iter().map(|shown| (shown.at.clone(), lines.clone())));
    }
    assert!(fresh.len() > 5, "the guide shows {} times what is printed", fresh.len());
    let mut lines: Vec<_> = page.lines().map(str::to_owned).collect();
    for (at, shown) in fresh.into_iter().rev() {
        lines.splice(at, shown);
    }
    lines.join("\n") + "\n"
}

/// What the page says is typed at questions.
fn answers(shown: &[String]) -> Vec<String> {
    let answer = |line: &String| Some(line.split_once('‹')?.1.split_once('›')?.0.to_owned());
    shown.iter().filter_map(answer).collect()
}

/// Types a guide, and holds it against its page, or brings the page up to date.
fn guide(name: &str, world: impl FnOnce() -> Box<dyn World>) {
    if let Some((tool, install)) = terminal::lacking() {
        return missing(tool, install);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let page = fs::read_to_string(&path).unwrap();
    let fresh = typed(&page, &mut *world());
    if fresh == page {
        return;
    }
    if std::env::var("GUIDE").is_ok_and(|what| what == "write") {
        fs::write(path, fresh).unwrap();
        return;
    }
    let differ = page.lines().zip(fresh.lines()).enumerate().find(|(_, (old, new))| old != new);
    let (n, (old, new)) = differ.unwrap_or((page.lines().count().min(fresh.lines().count()), ("", "")));
    panic!(
        "docs/{name}:{}: shown\n  {old}\nprinted\n  {new}\nGUIDE=write cargo test --test tool guides brings all of it up to date",
        n + 1
    );
}

#[test]
fn the_french_guide_is_what_happens() {
    guide("GUIDE.fr.md", || Box::new(Official::french()));
}

#[test]
fn the_english_guide_is_what_happens() {
    guide("GUIDE.en.md", || Box::new(Official::english()));
}

#[test]
fn the_russian_guide_is_what_happens() {
    guide("GUIDE.ru.md", || Box::new(Official::russian()));
}

#[test]
fn the_guide_to_delegation_is_what_happens() {
    guide("GUIDE-DELEGATION.md", || Box::new(Delegation::new()));
}

/// From the package to the first signature: ten commands.
#[test]
fn ten_commands_lead_to_the_first_signature() {
    for name in ["GUIDE.fr.md", "GUIDE.en.md", "GUIDE.ru.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let blocks = page::blocks(&fs::read_to_string(path).unwrap());
        let signs = |block: &Block| block.commands.starts_with("communique sign ");
        let signed = blocks.iter().position(signs).unwrap_or_else(|| panic!("{name} signs nothing"));
        let commands = blocks[..=signed].iter().map(|block| block.commands.lines().count()).sum::<usize>();
        assert!(commands <= 10, "{name}: {commands} commands");
    }
}

#[test]
fn what_differs_each_time_is_left_out() {
    let digest = "5f".repeat(32);
    for (printed, shown) in [
        (format!("digest       {digest}"), "digest       …"),
        ("thumbprint   Yk3Jw0rVb2v0h0m6m4N0k9QY8q1Qm6m5QmD0sM3cZ-_".into(), "thumbprint   …"),
        ("yours holds until 2027-02-28T12:00:01Z (90 days)".into(), "yours holds until … (90 days)"),
        ("package      63 kB,".into(), "package      … kB,"),
        (
            "key {\"kty\":\"OKP\",\"x\":\"sb4obWw_2mvABlbKJZlleDAfmriIt37vnikl4pvQC_ U\"}".into(),
            "key {\"kty\":\"OKP\",\"x\":\"…\"}",
        ),
        (
            "yours holds until 28 February 2027, 12:00:01 UTC, 89 days more".into(),
            "yours holds until … UTC, 89 days more",
        ),
        ("jusqu’au 28 février 2027 à 12:00 (UTC)".into(), "jusqu’au … (UTC)"),
        ("jusqu’au 1er mars 2027 à 12:00 (UTC)".into(), "jusqu’au … (UTC)"),
        ("с 2026-11-30 12:00 по 2027-02-28 12:00:01".into(), "с … по …"),
        ("date         2026-03-02, Portneuf".into(), "date         2026-03-02, Portneuf"),
        ("To sign, type nord: ‹nord›".into(), "To sign, type nord: ‹nord›"),
    ] {
        assert_eq!(steady(&printed), shown);
    }
}
