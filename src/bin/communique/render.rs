//! What the tool prints. Everything goes through here: nothing from outside reaches the terminal unescaped, a reader that
//! has gone is no error, tables fit the terminal.
//!
//! No line begins with the words of others. Within a line they are [`quoted`], or the last that stands in it, behind a label of
//! ours; whole texts stand behind a margin ([`Out::verbatim`]), and so does what goes on of a line that is wider than the
//! terminal. So no file and no exchange can write a line that reads like one of ours.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use comfy_table::{ContentArrangement, Table, presets};
use communique::domain::{manifest::Manifest, powers::Holder, text, view::Receipt, words::Names};
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The languages in which a name is shown where there is room for one.
const PREFERRED: [&str; 2] = ["en", "fr"];
/// Narrowest terminal that rows are put beside one another in, in columns.
const TABLE_LEAST: u16 = 72;
/// Narrowest lines, in columns: below it nothing can be read.
const NARROWEST: u16 = 20;
/// Before each line of a text that is shown as it stands.
const VERBATIM: &str = "  │ ";
/// Before what goes on of a line that is wider than the terminal.
const GOES_ON: &str = "  ┆ ";
/// How wide these two are, in columns.
const MARGIN: usize = 4;
/// How wide a communiqué's id is, with a column on each side, in columns.
const ID: u16 = 38;
/// How many letters a digest has: it may be wider than the terminal, so that it can be copied in one piece.
const DIGEST: usize = 64;
/// How wide the names of fields are, in columns.
const FIELD: usize = 12;

/// How a piece of a line looks, where colour is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    Plain,
    Bold,
    Removed,
    Added,
}

impl Look {
    fn begin(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Removed => "\x1b[31;9m",
            Self::Added => "\x1b[32;4m",
        }
    }
}

/// Standard output or standard error.
pub struct Out {
    sink: Box<dyn Write + Send>,
    /// Nobody reads any more; what is left to do is done all the same.
    gone: bool,
    failed: Option<io::Error>,
    /// Lines and colours for a person at a terminal.
    terminal: bool,
    colour: bool,
    width: Option<u16>,
}

