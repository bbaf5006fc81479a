//! Work that is shared out to the cores of this machine: with the same result, in the same order, as if it were done one after the
//! other. Nothing here knows what is worked on.

use std::panic::resume_unwind;
use std::thread;

/// From how many things on, each of which waits for the kernel a few times, another thread saves more than it costs.
pub const WAITING: usize = 64;
/// The same for things that take about a microsecond each.
pub const THINKING: usize = 1024;

/// Does one thing for each of many, on all cores if there are at least `many` ([`WAITING`], [`THINKING`]); results in the order of
/// the items.
pub fn for_each<'a, T: Sync, R: Send>(many: usize, items: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let mut shares = for_shares(many, items, |share| share.iter().map(&work).collect::<Vec<R>>()).into_iter();
    let mut results = shares.next().unwrap_or_default();
    results.reserve_exact(items.len() - results.len());
    results.extend(shares.flatten());
    results
}

/// The same for work that takes a share of the items: all of them if they are few, else one for each core. More than four cores are
/// for somebody else.
pub fn for_shares<'a, T: Sync, R: Send>(many: usize, items: &'a [T], work: impl Fn(&'a [T]) -> R + Sync) -> Vec<R> {
    if items.len() < many {
        return vec![work(items)];
    }
    let cores = thread::available_parallelism().map_or(1, usize::from).min(4);
    let work = &work;
    thread::scope(|scope| {
        let mut shares = items.chunks(items.len().div_ceil(cores));
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let own = work(own);
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(others).collect()
    })
}

/// Does two things, at the same time if that is worth a thread.
pub fn both<A: Send, B>(worth_it: bool, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if !worth_it {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| resume_unwind(panic)), other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn shared_out_or_not_is_the_same(items in proptest::collection::vec(0_u32..9, 0..3 * WAITING)) {
            let double = |item: &u32| item * 2;
            proptest::prop_assert_eq!(for_each(WAITING, &items, double), items.iter().map(double).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_is_the_callers() {
        let all: Vec<usize> = (0..2 * WAITING).collect();
        let fails = |n: &usize| assert_ne!(*n, 2 * WAITING - 1, "the last one");
        assert!(std::panic::catch_unwind(|| for_each(WAITING, &all, fails)).is_err());
        assert!(std::panic::catch_unwind(|| both(true, || panic!("one"), || 1)).is_err());
    }
}
