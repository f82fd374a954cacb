//! The house, checked by machine: which room may know which, and what no room may do.
//!
//! The rules are three tables at the top of this file ([`ARROWS`], [`NEVERS`], and the constants after them). To change
//! the shape of the house is to change a table, in a diff that a reviewer sees. The checker reads Rust by its tokens
//! (comments, strings and `use` trees understood, macros not expanded), so it sees what is written, not what is meant:
//! `clippy.toml` holds the calls that need name resolution.
//!
//! The tests at the end feed the checker small snippets that break each rule, so that it has been seen to fail.

#![expect(clippy::expect_used, reason = "a repository that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The macros of the library, and the room that each is of.
const MACROS: [(&str, &str); 3] = [("msg", "domain"), ("told", "domain"), ("tell_as_words", "domain")];

/// A room (a module at the top of `src/`, or a binary) and the rooms that it may name besides itself.
///
/// A room that does not exist yet costs nothing; a room that is not in the table is a violation.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("language", &["domain"]),
    ("log", &["domain"]),
    ("observe", &[]),
    ("package", &["domain", "log"]),
    ("pki", &["domain"]),
    ("exchange", &["domain", "log", "package", "pki", "observe"]),
    ("store", &["domain", "log", "exchange"]),
    ("wire", &["domain", "language", "log"]),
    ("grpc", &["domain", "language", "log", "exchange", "wire", "pki", "observe"]),
    ("http", &["domain", "log", "exchange", "observe"]),
    ("client", &["domain", "language", "log", "package", "pki", "wire"]),
    ("app", &["domain", "log", "observe", "package", "pki", "exchange", "store", "wire", "grpc", "http", "client"]),
    ("bin/communiqued", &["app", "domain"]),
    ("bin/communique", &["client", "language", "package", "log", "domain", "pki"]),
];

/// Files that may name one room more than their own room may: (beginning of the file's name, room, reason).
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/bin/communique/demo/", "app", "the demo starts the exchange as `communiqued serve` does"),
    ("src/bin/communique/commands/witness.rs", "http", "a witness is asked over HTTP, which stays in its room"),
    (
        "src/store/postgres/tests.rs",
        "pki",
        "the database of tests is known by its authority, as that of an exchange is",
    ),
    ("src/bin/communique/commands/mod.rs", "app", "the machine's clock and randomness are read in one place"),
];

/// What files that hold tests alone may name anywhere: tests run foreign tools over files of their own.
const FOR_FOREIGN_TOOLS: &[&str] = &["std::env", "std::fs", "std::process"];

/// Something that is written in certain files only.
struct Never {
    /// A path, as tokens joined by `::`. A leading `*::` matches it anywhere inside a longer path, otherwise it is
    /// matched from the start; a last segment `<lower>` stands for any name that begins with a small letter (a
    /// function), so that naming the type stays free.
    path: &'static str,
    /// Where it is looked for: beginnings of file names.
    within: &'static [&'static str],
    /// Where it is right all the same: beginnings of file names.
    except: &'static [&'static str],
    /// Why, and what to do instead.
    why: &'static str,
}

const SRC: &[&str] = &["src/"];
const OUTER: &[&str] = &["src/app/", "src/bin/"];
const PURE: &[&str] = &["src/domain", "src/log", "src/package"];
const NO_RUNTIME: &[&str] = &["src/domain", "src/log", "src/package", "src/pki"];
const NO_GRPC: &[&str] =
    &["src/domain", "src/log", "src/package", "src/pki", "src/exchange", "src/store", "src/http", "src/observe"];
const NO_TLS: &[&str] =
    &["src/domain", "src/log", "src/package", "src/exchange", "src/store", "src/wire", "src/observe"];

