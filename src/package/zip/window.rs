//! A stretch of a file as a file of its own: how an archive within an archive is read without unpacking it.

use std::io::{self, Read, Seek, SeekFrom};

/// A stretch of what lies below. Reads and seeks stay within it.
#[derive(Debug)]
pub struct Window<'a, R> {
    below: &'a mut R,
    start: u64,
    length: u64,
    at: u64,
}

impl<'a, R: Read + Seek> Window<'a, R> {
    /// The stretch of this length from `start` on.
    ///
    /// # Errors
    /// What the reader below says.
    pub fn new(below: &'a mut R, start: u64, length: u64) -> io::Result<Self> {
        below.seek(SeekFrom::Start(start))?;
        Ok(Self { below, start, length, at: 0 })
    }
}

impl<R: Read> Read for Window<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.below.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Window<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let below = target.and_then(|at| Some((at, self.start.checked_add(at)?)));
        let (at, below) = below.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.below.seek(SeekFrom::Start(below))?;
        self.at = at;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn nothing_beyond_the_stretch_is_read() {
        let mut below = Cursor::new(b"beforewithinafter".to_vec());
        let mut window = Window::new(&mut below, 6, 6).unwrap();
        let mut all = String::new();
        window.read_to_string(&mut all).unwrap();
        assert_eq!(all, "within");
        assert_eq!(window.seek(SeekFrom::End(-2)).unwrap(), 4);
        let mut rest = [0; 8];
        assert_eq!(window.read(&mut rest).unwrap(), 2);
        assert_eq!(&rest[..2], b"in");
        assert_eq!(window.read(&mut rest).unwrap(), 0);
        assert_eq!(window.seek(SeekFrom::Start(100)).unwrap(), 100);
        assert_eq!(window.read(&mut rest).unwrap(), 0, "what follows it is not there");
        assert!(window.seek(SeekFrom::End(-7)).is_err(), "nor what comes before");
    }
}
