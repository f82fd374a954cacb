//! What a test says when a program of others is not there.

use std::io::Write as _;

/// Says that a test is left out for want of a tool, and how to get it. Where `CI` is set it is a failure: there, all of them are
/// to be there.
#[allow(clippy::disallowed_methods, reason = "whether everything must run is the machine's to say")]
pub fn missing(tool: &str, install: &str) {
    assert!(std::env::var_os("CI").is_none(), "{tool} is missing; {install}");
    // Not by a print macro: the test runner keeps what these print to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {tool} is missing; {install}");
}