const NEVERS: &[Never] = &[
    Never {
        path: "ed25519_dalek",
        within: SRC,
        except: &["src/domain/key.rs"],
        why: "one file knows the signature library, so that one file decides what a valid signature is",
    },
    Never {
        path: "*::Status::<lower>",
        within: SRC,
        except: &["src/wire/status.rs"],
        why: "one table maps refusals to gRPC: convert a refusal in wire/status.rs instead",
    },
    Never { path: "rusqlite", within: SRC, except: &["src/store/"], why: "SQL stays in the store" },
    Never { path: "tokio_postgres", within: SRC, except: &["src/store/"], why: "SQL stays in the store" },
    Never { path: "deadpool_postgres", within: SRC, except: &["src/store/"], why: "SQL stays in the store" },
    Never {
        path: "*::SystemTime::now",
        within: SRC,
        except: OUTER,
        why: "time is an argument: what is decided must be decidable again from the log",
    },
    Never {
        path: "*::Timestamp::now",
        within: SRC,
        except: OUTER,
        why: "time is an argument: what is decided must be decidable again from the log",
    },
    Never {
        path: "std::time::Instant",
        within: SRC,
        except: OUTER,
        why: "deadlines and ages use tokio::time, which a test can pause; anything else takes time as an argument",
    },
    Never {
        path: "std::env",
        within: SRC,
        except: OUTER,
        why: "environment and arguments are read in app and bin alone, and handed down",
    },
    Never { path: "std::fs", within: PURE, except: &[], why: "pure: bytes come in as arguments or readers" },
    Never { path: "std::net", within: PURE, except: &[], why: "pure: no network" },
    Never { path: "std::process", within: PURE, except: &[], why: "pure: no processes" },
    Never { path: "tokio", within: NO_RUNTIME, except: &[], why: "works without a runtime" },
    Never { path: "futures_util", within: NO_RUNTIME, except: &[], why: "works without a runtime" },
    Never { path: "tonic", within: NO_GRPC, except: &[], why: "gRPC stays in wire, grpc and client" },
    Never { path: "tonic_types", within: NO_GRPC, except: &[], why: "gRPC stays in wire, grpc and client" },
    Never { path: "prost", within: NO_GRPC, except: &[], why: "wire types stay in wire, grpc and client" },
    Never { path: "prost_types", within: NO_GRPC, except: &[], why: "wire types stay in wire, grpc and client" },
    Never { path: "axum", within: SRC, except: &["src/http/"], why: "HTTP stays in its room" },
    Never {
        path: "rustls",
        within: NO_TLS,
        except: &["src/store/postgres/tls.rs", "src/store/postgres/mod.rs"],
        why: "TLS stays in pki, grpc, client and app; a database is reached by a configuration that is handed down",
    },
    Never { path: "clap", within: SRC, except: &["src/bin/"], why: "arguments are read by the binaries alone" },
];

/// Names that say nothing about what is inside.
const FORBIDDEN_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "prelude", "misc", "shared"];

/// Longest file under `src/`, in lines. Beyond it a file has two subjects.
const MAX_LINES: usize = 1000;

/// Generated files, which may be longer than [`MAX_LINES`].
const GENERATED: &[&str] = &["src/domain/text/tables.rs", "src/domain/tables.rs", "src/domain/text_tables.rs"];

/// Words that are left over from work in progress, split so that this file may hold them.
const LEFTOVERS: &[&[&str]] = &[&["TO", "DO"], &["FIX", "ME"], &["X", "XX"]];

/// Beginnings of paths of one machine, split so that this file may hold them.
const MACHINE_PATHS: &[&[&str]] = &[&["/wo", "rk/"], &["/ro", "ot/"]];

#[test]
fn the_house_is_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = repository_files(root);
    assert!(files.iter().any(|file| file == "src/lib.rs"), "the checker reads the wrong directory: {}", root.display());

    let mut found = Vec::new();
    let mut rust_files = 0;
    for file in &files {
        found.extend(check_name(file));
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        found.extend(check_words(file, &text));
        if file.starts_with("src/") && file.ends_with(".rs") {
            rust_files += 1;
            found.extend(check_source(file, &text));
        }
    }
    assert!(rust_files > 0, "no Rust file was read");
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_arrows_have_no_circle() {
    // Take away rooms that know no remaining room, until none is left; what cannot be taken away is a circle.
    let mut left: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    loop {
        let ready: Vec<&str> = ARROWS
            .iter()
            .filter(|(room, to)| left.contains(room) && to.iter().all(|to| !left.contains(to)))
            .map(|(room, _)| *room)
            .collect();
        if ready.is_empty() {
            break;
        }
        left.retain(|room| !ready.contains(room));
    }
    assert!(left.is_empty(), "rooms in a circle: {left:?}");
    for (room, to) in ARROWS {
        for to in *to {
            assert!(ARROWS.iter().any(|(room, _)| room == to), "{room} may name {to}, which is no room");
        }
    }
}

