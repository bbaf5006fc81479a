//! Work that is shared out to the cores of this machine: with the same result, in the same order, as if it were done one after the
//! other. Nothing here knows what is worked on.

use std::panic::resume_unwind;
use std::thread;

/// Below this a thread costs more than it saves.
pub const MANY: usize = 64;

/// Does one thing for each of many, on all cores if they are many; results in the order of the items.
///
/// A machine has one agent or a thousand. What is done for each is mostly waiting for the kernel; where it is not, it does not pay:
/// memory that another thread asks for costs more than the work. More than four cores are for somebody else.
pub fn for_each<'a, T: Sync, R: Send>(items: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    if items.len() < MANY {
        return items.iter().map(work).collect();
    }
    let cores = thread::available_parallelism().map_or(1, usize::from).min(4);
    let work = &work;
    thread::scope(|scope| {
        let mut shares = items.chunks(items.len().div_ceil(cores));
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<R>>())).collect();
        let mut results: Vec<R> = Vec::with_capacity(items.len());
        results.extend(own.iter().map(work));
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
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
        fn shared_out_or_not_is_the_same(items in proptest::collection::vec(0_u32..9, 0..3 * MANY)) {
            let double = |item: &u32| item * 2;
            proptest::prop_assert_eq!(for_each(&items, double), items.iter().map(double).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_is_the_callers() {
        let all: Vec<usize> = (0..2 * MANY).collect();
        let fails = |n: &usize| assert_ne!(*n, 2 * MANY - 1, "the last one");
        assert!(std::panic::catch_unwind(|| for_each(&all, fails)).is_err());
        assert!(std::panic::catch_unwind(|| both(true, || panic!("one"), || 1)).is_err());
    }
}
