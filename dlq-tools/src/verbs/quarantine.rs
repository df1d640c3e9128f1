//! `dlq quarantine`.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sendoff_consumers::DeadLetterKind;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Common, Output,
    chosen::{is_in_doubt, must_be_theirs, must_be_touchable, must_be_unedited, nothing, up_to_date},
    ended,
    source::{Source, find_queue, letters},
};
use crate::{
    Session,
    archive::{self, Moved, Mover, Moves, audited},
    deployment::{Access, Deployment, private_folder},
    select::{self, Selection, Selector},
    snapshot::{Copying, Snapshot, as_name, moved, take::stopped},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// The queue to put them into, made if it isn't there; its name ends in `-quarantine`. By default the consumer's
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Also puts them into the quarantine of another consumer than theirs
    #[arg(long)]
    yes_other_consumer: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Also those that are edited, as they were before: their edits are lost
    #[arg(long)]
    without_edits: bool,
    /// Also those of which nobody knows whether they had their effect. `sendoff doubt` finds them in their consumer's quarantine, and in
    /// no other
    #[arg(long)]
    also_in_doubt: bool,
    /// Goes on with the one of this queue that broke off; whatever else is chosen is left
    #[arg(long, conflicts_with_all = ["to", "yes_other_consumer", "because", "without_edits", "also_in_doubt"])]
    resume: bool,
    /// Moves them; without it, only says which
    #[arg(long)]
    yes: bool,
}

/// What is to be moved where, kept beside it for whoever goes on with it.
#[derive(Serialize, Deserialize)]
struct Order {
    to: String,
    because: String,
}

