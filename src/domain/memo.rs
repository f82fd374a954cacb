//! What is asked again and again of the same input, and has one answer: worked out once, remembered within a bound.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{PoisonError, RwLock},
};

/// Answers by what they are of. Only what depends on nothing else may be remembered.
#[derive(Debug)]
pub struct Memo<K, V> {
    held: RwLock<Option<HashMap<K, V>>>,
    most: usize,
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    /// Remembers so many; then it forgets them all, and begins anew.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { held: RwLock::new(None), most }
    }
    /// The answer, worked out if it is not remembered. What fails is not remembered.
    ///
    /// # Errors
    /// What working it out says.
    pub fn get<E>(&self, of: K, work: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(known) = self.held(&of) {
            return Ok(known);
        }
        let found = work()?;
        self.hold(of, found.clone());
        Ok(found)
    }
    /// The answer, if it is remembered.
    pub fn held(&self, of: &K) -> Option<V> {
        // A thread that panicked leaves whole answers behind, or none.
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().and_then(|held| held.get(of)).cloned()
    }
    /// Remembers an answer.
    pub fn hold(&self, of: K, answer: V) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let held = held.get_or_insert_default();
        if held.len() >= self.most {
            held.clear();
        }
        held.insert(of, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_worked_out_is_remembered_and_what_failed_is_not() {
        let memo = Memo::new(2);
        let fails = |of| memo.get(of, || Err::<u8, _>("failed"));
        assert_eq!(fails(1), Err("failed"));
        assert_eq!(memo.get(1, || Ok::<_, ()>(10)), Ok(10));
        assert_eq!(fails(1), Ok(10));
        assert_eq!(memo.get(2, || Ok::<_, ()>(20)), Ok(20));
        assert_eq!((fails(1), fails(2)), (Ok(10), Ok(20)));
        assert_eq!(memo.get(3, || Ok::<_, ()>(30)), Ok(30));
        assert_eq!((fails(1), fails(2), fails(3)), (Err("failed"), Err("failed"), Ok(30)), "never more than two");
    }
}
