//! `dlq restore`.

mod elsewhere;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use self::elsewhere::{BEGUN, DONE, PUT_BACK, not_from_elsewhere, told_of};
use super::{
    Common, Output,
    chosen::{must_be_theirs, must_be_unedited},
    ended,
    source::{find_queue, letters},
};
use crate::{
    Session,
    archive::{self, Archive, Manifest, Moved, Mover, Moves, Place, audited, bodies, taking},
    deployment::{Access, Deployment, private_folder},
    disk::Measure,
    select::{self, Selection, Selector},
    snapshot::{Copying, Snapshot, Taken, as_name, moved},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: FILE.jsonl.zst, or on AWS s3://BUCKET/KEY.jsonl.zst, with its manifest beside it
    archive: Place,
    /// The dead-letter queue to put them into, by default the one that they were in
    #[arg(long, value_name = "QUEUE")]
    into: Option<String>,
    /// Also puts them into a queue of another consumer than theirs
    #[arg(long)]
    yes_other_consumer: bool,
    #[command(flatten)]
    selection: Selection,
    /// Also those that are edited, as they were before: their edits are lost
    #[arg(long)]
    without_edits: bool,
    /// Also those that were put back before, from here or from elsewhere: whatever became of them, they come once more. If the last call
    /// with it broke off, it is gone on with
    #[arg(long)]
    again: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
    /// Puts them back; without it, only says which
    #[arg(long)]
    yes: bool,
}

