//! Which language the tool speaks, and what never changes with it. Moments tell the language: each writes them in its own way.

use std::fs;

use communique::language::Language;

use crate::{
    desk::{Desk, Ran},
    played::Plan,
};

/// The day of the sample packages, as each language writes it.
const DAYS: [(&str, &str); 4] = [
    ("ar", "23 تشرين الثاني/نوفمبر 2026، "),
    ("en", "23 November 2026, "),
    ("fr", "23 novembre 2026, "),
    ("ru", "23 ноября 2026\u{a0}г., "),
];

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("package.zip", Plan::plain().play().zip);
    desk
}

fn run(desk: &Desk, line: &str, environment: &[(&str, &str)]) -> Ran {
    let mut command = desk.program("communique");
    command.env_remove("LC_ALL").envs(environment.iter().copied());
    let output = command.args(line.split_whitespace()).output().unwrap();
    Ran {
        line: line.into(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Which language this speaks.
#[track_caller]
fn spoken(desk: &Desk, line: &str, environment: &[(&str, &str)]) -> &'static str {
    let ran = run(desk, line, environment).ends(3);
    let spoken: Vec<_> = DAYS.iter().filter(|(_, day)| ran.out.contains(day)).map(|(tag, _)| *tag).collect();
    let [tag] = spoken.as_slice() else { panic!("{spoken:?} are spoken: {}", ran.out) };
    tag
}

#[test]
fn what_is_said_first_counts() {
    let desk = desk();
    for (environment, expected) in [
        (&[][..], "en"),
        (&[("LANG", "fr_FR.UTF-8")][..], "fr"),
        (&[("LANG", "C.UTF-8")][..], "en"),
        (&[("LANG", "de_DE.UTF-8")][..], "en"),
        (&[("LC_MESSAGES", "ar_EG"), ("LANG", "fr_FR.UTF-8")][..], "ar"),
        (&[("LC_ALL", "ru_RU.UTF-8"), ("LC_MESSAGES", "ar_EG"), ("LANG", "fr_FR.UTF-8")][..], "ru"),
        (&[("LC_ALL", ""), ("LANG", "fr_FR.UTF-8")][..], "fr"),
        (&[("LC_ALL", "C"), ("LANG", "fr_FR.UTF-8")][..], "en"),
    ] {
        assert_eq!(spoken(&desk, "verify package.zip", environment), expected, "{environment:?}");
        // What is typed comes before the locale.
        assert_eq!(spoken(&desk, "verify package.zip --lang ru", environment), "ru");
        assert_eq!(spoken(&desk, "--lang=fr-CH verify package.zip", environment), "fr");
    }
    // The profile comes between them.
    desk.write("ar.toml", "language = 'ar'\n");
    fs::create_dir_all(desk.path("config/communique")).unwrap();
    desk.write("config/communique/default.toml", "language = 'fr'\n");
    let russian = &[("LC_ALL", "ru_RU.UTF-8")];
    assert_eq!(spoken(&desk, "verify package.zip", russian), "fr");
    assert_eq!(spoken(&desk, "--profile ar.toml verify package.zip", russian), "ar");
    let named = &[("LC_ALL", "ru_RU.UTF-8"), ("COMMUNIQUE_PROFILE", "ar.toml")];
    assert_eq!(spoken(&desk, "verify package.zip", named), "ar");
    assert_eq!(spoken(&desk, "verify package.zip --lang en", named), "en");
}

#[test]
fn a_language_that_is_not_spoken_is_refused() {
    let desk = desk();
    run(&desk, "--lang de verify package.zip", &[]).ends(64).tells("--lang");
    run(&desk, "--lang= verify package.zip", &[]).ends(64);
    desk.write("de.toml", "language = 'de'\n");
    run(&desk, "--profile de.toml list", &[]).ends(64).tells("write ar, en, fr or ru");
}

#[test]
fn programs_are_answered_alike_in_every_language() {
    let desk = desk();
    desk.write("mixed.txt", "Le ministre а dit.\u{202e}\n");
    for (line, code) in [
        ("verify package.zip --json", 3),
        ("verify package.zip nothing.zip --json", 2),
        ("text check mixed.txt --json", 1),
        ("key show nothing.pem --json", 1),
        ("--profile nothing.toml list --json", 64),
        ("--profile nothing.toml doctor --json", 64),
    ] {
        let told: Vec<_> = Language::ALL
            .map(|language| run(&desk, &format!("--lang {} {line}", language.tag()), &[]).ends(code))
            .map(|ran| (ran.out, ran.err))
            .into();
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{line}: {told:?}");
    }
}