impl Out {
    /// Standard output.
    pub fn stdout(colour: bool) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self::new(Box::new(BufWriter::new(stdout)), terminal, colour)
    }
    /// Standard error.
    pub fn stderr(colour: bool) -> Self {
        let stderr = io::stderr();
        let terminal = stderr.is_terminal();
        Self::new(Box::new(stderr), terminal, colour)
    }
    #[expect(clippy::disallowed_methods, reason = "a binary reads the environment")]
    fn new(sink: Box<dyn Write + Send>, terminal: bool, colour: bool) -> Self {
        let plain = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width: Option<u16> = asked.or_else(|| Table::new().width().filter(|_| terminal));
        // A terminal of no columns does not say how many it has.
        let width = width.filter(|width| *width > 0);
        let colour = colour && terminal && !plain("NO_COLOR") && !dumb;
        Self { sink, gone: false, failed: None, terminal, colour, width }
    }

    /// A line; whatever could hide in it is made visible. It begins with words of ours.
    pub fn line(&mut self, line: &str) {
        self.shown(&text::escape_line(line));
    }
    /// A line to be copied, which is never broken: of words of ours, and of what the caller typed.
    pub fn command(&mut self, line: &str) {
        self.raw(format!("{}\n", text::escape_line(line)).as_bytes());
    }
    /// An empty line.
    pub fn gap(&mut self) {
        self.raw(b"\n");
    }
    /// The head of a passage, in as many lines as it needs.
    pub fn heading(&mut self, words: &str) {
        self.laid(&text::escape_line(words), Look::Bold);
    }
    /// A named value.
    pub fn field(&mut self, name: &str, value: &str) {
        self.line(&format!("{name:<FIELD$} {value}"));
    }
    /// A line that was made safe to show already.
    pub fn shown(&mut self, escaped: &str) {
        self.laid(escaped, Look::Plain);
    }
    /// A line in as many as it needs; what goes on stands behind a margin that no line of ours begins with.
    fn laid(&mut self, escaped: &str, look: Look) {
        let (begin, end) = if self.colour && look != Look::Plain { (look.begin(), "\x1b[0m") } else { ("", "") };
        for (n, piece) in in_pieces(escaped, self.room(0), self.room(MARGIN), true).into_iter().enumerate() {
            let (margin, piece) = if n == 0 { ("", piece) } else { (GOES_ON, piece) };
            self.raw(format!("{begin}{margin}{}{end}\n", piece.trim_end()).as_bytes());
        }
    }
    /// How many columns there are behind a margin.
    fn room(&self, margin: usize) -> usize {
        self.width.map_or(usize::MAX, |width| usize::from(width.max(NARROWEST)) - margin)
    }
    /// A text, line by line as it stands, set off by a margin that no line of its own can feign. A line that is wider than
    /// the terminal goes on behind another margin.
    pub fn verbatim(&mut self, words: &str) {
        let room = self.room(MARGIN);
        for line in words.strip_suffix('\n').unwrap_or(words).split('\n') {
            for (n, piece) in wrapped(&text::escape_line(line), room).into_iter().enumerate() {
                let margin = if n == 0 { VERBATIM } else { GOES_ON };
                self.raw(format!("{margin}{piece}\n").as_bytes());
            }
        }
    }
    /// Pieces of a text that look different, set off as [`Out::verbatim`] does, by a sign of four columns instead of the
    /// plain margin. What goes on over several lines stands behind a margin that no line of the text can feign.
    pub fn marked(&mut self, sign: &str, pieces: &[(Look, &str)]) {
        let room = self.room(MARGIN);
        let mut words = String::new();
        // Where each piece ends in the words as they are shown, and how it looks.
        let mut ends = Vec::new();
        for (look, piece) in pieces {
            let lines: Vec<_> = piece.split('\n').map(text::escape_line).collect();
            words.push_str(&lines.join("\n"));
            ends.push((words.len(), *look));
        }
        let mut at = 0;
        for line in words.split('\n') {
            for piece in wrapped(line, room) {
                let mut shown = String::from(if at == 0 { sign } else { GOES_ON });
                self.dress(&mut shown, &words, at..at + piece.len(), &ends);
                shown.push('\n');
                self.raw(shown.as_bytes());
                at += piece.len();
            }
            at += 1;
        }
    }
    /// Adds a part of the words, each piece of it in its look.
    fn dress(&self, shown: &mut String, words: &str, part: std::ops::Range<usize>, ends: &[(usize, Look)]) {
        let mut from = part.start;
        let first = ends.partition_point(|(end, _)| *end <= part.start);
        for (end, look) in ends.iter().skip(first) {
            let until = (*end).min(part.end);
            let piece = words.get(from..until).unwrap_or_default();
            if self.colour && *look != Look::Plain && !piece.is_empty() {
                shown.push_str(&format!("{}{piece}\x1b[0m", look.begin()));
            } else {
                shown.push_str(piece);
            }
            from = until;
            if from == part.end {
                break;
            }
        }
    }
    /// Words of our own alone in as many lines as they need, each behind the margin.
    pub fn paragraph(&mut self, margin: &str, words: &str) {
        let room = self.room(margin.width());
        for (n, piece) in wrapped(&text::escape_line(words), room).into_iter().enumerate() {
            // What goes on is set in a little further where there is room.
            let more = if n > 0 { "  " } else { "" };
            let piece =
                if n > 0 && piece.width() + more.len() > room { piece.to_owned() } else { format!("{more}{piece}") };
            self.raw(format!("{margin}{}\n", piece.trim_end()).as_bytes());
        }
    }
    /// A table: with lines for a terminal, bare for a program that reads on. Where the terminal is narrow each row stands by
    /// itself, so that no id is broken to pieces.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        if self.width.is_some_and(|width| width < TABLE_LEAST) {
            for (n, row) in rows.iter().enumerate() {
                if n > 0 {
                    self.gap();
                }
                for (name, value) in header.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
                    self.field(name, value);
                }
            }
            return;
        }
        let table = table(self.terminal, self.width, header, rows);
        self.raw(table.as_bytes());
    }
    /// A JSON value, on lines of its own.
    pub fn json(&mut self, value: &Value) {
        let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
        self.raw(format!("{}\n", ascii_where_hidden(&pretty)).as_bytes());
    }
    /// Bytes as they are: for another program.
    pub fn raw(&mut self, bytes: &[u8]) {
        if !self.gone
            && let Err(e) = self.sink.write_all(bytes)
        {
            self.lost(e);
        }
    }
    /// Whether something that was written has not arrived.
    pub fn is_lost(&self) -> bool {
        self.gone
    }
    /// Whether a person reads this.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }
    /// Whether pieces may be told apart by colour.
    pub fn has_colour(&self) -> bool {
        self.colour
    }
    /// Lets the reader see what was written so far.
    pub fn flush(&mut self) {
        if !self.gone
            && let Err(e) = self.sink.flush()
        {
            self.lost(e);
        }
    }
    /// Ends the output.
    ///
    /// # Errors
    /// What could not be written, unless it is that the reader has gone.
    pub fn end(mut self) -> io::Result<()> {
        self.flush();
        self.failed.map_or(Ok(()), Err)
    }
    fn lost(&mut self, error: io::Error) {
        self.gone = true;
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failed = Some(error);
        }
    }
}