/// From so many bytes on, it is looked whether what is in the archive fits on the disk.
const MUCH: u64 = 8 << 20;
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
    if !args.yes_other_consumer {
        must_be_theirs(&deployment, &manifest.queue, &queue).await?;
    }
    let here = deployment.letters.deployment();
    if manifest.deployment != here {
        session.prose(format_args!("the archive is of {}, and this is {here}", one_line(&manifest.deployment)));
    }

    // The whole archive, so that each letter has the same place whatever is chosen of it: what was put back stays known.
    let folder = folder(&deployment.work, &here, &queue, &manifest);
    let lock = archive::lock(&folder)?;
    let laid_out = lay_out(&mut archive, &folder, deployment.blobs.bucket(), session.disk);
    if laid_out.is_err() {
        let _ = std::fs::remove_file(Moves::letters_in(&folder));
    }
    laid_out?;
    drop(lock);
    let mut moves = Moves::open(&folder)?;
    moves.forget_at_the_end();
    let mut chosen = Vec::new();
    select::each(moves.letters(), &selector, |letter| {
        chosen.push(letter.message.message_id);
        Ok(ControlFlow::Continue(()))
    })?;
    if chosen.is_empty() {
        return Err(Stopped::new(Exit::NothingMatched, format_args!("no letter of the archive {place} fits")));
    }
    if !args.without_edits {
        must_be_unedited(moves.letters(), &selector, "Leave them out")?;
    }
    let count = chosen.len() as u64;
    if !args.again {
        not_from_elsewhere(&deployment, &queue, &manifest, &moves).await?;
    }
    let before = if args.again { moves.sent_anew(&chosen) } else { Some(moves.sent(&chosen)) };
    if args.again && before.is_some() {
        session.prose("the last --again of this archive broke off, or left some in doubt: this goes on with it");
    }
    let before = before.unwrap_or_default();
    let there = still_there(&deployment, &queue, &moves, args.again).await?;
    if there.is_none() && manifest.deployment == here && manifest.queue == queue {
        session.prose(format_args!(
            "whether any of them is still in `{queue}` can't be seen without leases: one that wasn't purged will be there twice"
        ));
    }
    let there = there.unwrap_or_default();
    let all = chosen.clone();
    chosen.retain(|id| !there.contains(id));
    let still = count - chosen.len() as u64;

    let (mut moved, mut large) = (None, None);
    if let Some(who) = &who {
        let target = |told: &str| format!("{queue}: {told}, archive {}", manifest.hash);
        let planned = format!("{} to be put back", letters(chosen.len() as u64));
        audited(&deployment, who, BEGUN, target(&planned), &args.because).await?;
        let mut dedup = manifest.hash[..DIGITS].to_owned();
        if args.again {
            // Another one than those had: within five minutes they would be accepted and dropped.
            dedup = format!("{dedup}-{}", moves.begin_anew(&*session.clock, &chosen).await?.as_second());
        }
        let mover = Mover {
            letters: &*deployment.letters,
            clock: &*session.clock,
            source: archive::Source::Archive,
            to: &queue,
            copy_of: (manifest.deployment == here).then_some(&*manifest.queue),
            dedup: &dedup,
        };
        let sent_before = moves.sent_ever();
        // Before a letter is there, so that whoever takes it finds its body.
        let to_come: Vec<&String> = chosen.iter().filter(|id| !moves.is_sent(id)).collect();
        let put_back = bodies::put_back(moves.letters(), &to_come, &*deployment.blobs).await;
        let mut carried = match put_back {
            Ok(told) => {
                large = Some(told);
                moves.carry_out(mover, &chosen, who).await
            }
            Err(stopped) => Err(stopped),
        };
        if carried.is_ok() {
            carried = moves.end(&*session.clock, &all).await.and(carried);
        }
        let sent = moves.sent_ever() - sent_before;
        let told = match &carried {
            // Nothing was sent: whoever looks for calls that broke off isn't to find one.
            Err(_) if large.is_none() => told_of(&queue, 0, &manifest.hash),
            Ok(Moved { unknown: 0, .. }) => told_of(&queue, sent, &manifest.hash),
            Ok(moved) => target(&format!("{} {PUT_BACK}, and perhaps {} more", letters(sent), moved.unknown)),
            Err(_) => target(&format!("{} {PUT_BACK}, and perhaps more: it broke off", letters(sent))),
        };
        audited(&deployment, who, DONE, told, "").await?;
        let noted = moved::note(&deployment.work, &here, &queue, "restore", session.clock.now());
        moved = Some(carried?);
        if let Err(error) = noted {
            session
                .prose(format_args!("the work folder can't note that letters came back ({error}): look with --fresh"));
        }
    }
    moves.forget_letters()?;
    let doc = json!({
        "queue": queue, "archive": place.to_string(), "hash": manifest.hash, "applied": args.yes, "chosen": count,
        "restored_before": before, "still_there": still, "bodies": large, "moved": moved,
    });
    let shown = match (common.output, &moved) {
        (Output::Json, _) => session.json(&doc),
        (Output::Ndjson, _) => session.json_line(&doc),
        (Output::Table, None) => {
            let now = count.saturating_sub(before + still);
            let shown = session.data(format_args!("{} would be put into `{queue}`\n", letters(now)));
            session.prose(format_args!(
                "the archive is whole; {before} were put back before, {still} are still there. Nothing was sent: add --yes. \
                 What is put back is kept for a new retention"
            ));
            shown
        }
        (Output::Table, Some(moved)) => {
            let shown = session.data(format_args!("{} put into `{queue}`\n", letters(moved.sent)));
            tell_moved(session, moved, "say the same once more");
            let large = large.unwrap_or_default();
            for (count, what) in [
                (large.put_back, "have a large body that wasn't there any more, and is again"),
                (large.gone, "have a large body that isn't there, and isn't in the archive: nothing brings it back"),
                (large.not_looked_for, "have a large body, and nobody has looked whether it is there: set SENDOFF_BUCKET"),
            ] {
                if count > 0 {
                    session.prose(format_args!("{count} {what}"));
                }
            }
            if moved.sent > 0 {
                session.prose(format_args!(
                    "they are new messages to the broker: their retention begins anew, and no archive holds them under their new \
                     ids: archive them anew before you purge them. `dlq groups {queue} --fresh` shows them"
                ));
            } else if still > 0 {
                session.prose(format_args!("nothing was sent: {still} of the {} are still there", letters(count)));
            } else {
                session
                    .prose("nothing was sent: all of them were put back before; --again puts them back all the same");
            }
            shown
        }
    };
    let exit = match &moved {
        Some(moved) if moved.unknown > 0 => Exit::InDoubt,
        Some(moved) if moved.refused > 0 && moved.sent + before > 0 => Exit::Partly,
        Some(moved) if moved.refused > 0 => Exit::Failed,
        Some(moved) if moved.sent == 0 => Exit::NothingMatched,
        _ => Exit::Done,
    };
    ended(session, shown.map_err(Stopped::from), exit)
}