/// What the names of queues that keep an order end in.
const FIFO: &str = ".fifo";
const ORDER: &str = "order.json";

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = args.yes.then(|| common.who(session)).transpose()?;
    if !args.resume && args.because.as_ref().is_none_or(|because| because.trim().is_empty()) {
        let why = "say why with --because TEXT: whoever finds them there wants to know";
        return Err(Stopped::new(Exit::Usage, why));
    }
    let access = if args.yes { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let queue = find_queue(&deployment, &args.source.queue).await?;
    must_be_touchable(&queue)?;
    let base = deployment.work.join("quarantines");
    let open = broken_off(&base, &deployment.letters.deployment(), &queue.name)?;
    let (folder, order, count) = match (open, args.resume) {
        (Some(_), false) => {
            let why = format!(
                "an earlier quarantine of `{0}` broke off: some letters may be in both queues. Go on with it first, with `dlq quarantine {0} --resume --yes`",
                queue.name
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        (None, true) => {
            let why = format!("no quarantine of `{}` has broken off", queue.name);
            return Err(Stopped::new(Exit::NothingMatched, why));
        }
        (Some(folder), true) => {
            let order = read_order(&folder)?;
            let count = Snapshot::open(&Moves::letters_in(&folder))?.count()?;
            if args.yes {
                deployment.letters.create(&order.to).await.map_err(stopped)?;
            }
            (Some(Folder(folder)), order, count)
        }
        (None, false) => {
            let to = match &args.to {
                Some(to) => to.clone(),
                None => default_name(&queue.name, &queue.kind),
            };
            check_name(&to, &queue.name)?;
            if !args.yes_other_consumer {
                must_be_theirs(&deployment, &queue.name, &to).await?;
            }
            let selector = Selector::new(&args.selection, &*session.clock)?;
            let mut snapshot = args.source.open(session, common, &deployment).await?;
            up_to_date(&deployment, &mut snapshot, &selector).await?;
            let count = chosen(&snapshot, &selector, args.also_in_doubt)?;
            if count == 0 {
                return Err(nothing(&queue.name));
            }
            if !args.without_edits {
                let instead = "Replay them first, take their edits back with `dlq edit --undo`";
                must_be_unedited(&snapshot, &selector, instead)?;
            }
            let order = Order { to, because: args.because.unwrap_or_default() };
            let mut folder = None;
            if args.yes {
                // What may be refused comes first: until then no letter lies anywhere else.
                deployment.letters.create(&order.to).await.map_err(stopped)?;
                let new = new_folder(&base, &queue.name, session.clock.now())?;
                lay_out(&new.0, &order, &snapshot, &selector)?;
                folder = Some(new);
            }
            (folder, order, count)
        }
    };
    let mut moved = None;
    if let (Some(folder), Some(who)) = (&folder, &who) {
        moved = Some(carry_out(session, &deployment, &folder.0, &order, &queue.name, who).await?);
    }
    tell(session, common.output, &queue.name, &order.to, count, moved.as_ref())
}

async fn carry_out(
    session: &Session,
    deployment: &Deployment,
    folder: &Path,
    order: &Order,
    queue: &str,
    who: &str,
) -> Result<Moved, Stopped> {
    let Order { to, because } = order;
    let mut moves = Moves::open(folder)?;
    let ids = moves.ids().to_vec();
    let target = |told: &str| format!("{queue} into {to}: {told}");
    audited(deployment, who, "quarantine", target(&format!("{} to be moved", letters(ids.len() as u64))), because)
        .await?;
    let mover = Mover {
        letters: &*deployment.letters,
        clock: &*session.clock,
        source: archive::Source::Queue(queue),
        to,
        copy_of: Some(queue),
        dedup: "quarantined",
    };
    let carried = moves.carry_out(mover, &ids, who).await;
    let told = match &carried {
        Ok(moved) => target(&format!("{} sent, {} deleted", moved.sent, moved.deleted)),
        Err(_) if matches!(Moves::has_begun_in(folder), Ok(false)) => target("nothing was sent"),
        Err(_) => target("it broke off"),
    };
    let noted = audited(deployment, who, "quarantine-done", told, "").await;
    for queue in [queue, to] {
        // It is about a hint only; whoever needs to know looks with --fresh.
        let _ =
            moved::note(&deployment.work, &deployment.letters.deployment(), queue, "quarantine", session.clock.now());
    }
    if carried.as_ref().is_ok_and(Moved::is_finished) {
        moves.forget_letters()?;
    }
    noted?;
    carried
}

fn tell(
    session: &mut Session,
    output: Output,
    queue: &str,
    to: &str,
    count: u64,
    moved: Option<&Moved>,
) -> Result<Exit, Stopped> {
    let doc = json!({ "queue": queue, "to": to, "chosen": count, "applied": moved.is_some(), "moved": moved });
    let shown = match (output, moved) {
        (Output::Json, _) => session.json(&doc),
        (Output::Ndjson, _) => session.json_line(&doc),
        (Output::Table, None) => {
            let shown = session.data(format_args!("{} of `{queue}` would be moved to `{to}`\n", letters(count)));
            session.prose("nothing was moved: add --yes. What is moved is kept for a new retention there");
            shown
        }
        (Output::Table, Some(moved)) => {
            let done = moved.sent + moved.sent_before;
            let shown = session.data(format_args!("{done} of {} are in `{to}`\n", letters(count)));
            super::restore::tell_moved(session, moved, &format!("go on with `dlq quarantine {queue} --resume --yes`"));
            shown
        }
    };
    let exit = match moved {
        Some(moved) if moved.unknown > 0 => Exit::InDoubt,
        Some(moved) if moved.left > 0 || moved.sent + moved.sent_before < count => Exit::Partly,
        _ => Exit::Done,
    };
    ended(session, shown.map_err(Stopped::from), exit)
}

/// How many letters are chosen. Refuses them when of any of them nobody knows whether it had its effect, unless those are wanted, too.
fn chosen(snapshot: &Snapshot, selector: &Selector, also_in_doubt: bool) -> Result<u64, Stopped> {
    let mut in_doubt = 0_u64;
    let count = select::each(snapshot, selector, |letter| {
        in_doubt += u64::from(is_in_doubt(&letter));
        Ok(ControlFlow::Continue(()))
    })?;
    if in_doubt == 0 || also_in_doubt {
        return Ok(count);
    }
    let why = format!(
        "{in_doubt} of the {} are in doubt: nobody knows whether they had their effect, and the rest of their job waits until somebody \
         says so. Settle them first with `sendoff doubt`, leave them out with --where 'ledger.status != \"in-doubt\"', or say \
         --also-in-doubt",
        letters(count)
    );
    Err(Stopped::new(Exit::Refused, why))
}

/// The folder of a quarantine. One that ends before its journal begins leaves nothing behind: nobody could go on with it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if matches!(Moves::has_begun_in(&self.0), Ok(false)) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Makes a folder that nobody else has.
fn new_folder(base: &Path, queue: &str, now: Timestamp) -> Result<Folder, Stopped> {
    let failed = |error| Stopped::failed(format_args!("{} can't be written: {error}", base.display()));
    private_folder(base).map_err(failed)?;
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let mut further = 1;
    loop {
        let end = if further == 1 { String::new() } else { format!(".{further}") };
        let folder = base.join(format!("{}-{stamp}{end}", as_name(queue)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Ok(()) => return Ok(Folder(folder)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => further += 1,
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Copies the chosen letters to where they are moved from. Nothing of it counts before the journal begins.
fn lay_out(folder: &Path, order: &Order, snapshot: &Snapshot, selector: &Selector) -> Result<(), Stopped> {
    let failed = |error| Stopped::failed(format_args!("{} can't be written: {error}", folder.display()));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, order).map_err(|error| failed(error.into()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(folder.join(ORDER)).map_err(|error| failed(error.error))?;
    let mut copy = Copying::into(Snapshot::create(&Moves::letters_in(folder), snapshot.taken().clone())?);
    select::each(snapshot, selector, |letter| {
        copy.add(letter)?;
        Ok(ControlFlow::Continue(()))
    })?;
    copy.finish()?;
    Ok(())
}

fn read_order(folder: &Path) -> Result<Order, Stopped> {
    let text = fs::read(folder.join(ORDER)).map_err(|error| error.to_string());
    let order = text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    order.map_err(|why| Stopped::failed(format_args!("{} can't be read: {why}", folder.join(ORDER).display())))
}

/// The folder of the quarantine of this queue that has begun and not ended. The work folder may be that of several deployments, each
/// with a queue of this name.
fn broken_off(base: &Path, deployment: &str, queue: &str) -> Result<Option<PathBuf>, Stopped> {
    let Ok(entries) = fs::read_dir(base) else { return Ok(None) };
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
        if name.is_none_or(|(name, _)| name != as_name(queue)) || !Moves::is_open_in(&folder)? {
            continue;
        }
        let letters = Snapshot::open(&Moves::letters_in(&folder))?;
        let taken = letters.taken();
        if (&*taken.deployment, &*taken.queue) == (deployment, queue) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn default_name(queue: &str, kind: &DeadLetterKind) -> String {
    let consumer = match kind {
        DeadLetterKind::Consumer(name)
        | DeadLetterKind::Undelivered(name)
        | DeadLetterKind::Reaction(name)
        | DeadLetterKind::Quarantine(name) => name,
        DeadLetterKind::Foreign => queue,
    };
    // What is in order stays in order.
    match consumer.strip_suffix(FIFO).or(queue.ends_with(FIFO).then_some(consumer)) {
        Some(plain) => format!("{plain}{}{FIFO}", DeadLetterKind::QUARANTINE),
        None => format!("{consumer}{}", DeadLetterKind::QUARANTINE),
    }
}

/// A queue of any other name may have somebody who handles what comes into it.
fn check_name(to: &str, queue: &str) -> Result<(), Stopped> {
    let plain = to.strip_suffix(".fifo").unwrap_or(to);
    let rest = plain.strip_suffix(DeadLetterKind::QUARANTINE).unwrap_or_default();
    let is_plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if rest.is_empty() || !is_plain || to.len() > 80 {
        let why = format!(
            "`{}` is no name of a quarantine: it ends in `-quarantine`, such as `email-quarantine`",
            to.escape_debug()
        );
        return Err(Stopped::new(Exit::Usage, why));
    }
    if to.ends_with(FIFO) != queue.ends_with(FIFO) {
        let why = format!("`{to}` can't take the letters of `{queue}`: either both keep an order, and end in `{FIFO}`, or none");
        return Err(Stopped::new(Exit::Usage, why));
    }
    if to == queue {
        return Err(Stopped::new(Exit::Refused, format_args!("`{to}` is where they are: name another one with --to")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_named_by_its_url_has_a_folder_as_any_other() {
        let base = tempfile::tempdir().unwrap();
        let queue = "https://sqs.eu-central-1.amazonaws.com/1/other-dlq";
        let folder = new_folder(base.path(), queue, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(folder.0.parent(), Some(base.path()));
        assert_eq!(broken_off(base.path(), "here", queue).unwrap(), None, "nothing has begun");
        drop(folder);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0, "nothing is left of it");
    }

    #[test]
    fn what_is_in_order_is_put_aside_in_order() {
        for (queue, kind, quarantine) in [
            ("email-dlq", DeadLetterKind::Consumer("email".into()), "email-quarantine"),
            ("pay-dlq.fifo", DeadLetterKind::Consumer("pay.fifo".into()), "pay-quarantine.fifo"),
            ("theirs.fifo", DeadLetterKind::Foreign, "theirs-quarantine.fifo"),
        ] {
            assert_eq!(default_name(queue, &kind), quarantine);
            check_name(quarantine, queue).unwrap();
        }
        for (to, queue) in [("pay-quarantine", "pay-dlq.fifo"), ("pay-quarantine.fifo", "email-dlq"), ("pay", "email-dlq")] {
            assert_eq!(check_name(to, queue).unwrap_err().exit, Exit::Usage, "{to}");
        }
    }
}
