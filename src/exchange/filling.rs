//! A page under way: it ends by its rows or by their bytes, whichever is first, before more than it shows is read.

use crate::domain::view::Page;

/// A page takes no more rows once those that it has take more bytes than this: documents and statements, without receipts.
/// So a list of the largest manifests costs no more memory than one of the smallest.
pub const PAGE_BYTES: usize = 2 << 20;

/// Rows with the key of the last one.
pub(super) struct Filling<T> {
    rows: Vec<T>,
    limit: usize,
    bytes: usize,
    last: String,
}

impl<T> Filling<T> {
    /// An empty page of at most so many rows.
    pub(super) fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), limit, bytes: 0, last: String::new() }
    }
    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.limit || self.bytes > PAGE_BYTES
    }
    /// Takes a row of this key, whose documents and statements have so many bytes.
    pub(super) fn push(&mut self, key: impl ToString, bytes: usize, row: T) {
        self.rows.push(row);
        self.bytes += bytes;
        self.last = key.to_string();
    }
    /// Passes over a row of this key: the next page begins after it.
    pub(super) fn pass(&mut self, key: impl ToString) {
        self.last = key.to_string();
    }
    /// The page, with rows left over.
    pub(super) fn more(self) -> Page<T> {
        Page { rows: self.rows, next: self.last }
    }
    /// The page, the last one.
    pub(super) fn end(self) -> Page<T> {
        Page { rows: self.rows, next: String::new() }
    }
}
