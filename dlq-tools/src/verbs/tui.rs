//! `dlq tui`.

use sendoff_host::{Exit, Stopped};

use super::{Common, plan::Wanted, source::Source};
use crate::{Session, select::Selection};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Shows personal data
    #[arg(long)]
    pub(crate) show_personal: bool,
}

#[cfg(not(feature = "tui"))]
pub(super) async fn run(_session: &mut Session, _common: &Common, _args: Args) -> Result<Exit, Stopped> {
    let why = "this program was built without its screen: build it with `cargo build -p sendoff-dlq-tools --features tui`, or use \
               `dlq groups`, `dlq show`, `dlq plan` and `dlq run`";
    Err(Stopped::new(Exit::Usage, why))
}

#[cfg(feature = "tui")]
pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    use crate::tui::{Desk, Terminal};

    if !session.out_is_terminal {
        return Err(Stopped::new(
            Exit::Usage,
            "a screen needs a terminal: use `dlq groups`, `dlq show`, `dlq plan` and `dlq run`",
        ));
    }
    if common.output != super::Output::Table {
        let why = "a screen is for people: `dlq groups`, `dlq show`, `dlq plan` and `dlq run` print JSON";
        return Err(Stopped::new(Exit::Usage, why));
    }
    let mut desk = Desk::open(session, common, args).await?;
    let mut terminal = Terminal::open()
        .map_err(|error| Stopped::new(Exit::Usage, format_args!("the terminal can't be used as a screen: {error}")))?;
    let shown = desk.show(&mut terminal).await;
    // First the terminal is as it was before.
    drop(terminal);
    // What a run has done counts more than a screen that is gone.
    let exit = desk.end()?;
    shown.map(|()| exit)
}

/// The same at a console that isn't this process's terminal.
#[cfg(feature = "tui")]
pub(super) async fn at(
    session: &mut Session,
    common: &Common,
    args: Args,
    console: &mut dyn crate::tui::Console,
) -> Result<Exit, Stopped> {
    let mut desk = crate::tui::Desk::open(session, common, args).await?;
    let shown = desk.show(console).await;
    let exit = desk.end()?;
    shown.map(|()| exit)
}