/// Tells whatever didn't go as usual. `next` is how to go on.
pub(super) fn tell_moved(session: &mut Session, moved: &Moved, next: &str) {
    let unknown = format!("may have been sent, and nobody knows: {next}");
    let left = format!("were sent, but are still where they were, perhaps in somebody's hands: {next}");
    for (count, what) in [
        (moved.sent_before, "were sent before, and not again"),
        (
            moved.sent_again,
            "may have been sent before, by a call that broke off, and were sent again: they may be there twice",
        ),
        (moved.unknown, &unknown),
        (moved.refused, "the queue doesn't take"),
        (moved.left, &left),
        (moved.missing, "aren't in the queue any more, or are held by somebody else"),
        (moved.not_seen, taking::NOT_SEEN),
        (moved.changed, "have another body than they had, and stay"),
    ] {
        if count > 0 {
            session.prose(format_args!("{count} {what}"));
        }
    }
}

/// Where it is written down what of this archive was put into this queue of this deployment.
fn folder(work: &Path, deployment: &str, queue: &str, manifest: &Manifest) -> PathBuf {
    // Several deployments may have one work folder, and different queues become one name.
    let of = hex::encode(Sha256::digest(format!("{deployment}\n{queue}")));
    work.join("restores").join(format!("{}-{}-{}", &manifest.hash[..DIGITS], &of[..8], as_name(queue)))
}

/// Copies the archive to where it is sent from, unless that was done before. Its claim checks point to this bucket then.
fn lay_out(archive: &mut Archive, folder: &Path, bucket: &str, disk: Measure) -> Result<(), Stopped> {
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
    let mut copy = Copying::into(Snapshot::create(&path, taken.clone())?);
    let mut room = None;
    archive.each(|letter| {
        copy.add(bodies::at_home(letter, bucket))?;
        // How much it is can't be seen from without: the least file may hold more than the disk, which may be that of a server.
        let most = || disk(folder).map_or(u64::MAX, |(free, _)| free / 10 * 9);
        if copy.bytes() > MUCH && copy.bytes() > *room.get_or_insert_with(most) {
            let why = format!(
                "what is in the archive doesn't fit on the disk of {}: nothing was done with it. Make room there, or name a folder on \
                 another disk with --work",
                folder.display()
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(copy.finish()?.set_taken(Taken { ended_at: Some(taken.begun_at), ..taken })?)
}

/// Those letters that are in the queue, as the messages that they were, or as copies that were put there by others than this work
/// folder knows of; `None` where that can't be seen. Whoever puts them back `again` wants the copies besides.
async fn still_there(
    deployment: &Deployment,
    queue: &str,
    moves: &Moves,
    again: bool,
) -> Result<Option<BTreeSet<String>>, Stopped> {
    let (mut there, mut copies) = (BTreeSet::new(), BTreeMap::<taking::Hash, u64>::new());
    let looked = archive::look(&*deployment.letters, queue, |message| {
        let hash = taking::hash(&message);
        let kept = moves.letters().letter(&message.message_id)?;
        if kept.is_some_and(|kept| taking::hash(&kept.message) == hash) {
            there.insert(message.message_id);
        } else if !again {
            *copies.entry(hash).or_default() += 1;
        }
        Ok(())
    });
    if !looked.await? {
        return Ok(None);
    }
    for of_ours in [true, false] {
        moves.letters().each(|letter| {
            let id = letter.message.message_id.clone();
            if moves.is_sent(&id) == of_ours
                && !there.contains(&id)
                && let Some(left) = copies.get_mut(&taking::hash(&letter.message)).filter(|left| **left > 0)
            {
                *left -= 1;
                if !of_ours {
                    there.insert(id);
                }
            }
            Ok::<_, Stopped>(ControlFlow::Continue(()))
        })?;
    }
    Ok(Some(there))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{
        Writer,
        tests::{letter, manifest},
    };

    #[test]
    fn an_archive_that_holds_more_than_the_disk_is_not_laid_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::begin(folder.path()).unwrap();
        (0..5).for_each(|n| writer.add(&letter(n, &vec![b'a'; 4 << 20])).unwrap());
        let written = writer.finish().unwrap();
        assert!(written.bytes < 1 << 20, "the file is small");
        let open = || Archive::verify(written.file.reopen().unwrap(), manifest(&written), "it").unwrap();
        let refused = lay_out(&mut open(), folder.path(), "blobs", |_| Ok((10 << 20, 1 << 40))).unwrap_err();
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.message.is_some_and(|why| why.contains("doesn't fit on the disk")));
        lay_out(&mut open(), folder.path(), "blobs", |_| Ok((40 << 20, 1 << 40))).unwrap();
        let copy = Snapshot::open(&Moves::letters_in(folder.path())).unwrap();
        assert_eq!(copy.count().unwrap(), 5);
        assert_eq!(copy.page("", 500).unwrap().len(), 4, "few are in memory at a time");
    }
}