/// Every file that belongs to the repository, relative, with `/`: the tree without what `.gitignore` names.
fn repository_files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(root.join(&directory)).expect("the repository can be listed");
        for entry in entries {
            let entry = entry.expect("the repository can be listed");
            let name = entry.file_name().to_string_lossy().into_owned();
            let top = directory.as_os_str().is_empty();
            if name == ".git" || name == "node_modules" || top && (name == "target" || name.starts_with("demo-")) {
                continue;
            }
            let path = directory.join(&name);
            let kind = entry.file_type().expect("a listed entry has a type");
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                files.push(path.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    files
}

fn check_name(file: &str) -> Vec<String> {
    if !(file.starts_with("src/") || file.starts_with("tests/")) {
        return Vec::new();
    }
    file.split('/')
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .filter(|part| FORBIDDEN_NAMES.contains(part))
        .map(|part| format!("{file}: `{part}` says nothing about what is inside; name it by its subject"))
        .collect()
}

/// What no file of the repository may hold, whatever its language.
fn check_words(file: &str, text: &str) -> Vec<String> {
    let leftovers: Vec<String> = LEFTOVERS.iter().map(|parts| parts.concat()).collect();
    let paths: Vec<String> = MACHINE_PATHS.iter().map(|parts| parts.concat()).collect();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if leftovers.iter().any(|leftover| leftover == word) {
                found.push(format!("{file}:{number}: `{word}`: finish it, or say in words what is not done and why"));
            }
        }
        for path in &paths {
            // `https://example.org/root/` is an address, `target/root/` a relative path: only a path that begins so.
            let begins = line.match_indices(path.as_str()).any(|(at, _)| {
                line[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|before| !before.is_alphanumeric() && !"._-/*}".contains(before))
            });
            if begins {
                found.push(format!("{file}:{number}: `{path}…` is a path of one machine"));
            }
        }
    }
    found
}

/// All rules about one Rust file under `src/`.
fn check_source(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();

    let lines = text.lines().count();
    if lines > MAX_LINES && !GENERATED.contains(&file) {
        found.push(format!("{file}: {lines} lines, more than {MAX_LINES}: it has two subjects"));
    }
    if (file.ends_with("/mod.rs") || file == "src/lib.rs" || is_room_file(file))
        && !text.trim_start().starts_with("//!")
    {
        found.push(format!("{file}: begins without a `//!` that says what the room is for"));
    }

    let tokens = tokens(text);
    for named in modules_named(&tokens) {
        if FORBIDDEN_NAMES.contains(&named.as_str()) {
            found.push(format!("{file}: `mod {named}` says nothing about what is inside"));
        }
    }

    let paths = paths(file, &tokens);
    found.extend(check_arrows(file, &paths));
    for path in &paths {
        // A single name in code is a variable, not a crate.
        let names_something = path.in_use || path.segments.len() > 1;
        for never in NEVERS.iter().filter(|_| names_something) {
            let here = never.within.iter().any(|start| file.starts_with(start))
                && !never.except.iter().any(|start| file.starts_with(start))
                && !(is_test_file(file) && FOR_FOREIGN_TOOLS.contains(&never.path));
            if here && matches(&path.segments, never.path) {
                found.push(format!("{file}:{}: `{}`: {}", path.line, path.segments.join("::"), never.why));
            }
        }
        if let Some(alias) = &path.alias
            && path.segments.last().is_some_and(|last| last == "Status")
        {
            found.push(format!("{file}:{}: `Status as {alias}` hides where a status is built", path.line));
        }
    }
    found
}

