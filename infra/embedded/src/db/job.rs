//! A piece of work for the writer.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::sync::oneshot;

use super::{StoreError, Tx};

/// A piece of work, its result, and who waits for it.
pub(crate) trait Job: Send {
    /// Whether it needs a savepoint: it may fail after it has written something.
    fn isolated(&self) -> bool;
    /// Does the work; keeps the result. Gives whether it went well.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Broken>;
    /// Replaces the result by an error.
    fn fail(&mut self, why: StoreError);
    /// Hands the result over.
    fn answer(self: Box<Self>);
}

/// Work that came to no result.
pub(crate) enum Broken {
    Failed(rusqlite::Error),
    Panicked(Box<dyn Any + Send>),
}

/// A closure as a [`Job`].
pub(crate) struct Call<F, T> {
    pub(crate) isolated: bool,
    pub(crate) work: Option<F>,
    pub(crate) result: Option<Result<T, StoreError>>,
    pub(crate) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Call<F, T>
where
    F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn isolated(&self) -> bool {
        self.isolated
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Broken> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let value = catch_unwind(AssertUnwindSafe(|| work(tx))).map_err(Broken::Panicked)?.map_err(Broken::Failed)?;
        self.result = Some(Ok(value));
        Ok(())
    }

    fn fail(&mut self, why: StoreError) {
        self.result = Some(Err(why));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            // Whoever asked may have gone; what they would have got is dropped, and takes care of itself.
            let _ = self.reply.send(result);
        }
    }
}
