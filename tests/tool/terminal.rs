//! At a terminal and at the end of a pipe: what is laid out, paged and coloured, and that a reader may go.

use std::{io::Read as _, process::Command, process::Stdio};

use crate::{desk::Desk, missing::missing, played::Plan};

/// Runs a line at a terminal of so many columns, with these variables, and gives what it printed.
fn at_terminal(desk: &Desk, line: &str, columns: u16, variables: &[(&str, &str)]) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        missing("script", "install Debian's bsdutils");
        return None;
    }
    let program = assert_cmd::cargo::cargo_bin("communique");
    let mut command = Command::new("script");
    command.current_dir(desk.0.path()).env_remove("COMMUNIQUE_PROFILE").env_remove("COLUMNS");
    for name in
        ["VTE_VERSION", "KONSOLE_VERSION", "MLTERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "TMUX", "NO_COLOR", "PAGER"]
    {
        command.env_remove(name);
    }
    command.env("HOME", desk.0.path()).env("TERM", "xterm").envs(variables.iter().copied());
    let typed = format!("stty cols {columns} rows 24; {} {line}; echo ended $?", program.display());
    let output = command.args(["-qec", &typed, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"))
}

/// A desk with a package whose Arabic text has two paragraphs.
fn desk() -> (Desk, String) {
    let desk = Desk::new();
    let played = Plan::plain().play();
    desk.write("package.zip", &played.zip);
    let pin = played.charter.digest().to_string();
    (desk, format!("verify package.zip --charter-pin {pin} --texts"))
}

#[test]
fn terminals_get_rows_as_they_can_show_them() {
    let (desk, line) = desk();
    let run = |more: &str, variables: &[(&str, &str)]| at_terminal(&desk, &format!("{line} {more}"), 60, variables);
    let Some(ours) = run("--no-pager", &[]) else { return };
    let letters =
        |page: &str| page.lines().filter(|row| row.contains(|c: char| ('\u{620}'..'\u{6ff}').contains(&c))).count();
    assert!(letters(&ours) > 0 && ours.contains("ended 0"), "{ours}");
    assert!(ours.lines().any(|row| row.contains("\x1b[8l  │ ") && row.ends_with('│')), "{ours}");
    assert_eq!(ours.matches("\x1b[8l").count(), ours.matches("\x1b[8h").count());
    for (more, variables) in [
        ("--no-pager", &[("KONSOLE_VERSION", "230401")][..]),
        ("--no-pager --bidi off", &[]),
        ("--no-pager", &[("COMMUNIQUE_BIDI", "terminal")]),
        ("", &[("TERM", "dumb")]),
    ] {
        let stored = run(more, variables).unwrap();
        assert!(!stored.contains("\x1b[8") && letters(&stored) > 0, "{more} {variables:?}: {stored}");
        assert!(!stored.lines().any(|row| row.ends_with('│')), "{stored}");
    }
    // A pipe gets what is stored, whatever is said.
    let piped = desk.run(&format!("{line} --bidi tool")).ends(0).out;
    assert!(!piped.contains('\x1b') && !piped.lines().any(|row| row.ends_with('│')), "{piped}");
}

#[test]
fn a_pager_shows_what_is_longer_than_the_screen() {
    let (desk, line) = desk();
    let run = |more: &str, variables: &[(&str, &str)]| {
        at_terminal(&desk, &format!("{line} --no-color {more}"), 40, variables)
    };
    let Some(paged) = run("", &[("PAGER", "sed s/^/paged:/")]) else { return };
    assert!(paged.contains("paged:PROVEN") && paged.contains("ended 0"), "{paged}");
    assert!(!paged.contains("paged:\x1b[8"), "{paged}");
    for (more, variables) in [
        ("--no-pager", &[("PAGER", "sed s/^/paged:/")][..]),
        ("--json", &[("PAGER", "sed s/^/paged:/")]),
        ("", &[("PAGER", "sed s/^/paged:/"), ("TERM", "dumb")]),
        ("", &[("PAGER", "sed s/^/paged:/"), ("COMMUNIQUE_PAGER", "cat")]),
        ("", &[("PAGER", "no-such-pager")]),
    ] {
        let printed = run(more, variables).unwrap();
        assert!(!printed.contains("paged:") && printed.contains("sample"), "{more} {variables:?}: {printed}");
        assert!(printed.contains("ended 0"), "{printed}");
    }
    // One that is closed at once, and one that fails, are no error.
    for pager in ["true", "false", "head -1"] {
        let ended = run("", &[("PAGER", pager)]).unwrap();
        assert!(ended.contains("ended 0") && !ended.contains("panicked"), "{pager}: {ended}");
    }
    // Nothing can be run out of it.
    let told = run("", &[("PAGER", "env; cat")]).unwrap();
    assert!(told.contains("LESSSECURE=1"), "{told}");
    // What fits is printed.
    let short = at_terminal(&desk, "charter show no-such-file", 80, &[("PAGER", "sed s/^/paged:/")]).unwrap();
    assert!(!short.contains("paged:") && short.contains("ended 1"), "{short}");
}

#[test]
fn nothing_is_coloured_where_nobody_wants_it() {
    let (desk, _) = desk();
    for (more, variables) in
        [("", &[("TERM", "dumb")][..]), ("", &[("NO_COLOR", "1")]), ("--no-color", &[]), ("--json", &[])]
    {
        let line = format!("verify package.zip --bidi off --no-pager {more}");
        let Some(printed) = at_terminal(&desk, &line, 60, variables) else { return };
        assert!(!printed.contains('\x1b') && printed.contains("package.zip"), "{more} {variables:?}: {printed:?}");
    }
}

#[test]
fn a_reader_may_go() {
    let (desk, line) = desk();
    desk.charter();
    desk.write("a.txt", "Un mot.\n");
    for (line, code) in [
        (line.as_str(), 0),
        ("verify package.zip --json", 3),
        ("charter show charter.json", 0),
        ("charter show charter.json --json", 0),
        ("charter fingerprint charter.json", 0),
        ("key show north.pem.jwk", 0),
        ("text check a.txt", 0),
        ("text clean a.txt", 0),
        ("completions bash", 0),
        ("man --out pages", 0),
        ("--help", 0),
        ("--help --lang ar", 0),
        ("--version", 0),
        ("sing", 64),
    ] {
        let program = assert_cmd::cargo::cargo_bin("communique");
        let mut command = Command::new(program);
        command.current_dir(desk.0.path()).env("HOME", desk.0.path()).args(line.split_whitespace());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The reader goes before anything is written, and never comes back.
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(!told.contains("panicked"), "{line}: {told}");
        assert_eq!(child.wait().unwrap().code(), Some(code), "{line}: {told}");
    }
}

#[test]
fn help_and_wrong_arguments_speak_four_languages() {
    let desk = Desk::new();
    for (lang, usage, there_is) in [
        ("fr", "Usage\u{a0}:", "Afficher l’aide"),
        ("ru", "Использование:", "Показать справку"),
        ("ar", "الاستعمال:", "عرض المساعدة"),
    ] {
        for line in ["--help", "-h", "sign --help", "help sign", "charter adopt -h"] {
            let help = desk.run(&format!("{line} --lang {lang}"));
            let help = if line.starts_with("help") { desk.run(&format!("--lang {lang} {line}")) } else { help }.ends(0);
            assert!(help.out.contains(usage) && help.out.contains(there_is), "{line}: {}", help.out);
        }
        desk.run(&format!("sing --lang {lang}")).ends(64).tells(usage).tells("communique --help");
        // In its own folder, as `man` looks for it.
        desk.run(&format!("man --out pages --lang {lang}")).ends(0);
        let page = desk.read(&format!("pages/{lang}/man1/communique.1"));
        assert!(!page.contains(".SH NAME") && !page.contains("EXIT STATUS") && page.contains("130"), "{page}");
    }
    let wrong = desk.run("list --sate open").ends(64).tells("“--sate”").tells("`--state`");
    assert!(!wrong.err.contains("error:"), "{}", wrong.err);
    desk.run("list --state signed").ends(64).tells("“signed”");
    desk.run("powers show 12").ends(64).tells("“12”");
    desk.run("verify").ends(64).tells("<PATHS>");
    desk.run("charter").ends(64);
    desk.run("verify a.zip --unproven").ends(64).tells("--texts");
}
