//! The store on a thread of its own: SQLite blocks, and a blocked runtime serves no page and sends no mail.

use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::store::Store;

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// Hands work to the thread that has the store. The thread ends, and the file is closed, when the last desk is dropped.
#[derive(Clone)]
pub struct Desk {
    jobs: mpsc::Sender<Job>,
}

/// The store's thread is gone: a panic in it.
#[derive(Debug, thiserror::Error)]
#[error("the thread of state.db has died")]
pub struct Gone;

impl Desk {
    /// Gives the store its thread; the handle ends when the file is closed.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(mut store: Store) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (jobs, work) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("state.db".into()).spawn(move || {
            while let Ok(job) = work.recv() {
                job(&mut store);
            }
        })?;
        Ok((Self { jobs }, thread))
    }

    /// Does something with the store and waits for the result. Work that was begun is finished even if nobody waits for it
    /// any more.
    ///
    /// # Errors
    /// If the thread has died.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, result) = oneshot::channel();
        let job = Box::new(move |store: &mut Store| {
            let _ = answer.send(work(store));
        });
        self.jobs.send(job).map_err(|_| Gone)?;
        result.await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order_and_the_thread_ends_with_the_last_desk() {
        let (desk, thread) = Desk::new(Store::in_memory().unwrap()).unwrap();
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        desk.with(move |store| store.set_last_run("status", at)).await.unwrap().unwrap();
        assert_eq!(desk.with(|store| store.last_run("status")).await.unwrap().unwrap(), Some(at));
        drop(desk);
        thread.join().unwrap();
    }
}
