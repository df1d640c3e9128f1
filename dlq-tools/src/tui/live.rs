//! A run while it goes on: what it tells is shown, and what keys wish is told to it.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::{
    FutureExt as _,
    future::{Either, pending, select},
};
use ratatui::crossterm::event::Event;
use sendoff_embedded::program::print::one_line;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Console, State, Wish};
use crate::run::{
    Progress, Watcher,
    control::{Wanted, want},
    folder::RunFolder,
};

/// What a run tells.
pub(super) enum Told {
    Progress(Progress),
    Note(String),
}

/// Passes on what a run tells.
pub(super) struct Teller(UnboundedSender<Told>);

impl Teller {
    pub(super) fn new() -> (Self, UnboundedReceiver<Told>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }
}

impl Watcher for Teller {
    fn progress(&self, progress: &Progress) {
        // If nobody listens, that is fine.
        let _ = self.0.send(Told::Progress(progress.clone()));
    }

    fn note(&self, text: &str) {
        let _ = self.0.send(Told::Note(one_line(text)));
    }
}

/// The run that keys are about.
pub(super) struct Steered<'a> {
    pub(super) folder: &'a RunFolder,
    pub(super) who: &'a str,
    pub(super) leave: &'a AtomicBool,
}

enum Next<T> {
    Ended(T),
    Told(Option<Told>),
    Event(Option<Event>),
}

/// Shows the run until it ends. Whatever happens to the terminal, the run is never dropped: it is asked to end, and waited for.
pub(super) async fn live<T>(
    console: &mut dyn Console,
    state: &mut State,
    steered: &Steered<'_>,
    told: &mut UnboundedReceiver<Told>,
    run: impl Future<Output = T>,
) -> T {
    let mut run = pin!(run);
    let (mut is_there, mut is_telling) = (true, true);
    loop {
        if is_there && console.show(state).is_err() {
            is_there = false;
        }
        if !is_there {
            steered.leave.store(true, Ordering::Relaxed);
        }
        let next = {
            let told = async { if is_telling { told.recv().await } else { pending().await } };
            let event = async { if is_there { console.event().await } else { pending().await } };
            match select(&mut run, select(told.boxed(), event.boxed_local())).await {
                Either::Left((ended, _)) => Next::Ended(ended),
                Either::Right((Either::Left((told, _)), _)) => Next::Told(told),
                Either::Right((Either::Right((event, _)), _)) => Next::Event(event),
            }
        };
        match next {
            Next::Ended(ended) => {
                while let Ok(told) = told.try_recv() {
                    hear(state, told);
                }
                return ended;
            }
            Next::Told(Some(told)) => hear(state, told),
            Next::Told(None) => is_telling = false,
            Next::Event(Some(Event::Key(key))) => {
                let wish = state.update(key);
                steer(state, steered, &wish);
            }
            Next::Event(Some(_)) => {}
            Next::Event(None) => is_there = false,
        }
    }
}

fn hear(state: &mut State, told: Told) {
    let Some(running) = state.running() else { return };
    match told {
        Told::Progress(progress) => {
            if progress.doing != running.progress.doing {
                running.asked = None;
            }
            running.progress = progress;
        }
        Told::Note(note) => running.notes.push(note),
    }
}

fn steer(state: &mut State, steered: &Steered<'_>, wish: &Wish) {
    let by = || steered.who.to_owned();
    let wanted = match wish {
        Wish::Pause => Wanted::Wait { by: by() },
        Wish::Go => Wanted::Go,
        Wish::Abort => Wanted::Abort { by: by() },
        Wish::Leave => {
            steered.leave.store(true, Ordering::Relaxed);
            return;
        }
        _ => return,
    };
    if let Err(error) = want(steered.folder.path(), &wanted) {
        state.message = Some(format!("the run can't be told: {}: {error}", steered.folder.path().display()));
    }
}