/// A line in pieces of at most so many columns, broken after spaces where there are any. Joined, they are the line.
fn wrapped(line: &str, room: usize) -> Vec<&str> {
    in_pieces(line, room, room, false)
}

/// As [`wrapped`], with other room for the first piece. A digest may be left whole all the same.
fn in_pieces(line: &str, first: usize, more: usize, whole_digests: bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut rest, mut room) = (line, first);
    'line: loop {
        let (mut space, mut columns) = (None, 0);
        let digest = if whole_digests { digest_at_start(rest) } else { 0 };
        for (at, c) in rest.char_indices().skip(digest) {
            columns += columns_of(c);
            if columns > room.saturating_sub(digest) && at > 0 {
                let (piece, next) = rest.split_at(space.unwrap_or(at));
                pieces.push(piece);
                (rest, room) = (next, more);
                continue 'line;
            }
            if c == ' ' {
                space = Some(at + 1);
            }
        }
        pieces.push(rest);
        return pieces;
    }
}

/// How many columns a character takes at most: those of ambiguous width, and the parts of a Korean syllable, are drawn narrow
/// by some terminals and wide by others.
fn columns_of(c: char) -> usize {
    match c {
        '\u{1160}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FF}' => 1,
        c => c.width_cjk().unwrap_or(0),
    }
}

/// How long the digest is that this line begins with, in letters.
fn digest_at_start(line: &str) -> usize {
    let letters = line.bytes().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
    if letters == DIGEST { letters } else { 0 }
}

