//! A budget of bytes: what all keys together may have waiting in memory, and what
//! one of them may. Knows no clock and waits for nobody.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::token::KeyId;

/// So many bytes in all, and so many for each key.
#[derive(Clone)]
pub struct Budget {
    total_max: usize,
    of_key_max: usize,
    spent: Arc<Mutex<Spent>>,
}

#[derive(Default)]
struct Spent {
    total: usize,
    /// Only keys that have spent something.
    of_keys: HashMap<KeyId, usize>,
}

/// Bytes taken from the budget, given back when this is dropped.
#[must_use = "what it counts is given back when it is dropped"]
pub struct Held {
    budget: Budget,
    key: KeyId,
    bytes: usize,
}

impl Budget {
    /// A budget of `total_max` bytes, of which a key may have `of_key_max`.
    pub fn new(total_max: usize, of_key_max: usize) -> Self {
        Self {
            total_max,
            of_key_max,
            spent: Arc::default(),
        }
    }

    /// Takes `bytes`, where they are left to the key and in all.
    pub fn take(&self, key: KeyId, bytes: usize) -> Option<Held> {
        let mut spent = self.lock();
        let of_key = spent.of_keys.get(&key).copied().unwrap_or(0);
        if spent.total + bytes > self.total_max || of_key + bytes > self.of_key_max {
            return None;
        }
        Some(self.hold(&mut spent, key, bytes))
    }

    /// Takes `bytes` even where they are not left: what was done has to be told.
    pub fn overdraw(&self, key: KeyId, bytes: usize) -> Held {
        let mut spent = self.lock();
        self.hold(&mut spent, key, bytes)
    }

    fn hold(&self, spent: &mut Spent, key: KeyId, bytes: usize) -> Held {
        spent.total += bytes;
        *spent.of_keys.entry(key).or_default() += bytes;
        Held {
            budget: self.clone(),
            key,
            bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes `bytes` more, where they are left to the key and in all; whether it did.
    #[must_use = "what is not left must not be used"]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Some(mut more) = self.budget.take(self.key, bytes) else {
            return false;
        };
        self.bytes += mem::take(&mut more.bytes);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut spent = self.budget.lock();
        spent.total -= self.bytes;
        if let Some(of_key) = spent.of_keys.get_mut(&self.key) {
            *of_key -= self.bytes;
            if *of_key == 0 {
                spent.of_keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_share_and_all_have_the_whole() {
        let key = |text| KeyId::parse(text).expect("an id");
        let (one, other) = (key("000000000001"), key("000000000002"));
        let budget = Budget::new(100, 60);
        let first = budget.take(one, 60).expect("the share of one");
        assert!(budget.take(one, 1).is_none());
        assert!(budget.take(other, 41).is_none(), "beyond the whole");
        let second = budget.take(other, 40).expect("the rest");
        drop(first);
        assert!(budget.take(one, 61).is_none());
        assert!(budget.take(one, 60).is_some());
        drop(second);
        let over = budget.overdraw(one, 200);
        assert!(budget.take(other, 1).is_none());
        drop(over);
        let mut grown = budget.take(one, 10).expect("a part");
        assert!(grown.grow(50));
        assert!(!grown.grow(1));
        assert!(budget.take(one, 1).is_none());
        drop(grown);
        assert!(budget.lock().of_keys.is_empty());
        assert_eq!(budget.lock().total, 0);
    }
}
