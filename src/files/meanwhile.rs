//! What others do to a file between our look at it and our reading of it: nothing, but in tests.

#[cfg(test)]
use std::cell::RefCell;
use std::path::Path;

#[cfg(test)]
type Deed = Box<dyn FnMut(&Path)>;

#[cfg(test)]
thread_local! {
    static DEED: RefCell<Option<Deed>> = const { RefCell::new(None) };
}

/// The moment between looking and reading.
pub(crate) fn happen(path: &Path) {
    let _ = path;
    #[cfg(test)]
    DEED.with_borrow_mut(|deed| deed.iter_mut().for_each(|deed| deed(path)));
}

/// Does `deed` each time that the file is read in `run`.
#[cfg(test)]
pub fn always<T>(path: &Path, mut deed: impl FnMut() + 'static, run: impl FnOnce() -> T) -> T {
    let path = path.to_owned();
    let deed = move |read: &Path| {
        if read == path {
            deed();
        }
    };
    DEED.set(Some(Box::new(deed)));
    let result = run();
    DEED.set(None);
    result
}

/// Does `deed` before the first reading of the file in `run`.
#[cfg(test)]
pub fn once<T>(path: &Path, deed: impl FnOnce() + 'static, run: impl FnOnce() -> T) -> T {
    let mut deed = Some(deed);
    always(path, move || deed.take().into_iter().for_each(|deed| deed()), run)
}