fn check_arrows(file: &str, paths: &[NamedPath]) -> Vec<String> {
    let mut found = Vec::new();
    if file == "src/lib.rs" {
        return found;
    }
    let Some(room) = room_of(file) else { return vec![format!("{file}: belongs to no room")] };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{file}: the room `{room}` is not in the table of arrows")];
    };
    let in_binary = room.starts_with("bin/");

    for path in paths {
        let first = path.segments.first().map(String::as_str);
        // In a binary `crate` is the binary; the library goes by its name there.
        let into_library = first == Some(if in_binary { "communique" } else { "crate" });
        if !into_library {
            continue;
        }
        match path.segments.get(1).map(String::as_str) {
            None | Some("*") if path.in_use => {
                found.push(format!("{file}:{}: imports through the crate root hide which room is meant", path.line));
            }
            None => {}
            Some(target) if target == room || allowed.contains(&target) => {}
            // Macros lie in the crate root, whatever room they are of.
            Some(target)
                if MACROS.iter().any(|(name, of)| *name == target && (*of == room || allowed.contains(of))) => {}
            Some(target) if EXCEPTIONS.iter().any(|(at, to, _)| file.starts_with(at) && *to == target) => {}
            Some(target) => {
                found.push(format!("{file}:{}: `{room}` may not name `{target}` (allowed: {allowed:?})", path.line));
            }
        }
    }
    found
}

/// A file that holds tests alone.
fn is_test_file(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.ends_with("/samples.rs") || file.contains("/tests/")
}

/// `domain` of `src/domain/key.rs` and of `src/domain.rs`; `bin/communique` of `src/bin/communique/main.rs`.
fn room_of(file: &str) -> Option<String> {
    let mut parts = file.strip_prefix("src/")?.split('/');
    let first = parts.next()?;
    let first = first.strip_suffix(".rs").unwrap_or(first);
    if first != "bin" {
        return Some(first.to_owned());
    }
    let binary = parts.next()?;
    Some(format!("bin/{}", binary.strip_suffix(".rs").unwrap_or(binary)))
}

/// A room that is a single file, or the main file of a binary.
fn is_room_file(file: &str) -> bool {
    file.strip_prefix("src/").is_some_and(|rest| !rest.contains('/'))
        || file.strip_prefix("src/bin/").is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs"))
}

fn matches(path: &[String], pattern: &str) -> bool {
    let segment = |have: &String, want: &str| match want {
        "<lower>" => have.starts_with(|c: char| c.is_ascii_lowercase()),
        want => have == want,
    };
    match pattern.strip_prefix("*::") {
        Some(rest) => {
            let want: Vec<&str> = rest.split("::").collect();
            path.windows(want.len()).any(|window| window.iter().zip(&want).all(|(have, want)| segment(have, want)))
        }
        None => {
            let want: Vec<&str> = pattern.split("::").collect();
            path.len() >= want.len() && path.iter().zip(&want).all(|(have, want)| segment(have, want))
        }
    }
}

// --- Reading Rust by its tokens --------------------------------------------------------------------------------

/// A name, or one character of punctuation (`::` counts as one).
#[derive(Debug, Clone, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path as written, `self` and `super` resolved to `crate::…`, one per leaf of a `use` tree.
#[derive(Debug)]
struct NamedPath {
    segments: Vec<String>,
    /// The name after `as`.
    alias: Option<String>,
    in_use: bool,
    line: usize,
}

