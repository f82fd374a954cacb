//! What the tool prints. Everything goes through here: nothing from outside reaches the terminal unescaped, a reader that
//! has gone is no error, tables fit the terminal.
//!
//! No line begins with the words of others. Within a line they are [`quoted`], or the last that stands in it, behind a label of
//! ours; whole texts stand behind a margin ([`Out::verbatim`]), and so does what goes on of a line that is wider than the
//! terminal. So no file and no exchange can write a line that reads like one of ours.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use comfy_table::{ContentArrangement, Table, presets};
use communique::{
    domain::{
        id::CommuniqueId, manifest::Manifest, message::Message, powers::Holder, text, view::Receipt, words::Names,
    },
    msg,
};
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::{
    bidi::{self, Way},
    pager::Pager,
    speech::{self, Said},
};

/// The languages in which a name is shown where there is room for one, if it has none in the reader's.
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

/// How a line is set.
#[derive(Clone, Copy)]
struct Setting<'a> {
    way: Way,
    /// Before its first row.
    margin: &'a str,
    /// Before what goes on.
    more: &'a str,
    /// It is a text of others: spaces at the ends of its rows stay, and from right to left it has a margin on both sides.
    framed: bool,
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
    /// Rows are put in the order of the eye here, and not by the terminal.
    ours: bool,
    /// A terminal that could do so too is told not to.
    explicit: bool,
    /// What is held back until it is known whether it is more than a screen, and the pager for it.
    page: Option<(Vec<u8>, Pager)>,
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
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let ours = terminal && bidi::is_ours(said);
        Self { sink, gone: false, failed: None, terminal, colour, width, ours, explicit: ours && !dumb, page: None }
    }

    /// A line; whatever could hide in it is made visible. It begins with words of ours.
    pub fn line(&mut self, line: &(impl Said + ?Sized)) {
        self.shown(&speech::shown(&line.message()));
    }
    /// A line to be copied, which is never broken: of words of ours, and of what the caller typed.
    pub fn command(&mut self, line: &str) {
        self.raw(format!("{}\n", text::escape_line(line)).as_bytes());
    }
    /// An empty line.
    pub fn gap(&mut self) {
        self.raw(b"\n");
    }
    /// A line that is set in by so many steps, below another.
    pub fn item(&mut self, steps: usize, words: &(impl Said + ?Sized)) {
        self.shown(&format!("{}{}", "  ".repeat(steps), speech::shown(&words.message())));
    }
    /// A command to try, behind what it is for; on a line of its own where they run in different directions.
    pub fn next(&mut self, what: &(impl Said + ?Sized), command: &str) {
        if speech::language().is_right_to_left() {
            self.line(what);
            self.command(&format!("  {command}"));
        } else {
            self.command(&format!("{} {command}", speech::say(what)));
        }
    }
    /// The head of a passage, in as many lines as it needs.
    pub fn heading(&mut self, words: &(impl Said + ?Sized)) {
        self.laid(&speech::shown(&words.message()), Look::Bold);
    }
    /// A named value.
    pub fn field(&mut self, name: &(impl Said + ?Sized), value: &(impl Said + ?Sized)) {
        self.field_shown(&speech::shown(&name.message()), &speech::shown(&value.message()));
    }
    /// One more value of the field before.
    pub fn more(&mut self, value: &(impl Said + ?Sized)) {
        self.field_shown("", &speech::shown(&value.message()));
    }
    /// A named value below another line.
    pub fn field_within(&mut self, name: &(impl Said + ?Sized), value: &(impl Said + ?Sized)) {
        self.field_shown(&format!("  {}", speech::shown(&name.message())), &speech::shown(&value.message()));
    }
    /// The same, of a value that was made safe to show already.
    pub fn field_shown(&mut self, name: &str, escaped: &str) {
        let room = " ".repeat(FIELD.saturating_sub(bidi::columns(name)));
        // A value has its own direction, whatever its name's is.
        let apart = self.ours && self.way_of_ours() == Way::RightToLeft;
        let value = if apart { format!("\u{2068}{escaped}\u{2069}") } else { escaped.to_owned() };
        self.shown(&format!("{name}{room} {value}"));
    }
    /// A line that was made safe to show already.
    pub fn shown(&mut self, escaped: &str) {
        self.laid(escaped, Look::Plain);
    }
    /// A line in as many as it needs; what goes on stands behind a margin that no line of ours begins with.
    fn laid(&mut self, escaped: &str, look: Look) {
        let way = self.way_of_ours();
        let line = self.apart(escaped);
        let pieces = in_pieces(&line, self.room(0), self.room(MARGIN), true);
        let setting = Setting { way, margin: "", more: GOES_ON, framed: false };
        self.rows(&line, &pieces, setting, 0, &[(line.len(), look)]);
    }
    /// The way that lines of ours run.
    fn way_of_ours(&self) -> Way {
        if speech::language().is_right_to_left() { Way::RightToLeft } else { Way::LeftToRight }
    }
    /// A line of ours with the words of others in it held apart, where it is laid out here.
    fn apart(&self, escaped: &str) -> String {
        if self.ours && bidi::has_right_to_left(escaped) {
            bidi::with_quoted_apart(escaped)
        } else {
            escaped.to_owned()
        }
    }
    /// Prints the pieces of a line as they are set; what runs from right to left, where it is laid out here, from the right. The line
    /// begins at `from` in what the looks are of.
    fn rows(&mut self, line: &str, pieces: &[&str], setting: Setting<'_>, from: usize, looks: &[(usize, Look)]) {
        let Setting { way, margin, more, framed } = setting;
        let ours = self.ours && (way == Way::RightToLeft || bidi::has_right_to_left(line));
        if !ours {
            let mut at = 0;
            for (n, piece) in pieces.iter().enumerate() {
                // What a line of ours ends with is nothing; of a text, it is the text's.
                let shown = if framed { piece } else { piece.trim_end() };
                let mut row = String::from(if n == 0 { margin } else { more });
                self.dress(&mut row, line, at..at + shown.len(), from, looks);
                row.push('\n');
                self.raw(row.as_bytes());
                at += piece.len();
            }
            return;
        }
        for (n, cells) in bidi::rows(line, pieces, way).into_iter().enumerate() {
            let margin = if n == 0 { margin } else { more };
            let mut row = String::new();
            if self.explicit {
                row.push_str(bidi::EXPLICIT);
            }
            let words = bidi::shown(&cells);
            if way == Way::RightToLeft {
                let frame = if framed { margin } else { "" };
                let taken = bidi::columns(words.trim_start()) + frame.width() + margin.width();
                row.push_str(frame);
                row.push_str(
                    &" ".repeat(self.width.map_or(0, |width| usize::from(width.max(NARROWEST)).saturating_sub(taken))),
                );
                let blank = cells.iter().take_while(|cell| cell.shown == " ").count();
                self.dress_cells(&mut row, cells.get(blank..).unwrap_or_default(), from, looks);
                row.extend(margin.chars().rev());
            } else {
                row.push_str(margin);
                self.dress_cells(&mut row, &cells, from, looks);
            }
            let mut row = row.trim_end_matches(' ').to_owned();
            row.push('\n');
            if self.explicit {
                row.push_str(bidi::IMPLICIT);
            }
            self.raw(row.as_bytes());
        }
    }
    /// Adds cells in the order of the eye, each in the look that its place in the line has.
    fn dress_cells(&self, row: &mut String, cells: &[bidi::Cell], from: usize, looks: &[(usize, Look)]) {
        let mut now = Look::Plain;
        for cell in cells {
            let look = looks
                .get(looks.partition_point(|(end, _)| *end <= from + cell.at))
                .map_or(Look::Plain, |(_, look)| *look);
            let look = if self.colour { look } else { Look::Plain };
            if look != now {
                if now != Look::Plain {
                    row.push_str("\x1b[0m");
                }
                row.push_str(look.begin());
                now = look;
            }
            row.push_str(&cell.shown);
        }
        if now != Look::Plain {
            row.push_str("\x1b[0m");
        }
    }
    /// A line of help, which was broken already: what runs from right to left is set to the right.
    pub fn help(&mut self, line: &str) {
        let mut words = [0; 4];
        let line: String = line
            .chars()
            .map(|c| match c {
                // All help is ours, but for the name by which the program was called.
                '\u{2068}' | '\u{2069}' => c.to_string(),
                c => text::escape_line(c.encode_utf8(&mut words)),
            })
            .collect();
        let way = if bidi::has_right_to_left(&line) { Way::RightToLeft } else { Way::LeftToRight };
        let indent = line.len() - line.trim_start().len();
        let (blank, words) = line.split_at(indent);
        self.rows(words, &[words], Setting { way, margin: blank, more: blank, framed: false }, 0, &[]);
    }
    /// How many columns there are behind a margin.
    fn room(&self, margin: usize) -> usize {
        self.width.map_or(usize::MAX, |width| usize::from(width.max(NARROWEST)) - margin)
    }
    /// A text, line by line as it stands, set off by a margin that no line of its own can feign. A line that is wider than
    /// the terminal goes on behind another margin.
    pub fn verbatim(&mut self, words: &str) {
        let lines: Vec<_> = words.strip_suffix('\n').unwrap_or(words).split('\n').map(text::escape_line).collect();
        self.set_off(&lines.join("\n"));
    }
    /// The same, of lines that were made safe to show already.
    pub fn set_off(&mut self, escaped: &str) {
        let way = Way::of(escaped);
        let room = self.room_within(way);
        for line in escaped.split('\n') {
            let setting = Setting { way, margin: VERBATIM, more: GOES_ON, framed: true };
            self.rows(line, &wrapped(line, room), setting, 0, &[]);
        }
    }
    /// How many columns there are for a text that runs this way: from right to left it stands between two margins.
    fn room_within(&self, way: Way) -> usize {
        let margins = if self.ours && way == Way::RightToLeft { 2 } else { 1 };
        self.room(margins * MARGIN)
    }
    /// Pieces of a text that look different, set off as [`Out::verbatim`] does, by a sign of four columns instead of the
    /// plain margin. What goes on over several lines stands behind a margin that no line of the text can feign.
    pub fn marked(&mut self, sign: &str, pieces: &[(Look, &str)]) {
        let mut words = String::new();
        // Where each piece ends in the words as they are shown, and how it looks.
        let mut ends = Vec::new();
        for (look, piece) in pieces {
            let lines: Vec<_> = piece.split('\n').map(text::escape_line).collect();
            words.push_str(&lines.join("\n"));
            ends.push((words.len(), *look));
        }
        let way = Way::of(&words);
        let room = self.room_within(way);
        let mut at = 0;
        for line in words.split('\n') {
            let margin = if at == 0 { sign } else { GOES_ON };
            self.rows(line, &wrapped(line, room), Setting { way, margin, more: GOES_ON, framed: true }, at, &ends);
            at += line.len() + 1;
        }
    }
    /// Adds a part of the words, each piece of it in its look.
    fn dress(
        &self,
        shown: &mut String,
        words: &str,
        part: std::ops::Range<usize>,
        offset: usize,
        ends: &[(usize, Look)],
    ) {
        let mut from = part.start;
        let first = ends.partition_point(|(end, _)| *end <= offset + part.start);
        for (end, look) in ends.iter().skip(first) {
            let until = (*end - offset).min(part.end);
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
        shown.push_str(words.get(from..part.end).unwrap_or_default());
    }
    /// Words of our own alone in as many lines as they need, each behind the margin.
    pub fn paragraph(&mut self, margin: &str, words: &(impl Said + ?Sized)) {
        // What goes on is set in a little further.
        let more = format!("{margin}  ");
        let line = self.apart(&speech::shown(&words.message()));
        let pieces = in_pieces(&line, self.room(margin.width()), self.room(more.width()), false);
        let setting = Setting { way: self.way_of_ours(), margin, more: &more, framed: false };
        self.rows(&line, &pieces, setting, 0, &[]);
    }
    /// A table: with lines for a terminal, bare for a program that reads on. Where the terminal is narrow each row stands by
    /// itself, so that no id is broken to pieces.
    pub fn table<N: Said, V: Said>(&mut self, header: &[N], rows: Vec<Vec<V>>) {
        let header: Vec<_> = header.iter().map(|name| speech::shown(&name.message())).collect();
        let row = |row: Vec<V>| row.iter().map(|value| speech::shown(&value.message())).collect();
        let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
        if self.width.is_some_and(|width| width < TABLE_LEAST) {
            for (n, row) in rows.iter().enumerate() {
                if n > 0 {
                    self.gap();
                }
                for (name, value) in header.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
                    self.field_shown(name, value);
                }
            }
            return;
        }
        let table = table(self.terminal, self.width, &header, rows);
        if !self.ours || !bidi::has_right_to_left(&table) {
            self.raw(table.as_bytes());
            return;
        }
        let (begin, end) = if self.explicit { (bidi::EXPLICIT, bidi::IMPLICIT) } else { ("", "") };
        for row in table.lines() {
            self.raw(format!("{begin}{}\n{end}", bidi::visual_columns(row)).as_bytes());
        }
    }
    /// A JSON value, on lines of its own.
    pub fn json(&mut self, value: &Value) {
        let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
        self.raw(format!("{}\n", ascii_where_hidden(&pretty)).as_bytes());
    }
    /// Bytes as they are: for another program.
    pub fn raw(&mut self, bytes: &[u8]) {
        if let Some((page, _)) = &mut self.page {
            page.extend_from_slice(bytes);
            return;
        }
        if !self.gone
            && let Err(e) = self.sink.write_all(bytes)
        {
            self.lost(e);
        }
    }
    /// Holds back what is written from here on, until [`Out::turn`] shows it: by this pager if it is more than a screen.
    pub fn page(&mut self, pager: Option<Pager>) {
        if self.terminal && self.page.is_none() {
            self.page = pager.map(|pager| (Vec::new(), pager));
        }
    }
    /// Shows what was held back; with `end` below it, if it goes to a pager. Says whether it did, and what it was, to be shown again.
    pub fn turn(&mut self, end: Option<&Message>) -> (bool, Vec<u8>) {
        let Some((page, pager)) = self.page.take() else {
            self.flush();
            return (false, Vec::new());
        };
        if !pager.is_wanted(&page) {
            self.raw(&page);
            self.flush();
            return (false, page);
        }
        self.page = Some((page, pager.clone()));
        if let Some(end) = end {
            self.gap();
            self.heading(end);
        }
        let page = self.page.take().map(|(page, _)| page).unwrap_or_default();
        let paged = self.again(Some(&pager), &page);
        (paged, page)
    }
    /// Shows by a pager what was held back, or prints it. Says whether there was a pager.
    pub fn again(&mut self, pager: Option<&Pager>, page: &[u8]) -> bool {
        self.flush();
        if pager.is_some_and(|pager| pager.show(page)) {
            return true;
        }
        self.raw(page);
        self.flush();
        false
    }
    /// A question, for an answer on the same line.
    pub fn ask(&mut self, question: &(impl Said + ?Sized)) {
        let line = self.apart(&speech::shown(&question.message()));
        let shown = if self.ours { bidi::visual(&line, self.way_of_ours()) } else { line };
        self.raw(format!("{shown} ").as_bytes());
        self.flush();
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
        if self.page.is_none()
            && !self.gone
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
        self.turn(None);
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

/// How long the digest is that this line begins with, in letters, with what holds it apart.
fn digest_at_start(line: &str) -> usize {
    let isolates = line.chars().take_while(|c| matches!(c, '\u{2066}'..='\u{2069}')).count();
    let letters = line.chars().skip(isolates).take_while(|c| matches!(c, '0'..='9' | 'a'..='f')).count();
    if letters == DIGEST { isolates + letters } else { 0 }
}

/// A script by its name in the reader's language; one that no language of the tool is written with, by Unicode's name for it.
pub fn script(name: &'static str) -> Message {
    match name {
        "Arabic" => msg!("script" => "Arabic"),
        "Armenian" => msg!("script" => "Armenian"),
        "Cyrillic" => msg!("script" => "Cyrillic"),
        "Devanagari" => msg!("script" => "Devanagari"),
        "Georgian" => msg!("script" => "Georgian"),
        "Greek" => msg!("script" => "Greek"),
        "Hebrew" => msg!("script" => "Hebrew"),
        "Latin" => msg!("script" => "Latin"),
        other => Message::words(other),
    }
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

fn table(lines: bool, width: Option<u16>, header: &[String], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.force_no_tty().load_style(if lines { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    if lines {
        table.style_mut().row_separator = comfy_table::LineStyle::none();
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(NARROWEST));
    }
    let ids: Vec<_> = (0..header.len())
        .filter(|n| rows.iter().any(|row| row.get(*n).is_some_and(|cell| cell.parse::<CommuniqueId>().is_ok())))
        .collect();
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    // A communiqué's id stays in one piece, to be copied; what stands beside it gives way.
    for n in ids {
        if let Some(column) = table.column_mut(n) {
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
    let [first, second] = PREFERRED;
    names.preferring(&[speech::language().tag(), first, second])
}

/// A name in every language that it has.
pub fn names(names: &Names) -> String {
    names.iter().map(|(lang, words)| format!("{} ({lang})", quoted(words.as_str()))).collect::<Vec<_>>().join(" / ")
}

/// A holder of full powers by name and title, each in one language.
pub fn person(holder: &Holder) -> Message {
    let one = |names: &Names| {
        let words = name(names);
        let lang = names.iter().find(|(_, line)| line.as_str() == words).map(|(lang, _)| format!(" ({lang})"));
        format!("{}{}", quoted(words), lang.unwrap_or_default())
    };
    msg!("{name}, {title}", name = one(&holder.names), title = one(&holder.titles))
}

/// A path that somebody gave, or found.
pub fn path(path: &std::path::Path) -> Message {
    Message::words(quoted(&path.display().to_string()))
}

/// Where something was logged, for programs.
pub fn receipt(receipt: &Receipt) -> Value {
    json!({ "index": receipt.index, "entry": communique::domain::id::Digest::of(&receipt.entry) })
}

/// A size that a person takes in.
pub fn size(bytes: u64) -> Message {
    match bytes {
        0..10_000 => msg!("{n} byte" | "{n} bytes", n = bytes),
        10_000..10_000_000 => msg!("{size} kB", size = bytes / 1000),
        _ => msg!("{size} MB", size = bytes / 1_000_000),
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

    /// A page of so many columns that is laid out here.
    fn laid_out(width: u16, print: impl FnOnce(&mut Out)) -> String {
        page(|out| {
            (out.width, out.ours) = (Some(width), true);
            print(out);
        })
    }

    #[test]
    fn what_runs_from_right_to_left_stands_on_the_right_between_margins() {
        assert_eq!(
            laid_out(30, |out| out.verbatim("אבג 12 (דה)\nabc\n")),
            "  │            (הד) 12 גבא │\n  │                    abc │\n"
        );
        // What goes on, goes on below.
        assert_eq!(laid_out(20, |out| out.verbatim("אבגדה וזחטי כלמנס\n")), "  │  יטחזו הדגבא │\n  ┆        סנמלכ ┆\n");
        assert_eq!(laid_out(30, |out| out.line("title “אב” 12, x")), "title “בא” 12, x\n");
        let looks = [(Look::Plain, "אב "), (Look::Removed, "גד"), (Look::Plain, " 1")];
        let coloured = laid_out(20, |out| {
            out.colour = true;
            out.marked("  - ", &looks);
        });
        assert_eq!(coloured, "  -      1 \x1b[31;9mדג\x1b[0m בא -\n");
        // As it is stored, where nobody lays it out or where the terminal does.
        assert_eq!(page(|out| out.verbatim("אבג 12 (דה)\n")), "  │ אבג 12 (דה)\n");
    }

    #[test]
    fn crafted_words_reorder_none_of_ours() {
        let crafted = [
            "אב 12",
            "12 אב",
            "(אב",
            "אב) 3 -",
            "א”ב“",
            "אב <a> 1/2",
            "\u{61c}١٢ مثبت ١٢",
            "«אב",
            "\u{202e}\u{2067}אב",
        ];
        for words in crafted {
            let line = format!("signed by {} 2026 for north, 4 of 5: {} 7", quoted(words), quoted(words));
            let seen = bidi::visual(&bidi::with_quoted_apart(&text::escape_line(&line)), Way::LeftToRight);
            let pieces: Vec<_> = seen.split(['“', '”']).collect();
            let [before, one, between, other, after] = pieces.as_slice() else { panic!("{seen}") };
            assert_eq!([*before, *between, *after], ["signed by ", " 2026 for north, 4 of 5: ", " 7"], "{words:?}");
            assert_eq!(one, other, "{words:?}");
            // In an Arabic sentence, what is around a fact is in the same order whatever the fact is.
            let sentence = |fact: &str| format!("ת \u{2068}{fact}\u{2069} 12 ק \u{2068}{fact}\u{2069} 7");
            let seen = bidi::visual(&sentence(&text::escape_line(&quoted(words))), Way::RightToLeft);
            let ours: String = seen.split(['“', '”']).step_by(2).collect();
            assert_eq!(ours, "7  ק 12  ת", "{words:?}: {seen}");
        }
        for width in [20, 40, 72, 100] {
            let seen = laid_out(width, |out| {
                out.verbatim("☠PROVEN against אב ☠PROVEN\nאב ☠PROVEN against the charter that you trust\n")
            });
            for row in seen.lines() {
                assert!(row.starts_with("  │ ") || row.starts_with("  ┆ "), "{seen}");
                assert!(row.width() <= usize::from(width), "{seen}");
            }
            let seen = laid_out(width, |out| out.verbatim("אב ☠PROVEN against the charter that you trust “x” (1)\n"));
            for row in seen.lines() {
                let framed = ["  │ ", "  ┆ "].iter().any(|m| row.starts_with(m)) && row.ends_with(['│', '┆']);
                assert!(framed && row.width() <= usize::from(width), "{seen}");
            }
        }
    }

    const NASTY: &str = "a\x1b[31mred\u{9b}2J\r\u{202e}gpj\u{200b}\u{7f}";

    #[test]
    fn nothing_hidden_gets_out() {
        let printed = page(|out| {
            out.line(NASTY);
            out.field(NASTY, NASTY);
            out.heading(NASTY);
            out.verbatim(NASTY);
            out.table(&["name"], vec![vec![NASTY]]);
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
        let header = ["id", "title"].map(String::from);
        let narrow = table(true, Some(40), &header, vec![row.clone()]);
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        let plain = table(false, None, &header, vec![row.clone()]);
        assert_eq!(plain.lines().count(), 2, "{plain}");
        assert!(plain.contains(&row[0]) && !plain.contains('─'));
        assert!(!table(true, Some(0), &header, vec![row]).is_empty());
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
