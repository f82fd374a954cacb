//! What the service logs, and how: lines of text or of JSON on standard error.
//!
//! What a stranger sends can end up in a log line (a name in a refused certificate, a title). Such text must not drive
//! the terminal of the person who reads the log, nor forge a second line: every control character and every invisible
//! direction mark is escaped on the way out, in one place, whatever the line is made of.

use std::io::{self, Write};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

use super::config::{Format, Telemetry};

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `telemetry.filter` is no filter.
    #[error("telemetry.filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// The process logs already.
    #[error("logging was started twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts logging to standard error, for the whole process. Called once, by a binary.
///
/// # Errors
///
/// A filter that cannot be read; a second call.
pub fn init(settings: &Telemetry) -> Result<(), Error> {
    Ok(subscriber(settings, io::stderr)?.try_init()?)
}

/// The subscriber that [`init`] installs, over any writer: a test reads what it wrote.
///
/// # Errors
///
/// A filter that cannot be read.
pub fn subscriber<W>(settings: &Telemetry, writer: W) -> Result<impl Subscriber + Send + Sync + 'static, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter)?;
    let writer = Escaped { inner: writer, format: settings.format };
    // Colours would be escape sequences of our own, which the writer could not tell from those of others.
    let lines = fmt::layer().with_ansi(false).with_writer(writer);
    let lines = match settings.format {
        Format::Text => lines.boxed(),
        // The spans carry the request's id: each line has all of them.
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter).with(filter_fn(shows_no_draft)).with(lines))
}

/// The database's library says the values of its statements, drafts among them, to whoever asks for more than its messages.
fn shows_no_draft(event: &Metadata<'_>) -> bool {
    !event.target().starts_with("tokio_postgres") || *event.level() <= Level::INFO
}

/// Makes writers that escape.
struct Escaped<W> {
    inner: W,
    format: Format,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaped<W> {
    type Writer = EscapedLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapedLine { inner: self.inner.make_writer(), format: self.format }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        EscapedLine { inner: self.inner.make_writer_for(meta), format: self.format }
    }
}

/// Writes one event, which `tracing_subscriber` hands over whole: its last byte is the end of the line, and the only
/// line feed that is one.
struct EscapedLine<W> {
    inner: W,
    format: Format,
}

impl<W: Write> Write for EscapedLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // Nearly every line, and each call has one.
        if event.strip_suffix(b"\n").is_some_and(|line| line.iter().all(|byte| (b' '..=b'~').contains(byte))) {
            self.inner.write_all(event)?;
            return Ok(event.len());
        }
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let mut out = String::with_capacity(text.len());
        for letter in line.chars() {
            if is_hidden(letter) { escape(letter, self.format, &mut out) } else { out.push(letter) }
        }
        out.push_str(end);
        self.inner.write_all(out.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Controls (C0, DEL, C1), line and paragraph separators, and what changes how text around it reads without being seen:
/// direction marks, zero-width letters, annotation marks, tags.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escape(letter: char, format: Format, out: &mut String) {
    match format {
        Format::Text => out.extend(letter.escape_unicode()),
        // In JSON all that is not ASCII stands inside a string, where this is the same letter again for the reader.
        Format::Json => {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    const NASTY: &str = "a\u{1b}[31mred\u{9b}2J\u{7}\r\nERROR forged\u{202e}gpj\u{200b}\u{7f}\u{e0041}é مرحبا";

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let settings = Telemetry { format, filter: filter.to_owned() };
        let subscriber = subscriber(&settings, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    fn log_nasty_text() {
        let span = tracing::info_span!("call", request = "r-1", named = %NASTY);
        let _entered = span.enter();
        tracing::info!(title = NASTY, shown = %NASTY, quoted = ?NASTY, "{NASTY}");
    }

    #[test]
    fn nothing_hidden_reaches_the_log_and_one_event_is_one_line() {
        for format in [Format::Text, Format::Json] {
            let text = logged(format, "info", log_nasty_text);
            let line = text.strip_suffix('\n').unwrap();
            assert_eq!(line.chars().filter(|letter| is_hidden(*letter)).collect::<String>(), "", "{line:?}");
            assert!(line.contains("é مرحبا"), "what can be read stays: {line}");
            assert!(line.contains("r-1"), "{line}");
        }
    }

    #[test]
    fn json_keeps_the_value_for_its_reader() {
        let text = logged(Format::Json, "info", log_nasty_text);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["title"], NASTY);
        assert_eq!(value["spans"][0]["request"], "r-1");
        assert_eq!(value["level"], "INFO");
    }

    #[test]
    fn the_filter_filters_and_a_bad_one_is_refused() {
        let log = || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        };
        let text = logged(Format::Text, "warn", log);
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");

        let settings = Telemetry { format: Format::Text, filter: "communique=loud".to_owned() };
        assert!(subscriber(&settings, io::sink).is_err());
    }

    #[test]
    fn what_a_statement_is_about_is_logged_at_no_level() {
        let log = || {
            tracing::info!(target: "tokio_postgres::connection", "a notice");
            tracing::debug!(target: "tokio_postgres::query", "executing with parameters: a draft");
        };
        let text = logged(Format::Text, "trace,tokio_postgres::query=trace", log);
        assert!(text.contains("a notice") && !text.contains("a draft"), "{text}");
    }
}
