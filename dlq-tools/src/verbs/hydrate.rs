//! `dlq hydrate`.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sendoff_embedded::program::print::{one_line, table};
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{Common, Output, source::Source};
use crate::{
    Session,
    deployment::{Access, Deployment, Native},
    hydrate::{
        Hydrated, StreamChange, StreamPointer,
        gather::{Gathered, Pointing, gather},
        standing::ParkedChange,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue that holds the pointers, or changes that a reaction could not deal with
    #[arg(required_unless_present = "bucket")]
    queue: Option<String>,
    /// This snapshot of it; by default the newest, and if there is none, one is taken
    #[arg(long, value_name = "FILE", requires = "queue")]
    snapshot: Option<PathBuf>,
    /// Takes a new snapshot first
    #[arg(long, conflicts_with = "snapshot", requires = "queue")]
    fresh: bool,
    /// The bucket that Lambda writes batches into that it gave up on (`FailureBucket` of the stack): it is asked before the stream.
    /// Without a queue, everything that is in it
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,
    /// Writes the changes into this file, a line of JSON each, with what the records held. There must be none yet
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Shows what the records held, on a terminal, too: it may be personal
    #[arg(long)]
    images: bool,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let deployment = common.open(session, Access::Look).await?;
    if let (Native::Embedded(_), Some(_)) = (&deployment.native, &args.bucket) {
        let why = "a data folder has no failure bucket: its reactions put the changes themselves aside. Leave --bucket out, and say the \
                   queue: timeline-dlq";
        return Err(Stopped::new(Exit::Usage, why));
    }
    let into = args.into.as_ref().map(|path| session.folder.join(path));
    if let Some(path) = into.as_deref().filter(|path| path.exists()) {
        return Err(taken(path));
    }
    let (letters, mut parked, others) = match &args.queue {
        Some(queue) => read(session, common, &deployment, queue, &args).await?,
        None => Default::default(),
    };
    let mut gathered = match &deployment.native {
        Native::Aws(store) if args.queue.is_none() || !letters.is_empty() => {
            let now = session.clock.now();
            gather(store, letters, args.bucket.as_deref(), now).await
        }
        _ => Gathered::default(),
    };
    gathered.found.append(&mut parked);
    for trouble in &gathered.troubles {
        session.prose(one_line(trouble));
    }
    if others > 0 {
        session.prose(format_args!("{others} letters are neither pointers nor changes, and were passed over"));
    }
    if gathered.found.is_empty() && gathered.lost.is_empty() {
        return if gathered.troubles.is_empty() {
            Err(Stopped::new(Exit::NothingMatched, "there is no pointer and no change in it"))
        } else {
            Err(Stopped::failed("nothing could be read; see above"))
        };
    }
    if let Some(path) = &into {
        write(create(path)?, &gathered.found).map_err(|error| unwritable(path, &error))?;
    }
    let with_images = args.images || !session.out_is_terminal;
    show(session, common.output, &gathered, with_images)?;
    let (found, lost) = (gathered.found.len(), gathered.lost.len());
    let superseded = gathered.found.iter().filter(|one| one.standing.word() != "current").count();
    session.prose(format_args!(
        "{found} changes, {superseded} of which are not known to be current; {lost} pointers whose records are lost"
    ));
    if !with_images {
        session.prose("What the records held is left out: say --images, or --into FILE");
    }
    Ok(match (found, lost + gathered.troubles.len()) {
        (_, 0) => Exit::Done,
        (0, _) => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// The pointers of a queue, the changes in it, and how many letters are neither.
async fn read(
    session: &mut Session,
    common: &Common,
    deployment: &Deployment,
    queue: &str,
    args: &Args,
) -> Result<(Vec<Pointing>, Vec<Hydrated>, u64), Stopped> {
    let source = Source { queue: queue.to_owned(), snapshot: args.snapshot.clone(), fresh: args.fresh };
    let snapshot = source.open(session, common, deployment).await?;
    let (mut pointers, mut changes, mut others) = (Vec::new(), Vec::new(), 0);
    snapshot.each(|letter| {
        let message_id = letter.message.message_id.clone();
        match (StreamPointer::parse(letter.content()), ParkedChange::parse(letter.content())) {
            (Some((pointer, beside)), _) => {
                let beside = beside.iter().filter_map(StreamChange::written).collect();
                pointers.push(Pointing { message_id, pointer, beside });
            }
            (None, Some(change)) => changes.push((message_id, change)),
            (None, None) => others += 1,
        }
        Ok::<_, Stopped>(ControlFlow::Continue(()))
    })?;
    let mut parked = Vec::with_capacity(changes.len());
    for (message_id, change) in changes {
        let standing = change.standing(&*deployment.records).await;
        let standing =
            standing.map_err(|error| Stopped::new(Exit::Unreachable, format_args!("the records: {error}")))?;
        parked.push(Hydrated::parked(&message_id, change.shown(), standing));
    }
    Ok((pointers, parked, others))
}

/// A new file that only its owner may read.
fn create(path: &Path) -> Result<File, Stopped> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => unwritable(path, &error),
    })
}

fn taken(path: &Path) -> Stopped {
    let why = format!("{} is there already, and is not written over: name another file", path.display());
    Stopped::new(Exit::Refused, why)
}

fn unwritable(path: &Path, error: &io::Error) -> Stopped {
    Stopped::failed(format_args!("{} can't be written: {error}", path.display()))
}

fn write(file: File, found: &[Hydrated]) -> io::Result<()> {
    let mut lines = BufWriter::new(file);
    for one in found {
        serde_json::to_writer(&mut lines, one)?;
        lines.write_all(b"\n")?;
    }
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn show(session: &mut Session, output: Output, gathered: &Gathered, with_images: bool) -> Result<(), Stopped> {
    let stripped = |one: &Hydrated| {
        let mut one = one.clone();
        if !with_images {
            (one.change.old, one.change.new) = (None, None);
        }
        one
    };
    let found: Vec<Hydrated> = gathered.found.iter().map(stripped).collect();
    match output {
        Output::Json => {
            session.json(&json!({ "changes": found, "lost": gathered.lost, "troubles": gathered.troubles }))?
        }
        Output::Ndjson => {
            found.iter().try_for_each(|one| session.json_line(&json!({ "change": one })))?;
            gathered.lost.iter().try_for_each(|one| session.json_line(&json!({ "lost": one })))?;
            gathered.troubles.iter().try_for_each(|one| session.json_line(&json!({ "trouble": one })))?;
        }
        Output::Table => {
            let rows = found.iter().map(|one| {
                let expires = one.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
                let version = one.change.version.map(|version| version.to_string()).unwrap_or_default();
                let keys = one_line(&one.change.keys.to_string());
                [expires, one.standing.word().into(), one.change.operation.clone(), version, keys, one.from.into()]
            });
            session.data(table(["EXPIRES", "STANDING", "OPERATION", "VERSION", "RECORD", "FROM"], rows))?;
            if !gathered.lost.is_empty() {
                let rows = gathered.lost.iter().map(|one| {
                    let message = one.message_id.as_deref().map(one_line).unwrap_or_default();
                    let records = format!("{} of {}", one.pointer.size, one_line(&one.pointer.shard));
                    [message, records, one_line(&one.why)]
                });
                session.data(format_args!("\n{}", table(["LOST", "RECORDS", "WHY"], rows)))?;
            }
        }
    }
    Ok(())
}