/// The tokens outside comments, strings, characters and lifetimes. Numbers are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut out = Vec::new();
    let mut line = 1;
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    if at(i) == '/' && at(i + 1) == '*' {
                        depth += 1;
                        i += 2;
                    } else if at(i) == '*' && at(i + 1) == '/' {
                        depth -= 1;
                        i += 2;
                    } else {
                        i += 1;
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            '"' => i = after_string(&chars, i),
            // A character (`'a'`, `'\n'`), or a lifetime (`'a`).
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => {
                i += 1;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
            }
            c if c.is_alphabetic() || c == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                let word: String = chars[start..i].iter().collect();
                let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
                let raw = word.ends_with('r');
                if prefix && raw && (at(i) == '"' || at(i) == '#' && matches!(at(i + 1), '"' | '#')) {
                    i = after_raw_string(&chars, i);
                } else if prefix && at(i) == '"' {
                    i = after_string(&chars, i);
                } else if word == "r" && at(i) == '#' {
                    // `r#type`: the name follows as a token of its own.
                    i += 1;
                } else if !(word == "b" && at(i) == '\'') {
                    out.push(Token { text: word, line });
                }
            }
            c if c.is_ascii_digit() => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
            }
            ':' if at(i + 1) == ':' => {
                out.push(Token { text: "::".to_owned(), line });
                i += 2;
            }
            c if c.is_whitespace() => i += 1,
            c => {
                out.push(Token { text: c.to_string(), line });
                i += 1;
            }
        }
        let end = i.min(chars.len());
        line += chars[start..end].iter().filter(|c| **c == '\n').count();
    }
    out
}

fn after_string(chars: &[char], open: usize) -> usize {
    let mut i = open + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn after_raw_string(chars: &[char], open: usize) -> usize {
    let hashes = chars[open..].iter().take_while(|c| **c == '#').count();
    let mut i = open + hashes + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

fn modules_named(tokens: &[Token]) -> Vec<String> {
    tokens
        .windows(2)
        .filter(|pair| pair[0].text == "mod" && pair[1].is_name())
        .map(|pair| pair[1].text.clone())
        .collect()
}

/// Every path of the file, in `use` trees and in code.
fn paths(file: &str, tokens: &[Token]) -> Vec<NamedPath> {
    let base = module_of(file);
    // Inline modules that are open, with the depth of braces inside them.
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let text = tokens[i].text.as_str();
        let next = |n: usize| tokens.get(i + n).map_or("", |token| token.text.as_str());
        let module = || base.iter().cloned().chain(inside.iter().map(|(name, _)| name.clone())).collect::<Vec<_>>();
        match text {
            "{" => {
                depth += 1;
                i += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                inside.retain(|(_, at)| *at <= depth);
                i += 1;
            }
            "mod" if next(2) == "{" => {
                depth += 1;
                inside.push((tokens[i + 1].text.clone(), depth));
                i += 3;
            }
            // `impl Trait + use<'a>` names no path.
            "use" if next(1) != "<" => {
                let mut leaves = Vec::new();
                i = use_tree(tokens, i + 1, &mut Vec::new(), &mut leaves);
                let module = module();
                out.extend(
                    leaves.into_iter().map(|leaf| NamedPath { segments: resolve(leaf.segments, &module), ..leaf }),
                );
            }
            _ if tokens[i].is_name() => {
                let line = tokens[i].line;
                let mut segments = vec![tokens[i].text.clone()];
                i += 1;
                while tokens.get(i).is_some_and(|token| token.text == "::")
                    && tokens.get(i + 1).is_some_and(Token::is_name)
                {
                    segments.push(tokens[i + 1].text.clone());
                    i += 2;
                }
                out.push(NamedPath { segments: resolve(segments, &module()), alias: None, in_use: false, line });
            }
            _ => i += 1,
        }
    }
    out
}

/// Reads one tree from `at` on; answers where it ends (behind its `;`, or at the `,` or `}` of the tree around it).
fn use_tree(tokens: &[Token], mut at: usize, before: &mut Vec<String>, leaves: &mut Vec<NamedPath>) -> usize {
    let length = before.len();
    let mut alias = None;
    let mut line = tokens.get(at).map_or(0, |token| token.line);
    let mut branched = false;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => {
                at += 1;
                break;
            }
            "," | "}" => break,
            "::" => at += 1,
            "as" => {
                alias = tokens.get(at + 1).map(|token| token.text.clone());
                at += 2;
            }
            "{" => {
                branched = true;
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at, before, leaves);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                at += 1;
            }
            segment => {
                line = token.line;
                // `use x::{self}` is `use x`.
                if segment != "self" || before.is_empty() {
                    before.push(segment.to_owned());
                }
                at += 1;
            }
        }
    }
    if !branched && !before.is_empty() {
        leaves.push(NamedPath { segments: before.clone(), alias, in_use: true, line });
    }
    before.truncate(length);
    at
}

