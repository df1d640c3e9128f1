//! `dlq restore`.

use std::{collections::BTreeSet, ops::ControlFlow};

use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Common, Output,
    source::{find_queue, letters},
};
use crate::{
    Session,
    archive::{self, Archive, Moved, Mover, Moves, Place, audited, taking},
    deployment::{Access, Deployment, private_folder},
    select::{self, Selection, Selector},
    snapshot::{Snapshot, Taken, moved, take::stopped},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: FILE.jsonl.zst, or on AWS s3://BUCKET/KEY.jsonl.zst, with its manifest beside it
    archive: Place,
    /// The dead-letter queue to put them into, by default the one that they were in
    #[arg(long, value_name = "QUEUE")]
    into: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
    /// Puts them back; without it, only says which
    #[arg(long)]
    yes: bool,
}

/// How many letters are looked at, or copied, at a time.
const PAGE: usize = 500;
/// How much of an archive's hash names its folder.
const DIGITS: usize = 16;

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = args.yes.then(|| common.who(session)).transpose()?;
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let access = if args.yes { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let place = args.archive.seen_from(&session.folder);
    let mut archive = place.open(&deployment).await?;
    let manifest = archive.manifest.clone();
    let queue = find_queue(&deployment, args.into.as_ref().unwrap_or(&manifest.queue)).await?.name;
    let here = deployment.letters.deployment();
    if manifest.deployment != here {
        session.prose(format_args!("the archive is of {}, and this is {here}", manifest.deployment));
    }

    // The whole archive, so that each letter has the same place whatever is chosen of it: what was put back stays known.
    let folder = deployment.work.join("restores").join(format!("{}-{queue}", &manifest.hash[..DIGITS]));
    let lock = archive::lock(&folder)?;
    lay_out(&mut archive, &folder)?;
    drop(lock);
    let mut moves = Moves::open(&folder)?;
    let mut chosen = Vec::new();
    select::each(moves.letters(), &selector, |letter| {
        chosen.push(letter.message.message_id);
        Ok(ControlFlow::Continue(()))
    })?;
    if chosen.is_empty() {
        moves.forget_letters()?;
        return Err(Stopped::new(Exit::NothingMatched, format_args!("no letter of the archive {place} fits")));
    }
    let count = chosen.len() as u64;
    let before = moves.sent(chosen.iter().cloned());
    let there = match manifest.deployment == here && manifest.queue == queue {
        true => still_there(&deployment, &queue, moves.letters()).await?,
        false => Some(BTreeSet::new()),
    };
    if there.is_none() {
        session.prose(format_args!(
            "whether any of them is still in `{queue}` can't be seen without leases: one that wasn't purged will be there twice"
        ));
    }
    let there = there.unwrap_or_default();
    chosen.retain(|id| !there.contains(id));
    let still = count - chosen.len() as u64;

    let mut moved = None;
    if let Some(who) = &who {
        let target = |told: &str| format!("{queue}: {told}, archive {}", manifest.hash);
        let planned = format!("{} to be put back", letters(chosen.len() as u64));
        audited(&deployment, who, "restore", target(&planned), &args.because).await?;
        let mover = Mover {
            letters: &*deployment.letters,
            clock: &*session.clock,
            source: archive::Source::Archive,
            to: &queue,
            copy_of: (manifest.deployment == here).then_some(&*manifest.queue),
            dedup: &manifest.hash[..DIGITS],
        };
        let ended = moves.carry_out(mover, &chosen, who).await;
        let told = match &ended {
            Ok(moved) => target(&format!("{} put back", letters(moved.sent))),
            Err(_) => target("it broke off"),
        };
        audited(&deployment, who, "restore-done", told, "").await?;
        let noted = moved::note(&deployment.work, &here, &queue, "restore", session.clock.now());
        moved = Some(ended?);
        if let Err(error) = noted {
            session.prose(format_args!("the work folder can't note that letters came back ({error}): look with --fresh"));
        }
    }
    moves.forget_letters()?;
    let doc = json!({
        "queue": queue, "archive": place.to_string(), "hash": manifest.hash, "applied": args.yes, "chosen": count,
        "restored_before": before, "still_there": still, "moved": moved,
    });
    match (common.output, &moved) {
        (Output::Json, _) => session.json(&doc)?,
        (Output::Ndjson, _) => session.json_line(&doc)?,
        (Output::Table, None) => {
            let now = count - before - still;
            session.data(format_args!("{} would be put into `{queue}`\n", letters(now)))?;
            session.prose(format_args!(
                "the archive is whole; {before} were put back before, {still} are still there. Nothing was sent: add --yes. \
                 What is put back is kept for a new retention"
            ));
        }
        (Output::Table, Some(moved)) => {
            session.data(format_args!("{} put into `{queue}`\n", letters(moved.sent)))?;
            tell_moved(session, moved);
            if moved.sent > 0 {
                session.prose(format_args!(
                    "they are new messages to the broker: their retention begins anew, and no archive holds them under their new \
                     ids: archive them anew before you purge them. `dlq groups {queue} --fresh` shows them"
                ));
            } else if still > 0 {
                session.prose(format_args!("nothing was sent: {still} of the {} are still there", letters(count)));
            } else {
                session.prose("nothing was sent: all of them were put back before");
            }
        }
    }
    Ok(match &moved {
        Some(moved) if moved.unknown > 0 => Exit::InDoubt,
        Some(moved) if moved.refused > 0 && moved.sent + before > 0 => Exit::Partly,
        Some(moved) if moved.refused > 0 => Exit::Failed,
        Some(moved) if moved.sent == 0 => Exit::NothingMatched,
        _ => Exit::Done,
    })
}

