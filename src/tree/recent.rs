//! A map that forgets what was not used lately, so that it never grows beyond a bound.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Two generations: what was used since the last change of generations, and what was used before.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries_max: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// Returns an empty map of at most `entries_max` entries.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries_max, young: HashMap::new(), old: HashMap::new() }
    }

    /// Returns what was inserted, unless it was forgotten.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(key.clone(), value.clone());
        Some(value)
    }

    /// Returns what was inserted, without counting as a use.
    pub(super) fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Inserts or replaces.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.entries_max.div_ceil(2) && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut recent = Recent::new(10);

        for number in 0..1000 {
            recent.insert(number, number);
            assert_eq!(recent.get(&0), Some(0), "after {number}");
            assert!(recent.young.len() + recent.old.len() <= 11, "after {number}");
        }

        assert_eq!(recent.peek(&1), None);
        assert_eq!(recent.peek(&999), Some(&999));
    }
}