/// The words of others within a line of ours, so that it is seen where they begin and end: a quotation mark of their own that
/// could end them is written as a code point. The next thing after them that is neither space nor sign is a letter of ours, not
/// a digit and not words of others again: so the direction of their script ends with them.
pub fn quoted(words: &str) -> String {
    let mut quoted = String::from("“");
    for c in words.chars() {
        match c {
            '“' | '”' => quoted.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('”');
    quoted
}

fn table(lines: bool, width: Option<u16>, header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.force_no_tty().load_style(if lines { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    if lines {
        table.style_mut().row_separator = comfy_table::LineStyle::none();
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(NARROWEST));
    }
    table.set_header(header.iter().map(|name| (*name).to_owned()));
    for row in &rows {
        table.add_row(row.iter().map(|cell| text::escape_line(cell)));
    }
    // A communiqué's id stays in one piece, to be copied; what stands beside it gives way.
    for (n, column) in table.column_iter_mut().enumerate() {
        if rows
            .iter()
            .any(|row| row.get(n).is_some_and(|cell| cell.parse::<communique::domain::id::CommuniqueId>().is_ok()))
        {
            column.set_constraint(comfy_table::ColumnConstraint::LowerBoundary(comfy_table::Width::Fixed(ID)));
        }
    }
    table.lines().fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

/// One line of JSON.
pub fn json_line(value: &Value) -> String {
    ascii_where_hidden(&value.to_string())
}

/// JSON escapes controls below U+0020 alone; what else could drive or deceive a terminal is escaped too, which is the same
/// string to a program.
fn ascii_where_hidden(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        let mut buffer = [0; 4];
        let piece: &str = letter.encode_utf8(&mut buffer);
        if letter == '\n' || text::escape_line(piece) == piece {
            out.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// A name in one language.
pub fn name(names: &Names) -> &str {
    names.preferring(&PREFERRED)
}

/// A name in every language that it has.
pub fn names(names: &Names) -> String {
    names.iter().map(|(lang, words)| format!("{} ({lang})", quoted(words.as_str()))).collect::<Vec<_>>().join(" / ")
}

/// A holder of full powers by name and title, each in one language.
pub fn person(holder: &Holder) -> String {
    let one = |names: &Names| {
        let words = name(names);
        let lang = names.iter().find(|(_, line)| line.as_str() == words).map(|(lang, _)| format!(" ({lang})"));
        format!("{}{}", quoted(words), lang.unwrap_or_default())
    };
    format!("{}, {}", one(&holder.names), one(&holder.titles))
}

/// A path that somebody gave, or found.
pub fn path(path: &std::path::Path) -> String {
    quoted(&path.display().to_string())
}

/// Where something was logged, for programs.
pub fn receipt(receipt: &Receipt) -> Value {
    json!({ "index": receipt.index, "entry": communique::domain::id::Digest::of(&receipt.entry) })
}

/// A size that a person takes in.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// The parties of a manifest in their order.
pub fn parties(manifest: &Manifest) -> String {
    manifest.parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);
    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    #[test]
    fn a_wide_line_goes_on_behind_a_margin_that_no_line_can_feign() {
        for line in
            ["", "court", "une phrase un peu longue", "无空格的一行文字也要断开", "mot-sans-espace-et-trop-long fin"]
        {
            for room in 4..30 {
                let pieces = wrapped(line, room);
                assert_eq!(pieces.concat(), line);
                assert!(pieces.iter().all(|p| p.width() <= room), "{line} in {room}: {pieces:?}");
            }
        }
        let shown = |width| {
            page(|out| {
                out.width = width;
                out.verbatim("une ligne longue ici\n┆ feinte\n");
            })
        };
        assert_eq!(shown(None), "  │ une ligne longue ici\n  │ ┆ feinte\n");
        assert_eq!(shown(Some(20)), "  │ une ligne \n  ┆ longue ici\n  │ ┆ feinte\n");
    }

    #[test]
    fn pieces_keep_their_look_over_lines_and_hide_nothing() {
        let pieces = [(Look::Plain, "un mot "), (Look::Removed, "ancien\net long"), (Look::Plain, " \u{202e}fin")];
        let shown = |width, colour| {
            page(|out| {
                (out.width, out.colour) = (width, colour);
                out.marked("  - ", &pieces);
            })
        };
        assert_eq!(shown(None, false), "  - un mot ancien\n  ┆ et long ⟨U+202E⟩fin\n");
        assert_eq!(shown(Some(20), false), "  - un mot ancien\n  ┆ et long \n  ┆ ⟨U+202E⟩fin\n");
        assert_eq!(shown(None, true), "  - un mot \x1b[31;9mancien\x1b[0m\n  ┆ \x1b[31;9met long\x1b[0m ⟨U+202E⟩fin\n");
        assert_eq!(page(|out| out.marked("  - ", &[(Look::Removed, "")])), "  - \n");
        for width in 0..60 {
            let told = page(|out| {
                out.width = Some(width);
                out.paragraph("  ", "fr: 2 paragraphs changed, 1 added; numbers changed: 2\u{202f}025 → 2\u{202f}035");
                out.marked("  + ", &pieces);
            });
            let widest = told.lines().map(|line| line.width()).max();
            assert!(widest <= Some(usize::from(width.max(NARROWEST))), "{width}: {told}");
        }
    }

    fn page(print: impl FnOnce(&mut Out)) -> String {
        let page = Page::default();
        let mut out = Out::new(Box::new(page.clone()), false, false);
        out.width = None;
        print(&mut out);
        out.end().unwrap();
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    const NASTY: &str = "a\x1b[31mred\u{9b}2J\r\u{202e}gpj\u{200b}\u{7f}";

    #[test]
    fn nothing_hidden_gets_out() {
        let printed = page(|out| {
            out.line(NASTY);
            out.field(NASTY, NASTY);
            out.heading(NASTY);
            out.verbatim(NASTY);
            out.table(&["name"], vec![vec![NASTY.into()]]);
            out.json(&json!({ NASTY: NASTY }));
        });
        for hidden in ['\x1b', '\u{9b}', '\r', '\u{202e}', '\u{200b}', '\u{7f}'] {
            assert!(!printed.contains(hidden), "{hidden:?} in {printed:?}");
        }
        let json = &printed[printed.rfind("{\n").unwrap()..];
        assert_eq!(serde_json::from_str::<Value>(json).unwrap()[NASTY], NASTY, "the value is the same to a program");
    }

    #[test]
    fn tables_fit_and_lines_are_for_terminals() {
        let row = vec!["0199".repeat(9), "Communiqué commun de la rencontre ministérielle".to_owned()];
        let narrow = table(true, Some(40), &["id", "title"], vec![row.clone()]);
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        let plain = table(false, None, &["id", "title"], vec![row.clone()]);
        assert_eq!(plain.lines().count(), 2, "{plain}");
        assert!(plain.contains(&row[0]) && !plain.contains('─'));
        assert!(!table(true, Some(0), &["id", "title"], vec![row]).is_empty());
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        struct Closed(io::ErrorKind);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let end = |kind| {
            let mut out = Out::new(Box::new(Closed(kind)), false, false);
            out.line("a");
            out.line("b");
            out.end()
        };
        assert!(end(io::ErrorKind::BrokenPipe).is_ok());
        assert!(end(io::ErrorKind::StorageFull).is_err());
    }

    #[test]
    fn no_break_spaces_of_french_stay() {
        assert_eq!(page(|out| out.line("Objet\u{a0}: l’accord")), "Objet\u{a0}: l’accord\n");
    }
}
