//! The terminal itself. It is as it was before on every way out: when this is dropped, and when the program panics.

use std::{
    io,
    mem::ManuallyDrop,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event},
};
use sendoff_events::BoxFuture;
use sendoff_host::Signals;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Console, State, draw};

/// How often the thread that reads keys looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// A terminal that shows the screen.
pub(crate) struct Terminal {
    /// Given back by hand: it tells by itself what can't be given back, and dies of it when the terminal is gone.
    terminal: ManuallyDrop<DefaultTerminal>,
    events: UnboundedReceiver<Event>,
    signals: Option<Signals>,
    is_over: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn open() -> io::Result<Self> {
        // Its panic hook gives the terminal back, too.
        let terminal = ManuallyDrop::new(ratatui::try_init().inspect_err(|_| ratatui::restore())?);
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, events) = unbounded_channel();
        let this = Self { terminal, events, signals: Signals::listen().ok(), is_over: Arc::clone(&is_over) };
        std::thread::Builder::new().name("keys".into()).spawn(move || read(&sender, &is_over))?;
        Ok(this)
    }
}

/// Reads until nobody listens. Reading blocks, so it has a thread of its own.
fn read(to: &UnboundedSender<Event>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let event = match event::poll(LOOK) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        // A terminal that can't be read is gone: whoever listens hears that nothing more comes.
        let Ok(event) = event else { return };
        if to.send(event).is_err() {
            return;
        }
    }
}

impl Console for Terminal {
    fn show(&mut self, state: &mut State) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, state)).map(drop)
    }

    fn event(&mut self) -> BoxFuture<'_, Option<Event>> {
        let Self { events, signals, .. } = self;
        Box::pin(async move {
            match signals {
                Some(signals) => tokio::select! {
                    _ = signals.next() => None,
                    event = events.recv() => event,
                },
                None => events.recv().await,
            }
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A terminal that is gone can't be given back, and nobody is there to be told.
        let _ = ratatui::try_restore();
        let _ = self.terminal.show_cursor();
    }
}