/// Tells whatever didn't go as usual.
pub(super) fn tell_moved(session: &mut Session, moved: &Moved) {
    for (count, what) in [
        (moved.sent_before, "were sent before, and not again"),
        (
            moved.sent_again,
            "may have been sent before, by a call that broke off, and were sent again: they may be there twice",
        ),
        (moved.unknown, "may have been sent: the queue didn't answer. Say the same once more"),
        (moved.refused, "the queue doesn't take"),
        (moved.left, "were sent, but are still where they were: go on with --resume"),
        (moved.missing, "aren't in the queue any more, or are held by somebody else"),
        (moved.not_seen, taking::NOT_SEEN),
        (moved.changed, "have another body than they had, and stay"),
    ] {
        if count > 0 {
            session.prose(format_args!("{count} {what}"));
        }
    }
}

/// Copies the archive to where it is sent from, unless that was done before.
fn lay_out(archive: &mut Archive, folder: &std::path::Path) -> Result<(), Stopped> {
    let failed = |error| Stopped::failed(format_args!("{} can't be written: {error}", folder.display()));
    private_folder(folder).map_err(failed)?;
    let path = Moves::letters_in(folder);
    if path.exists() {
        let there = Snapshot::open(&path)?;
        if there.taken().ended_at.is_some() {
            return Ok(());
        }
        // It wasn't copied to its end. It will be the same, so the journal goes on to fit it.
        drop(there);
        std::fs::remove_file(&path).map_err(failed)?;
    }
    let manifest = &archive.manifest;
    let taken = Taken {
        deployment: manifest.deployment.clone(),
        queue: manifest.queue.clone(),
        target: None,
        retention_s: None,
        fifo: false,
        begun_at: manifest.snapshot_at,
        ended_at: None,
        depth: manifest.count,
        leased: 0,
        released: 0,
        receives: 0,
        is_cut_off: false,
    };
    let mut copy = Snapshot::create(&path, taken.clone())?;
    let mut page = Vec::with_capacity(PAGE);
    archive.each(|letter| {
        page.push(letter);
        if page.len() == PAGE {
            copy.add(&page)?;
            page.clear();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    copy.add(&page)?;
    Ok(copy.set_taken(Taken { ended_at: Some(taken.begun_at), ..taken })?)
}

/// Those letters that are still in the queue; `None` where that can't be seen.
async fn still_there(
    deployment: &Deployment,
    queue: &str,
    letters: &Snapshot,
) -> Result<Option<BTreeSet<String>>, Stopped> {
    let mut there = BTreeSet::new();
    let mut after = None::<String>;
    loop {
        let Some(page) = deployment.letters.read(queue, after.as_deref(), PAGE).await.map_err(stopped)? else {
            return Ok(None);
        };
        let Some(last) = page.last() else { return Ok(Some(there)) };
        after = Some(last.message_id.clone());
        for message in page {
            let kept = letters.letter(&message.message_id)?;
            if kept.is_some_and(|kept| taking::hash(&kept.message) == taking::hash(&message)) {
                there.insert(message.message_id);
            }
        }
    }
}