/// `self::x` and `super::x` as `crate::…`, seen from `module`.
fn resolve(segments: Vec<String>, module: &[String]) -> Vec<String> {
    let supers = segments.iter().take_while(|segment| *segment == "super" || *segment == "self").count();
    // `self` alone is a value.
    if supers == 0 || segments.len() == 1 && segments[0] == "self" {
        return segments;
    }
    let up = segments.iter().take(supers).filter(|segment| *segment == "super").count();
    let kept = module.len().saturating_sub(up);
    std::iter::once("crate".to_owned())
        .chain(module[..kept].iter().cloned())
        .chain(segments.into_iter().skip(supers))
        .collect()
}

/// The module path of a file of the library; inside a binary the same, from the binary's own root.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let inner =
        inner.strip_prefix("bin/").map_or(inner, |rest| rest.split_once('/').map_or("main.rs", |(_, inside)| inside));
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if matches!(inner, "lib" | "main" | "mod") { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

// --- The checker, seen to fail ---------------------------------------------------------------------------------

/// The findings about a snippet with the room's documentation in front.
fn findings(file: &str, snippet: &str) -> Vec<String> {
    check_source(file, &format!("//! Doc.\n{snippet}"))
}

#[track_caller]
fn refused(file: &str, snippet: &str, expected: &str) {
    let found = findings(file, snippet);
    assert!(
        found.iter().any(|finding| finding.contains(expected)),
        "{file}: {snippet:?}: expected a finding with {expected:?}, got {found:?}"
    );
}

#[track_caller]
fn accepted(file: &str, snippet: &str) {
    let found = findings(file, snippet);
    assert!(found.is_empty(), "{file}: {snippet:?}: {found:?}");
}

#[test]
fn arrows_are_checked_however_a_path_is_written() {
    for snippet in [
        "use crate::store::Sqlite;",
        "use crate::{domain::Key, store::Sqlite};",
        "use crate::{\n    domain::{self, Key},\n    store,\n};",
        "fn f() { crate::store::open(); }",
        "fn f(s: &crate::store::Sqlite) {}",
        "use super::store::Sqlite;",
        "mod tests { use super::super::store::Sqlite; }",
        "pub use crate::store as other;",
    ] {
        refused("src/exchange/mod.rs", snippet, "`exchange` may not name `store`");
    }
    refused("src/exchange/life/seat.rs", "use super::super::super::store::Sqlite;", "may not name `store`");
    refused("src/domain/key.rs", "use crate::package::Bag;", "`domain` may not name `package`");
    refused("src/bin/communiqued.rs", "use communique::store::Sqlite;", "may not name `store`");
    refused("src/bin/communique/main.rs", "fn f() { communique::app::serve() }", "may not name `app`");
    refused("src/bin/communique/main.rs", "fn f() { ::communique::app::serve() }", "may not name `app`");
    refused("src/grpc/mod.rs", "use crate::*;", "crate root");
    refused("src/grpc/mod.rs", "use crate as all;", "crate root");
    refused("src/attic/mod.rs", "", "not in the table");
}

#[test]
fn arrows_that_are_drawn_are_free() {
    accepted("src/exchange/mod.rs", "use crate::domain::Key; use crate::exchange::access;");
    accepted("src/exchange/mod.rs", "mod tests { use super::*; } use self::access::Permit;");
    accepted("src/domain/key.rs", "pub(crate) fn f() {} use super::id::PartyId; // crate::store::x");
    accepted("src/domain/mod.rs", "const A: &str = \"crate::store::x\"; const B: &str = r#\"use crate::store; \"#;");
    accepted(
        "src/domain/mod.rs",
        "/* use crate::store; /* nested */ use crate::app; */ fn f<'a>(x: &'a str) -> char { '\"' }",
    );
    accepted("src/bin/communique/demo/mod.rs", "use communique::app; use crate::render;");
    accepted("src/app/serve.rs", "use crate::{store, grpc, http::Readiness};");
}

#[test]
fn nevers_are_found() {
    refused("src/domain/act.rs", "use ed25519_dalek::VerifyingKey;", "one file knows the signature library");
    accepted("src/domain/key.rs", "use ed25519_dalek::VerifyingKey;");
    for snippet in [
        "fn f() -> tonic::Status { tonic::Status::internal(\"\") }",
        "use tonic::{Request, Status}; fn f() { Status::new(Code::Ok, \"\"); }",
        "fn f() { g().map_err(Status::from_error) }",
        "fn f() { Status::with_error_details(a, b, c) }",
        "use tonic::Status as Answer;",
    ] {
        let found = findings("src/grpc/acts.rs", snippet);
        assert_eq!(found.len(), 1, "{snippet:?}: {found:?}");
    }
    accepted("src/grpc/acts.rs", "use tonic::Status; fn f() -> Result<(), Status> { Err(wire::refuse(x)) }");
    accepted("src/wire/status.rs", "fn f() { tonic::Status::new(a, b) }");
    refused("src/exchange/mod.rs", "fn f(c: &rusqlite::Connection) {}", "SQL");
    accepted("src/store/sqlite.rs", "use rusqlite::Connection;");
    refused("src/pki/leaf.rs", "fn f() { SystemTime::now() }", "time is an argument");
    refused("src/exchange/mod.rs", "fn f() { jiff::Timestamp::now() }", "time is an argument");
    refused("src/grpc/limits.rs", "use std::time::{Duration, Instant};", "tokio::time");
    accepted("src/grpc/limits.rs", "use std::time::Duration; use tokio::time::Instant;");
    accepted("src/app/clock.rs", "fn f() { std::time::SystemTime::now() }");
    refused("src/client/profile.rs", "use std::{env, fs};", "environment");
    refused("src/package/read.rs", "use std::fs::File;", "pure");
    refused("src/exchange/mod.rs", "use tonic::Request;", "gRPC stays");
    refused("src/pki/mod.rs", "use tokio::fs;", "runtime");
    refused("src/observe/mod.rs", "use axum::Router;", "HTTP");
    refused("src/store/mod.rs", "use rustls::ServerConfig;", "TLS");
}

#[test]
fn names_sizes_and_docs_are_checked() {
    assert_eq!(check_name("src/domain/utils.rs").len(), 1);
    assert_eq!(check_name("src/common/mod.rs").len(), 1);
    assert_eq!(check_name("tests/helpers/mod.rs").len(), 1);
    assert_eq!(check_name("src/domain/key.rs").len(), 0);
    refused("src/domain/mod.rs", "mod helpers { }", "says nothing");
    refused("src/domain/key.rs", &"\n".repeat(MAX_LINES + 1), "two subjects");
    for file in
        ["src/domain/mod.rs", "src/lib.rs", "src/domain.rs", "src/bin/communiqued.rs", "src/bin/communique/main.rs"]
    {
        assert_eq!(check_source(file, "fn f() {}").len(), 1, "{file}");
        assert_eq!(check_source(file, "//! Doc.\nfn f() {}").len(), 0, "{file}");
    }
}

#[test]
fn leftovers_and_paths_of_one_machine_are_found() {
    let word = LEFTOVERS[0].concat();
    assert_eq!(
        check_words("README.md", &format!("a\n{word}: b\n")),
        [format!("README.md:2: `{word}`: finish it, or say in words what is not done and why")]
    );
    assert!(check_words("README.md", &format!("a{word}b {}", word.to_lowercase())).is_empty());
    let path = MACHINE_PATHS[0].concat();
    assert_eq!(check_words("a.sh", &format!("cd {path}x")).len(), 1);
    assert_eq!(check_words("a.sh", &format!("\"{path}x\"")).len(), 1);
    assert!(check_words("a.sh", &format!("cd $here{path}x https://example.org{path}")).is_empty());
}
