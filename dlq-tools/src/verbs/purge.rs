//! `dlq purge`.

use std::{collections::BTreeMap, ops::ControlFlow};

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Common, Output,
    chosen::{is_in_doubt, must_be_touchable, nothing, up_to_date},
    ended,
    source::{Source, find_queue, letters},
};
use crate::{
    Session,
    archive::{Place, audited, known, taking},
    deployment::Access,
    select::{self, Selection, Selector},
    snapshot::moved,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// The hash of the archive that they have to be in, or at least 16 digits of its beginning
    #[arg(long, value_name = "HASH")]
    archive: String,
    /// Where the archive lies, if it wasn't written from here
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Also those of which nobody knows whether they had their effect
    #[arg(long, requires = "because")]
    also_in_doubt: bool,
    /// Also those that were archived without their large body
    #[arg(long, requires = "because")]
    also_without_body: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Deletes them; without it, only says which
    #[arg(long, requires = "because")]
    yes: bool,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = args.yes.then(|| common.who(session)).transpose()?;
    known::check_hash(&args.archive)?;
    if args.because.as_ref().is_some_and(|because| because.trim().is_empty()) {
        return Err(Stopped::new(Exit::Usage, "say why with --because TEXT: the letters can't tell any more"));
    }
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let access = if args.yes { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let place = match args.from {
        Some(place) => place.seen_from(&session.folder),
        None => known::find(&deployment.work, &args.archive)?,
    };
    let mut archive = place.open(&deployment).await?;
    let manifest = archive.manifest.clone();
    if !manifest.hash.starts_with(&args.archive) {
        let why =
            format!("the archive {place} has the hash {}, not {}: nothing was deleted", manifest.hash, args.archive);
        return Err(Stopped::new(Exit::Refused, why));
    }
    must_be_touchable(&find_queue(&deployment, &args.source.queue).await?)?;
    let mut snapshot = args.source.open(session, common, &deployment).await?;
    let (name, queue) = (snapshot.taken().deployment.clone(), snapshot.taken().queue.clone());
    if (&manifest.deployment, &manifest.queue) != (&name, &queue) {
        let why = format!(
            "the archive {place} is of `{}` of {}, and this is `{queue}` of {name}: nothing was deleted",
            one_line(&manifest.queue),
            one_line(&manifest.deployment)
        );
        return Err(Stopped::new(Exit::Refused, why));
    }

    let chosen = up_to_date(&deployment, &mut snapshot, &selector).await?.len() as u64;
    if chosen == 0 {
        return Err(nothing(&queue));
    }
    let mut wanted = BTreeMap::new();
    let (mut in_doubt, mut edited) = (0_u64, 0_u64);
    select::each(&snapshot, &selector, |letter| {
        in_doubt += u64::from(is_in_doubt(&letter));
        edited += u64::from(letter.edit.is_some());
        wanted.insert(letter.message.message_id.clone(), taking::hash(&letter.message));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut archived = BTreeMap::new();
    let mut without_body = 0_u64;
    archive.each(|letter| {
        let hash = taking::hash(&letter.message);
        if wanted.get(&letter.message.message_id) == Some(&hash) {
            if letter.lacks_body() && !args.also_without_body {
                without_body += 1;
            } else {
                archived.insert(letter.message.message_id, hash);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let count = archived.len() as u64;
    let stay = chosen - count;
    let not_archived = stay - without_body;
    if in_doubt > 0 && !args.also_in_doubt {
        let why = format!(
            "{in_doubt} of the {} are in doubt: nobody knows whether they had their effect, and their letter is what tells of it. \
             Settle them first with `sendoff doubt`, leave them out with --where 'ledger.status != \"in-doubt\"', or say --also-in-doubt --because TEXT",
            letters(chosen)
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    if edited > 0 {
        session.prose(format_args!("{edited} of them have an edit in the snapshot, which will never be sent then"));
    }
    if count == 0 && without_body > 0 {
        let why = format!(
            "none of the {} is whole in the archive {place}: {without_body} are there without their large body. Archive them anew once it \
             can be fetched, or say --also-without-body --because TEXT",
            letters(chosen)
        );
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    if count == 0 {
        return Err(Stopped::new(
            Exit::NothingMatched,
            format_args!(
                "none of the {} is in the archive {place}: nothing is deleted that isn't archived",
                letters(chosen)
            ),
        ));
    }

    let mut deleted = 0_u64;
    let mut left = 0_u64;
    let mut told = taking::Taken::default();
    if let Some(who) = &who {
        let because = args.because.unwrap_or_default();
        let target = |what: &str| format!("{queue}: {what}, archive {}", manifest.hash);
        audited(&deployment, who, "purge", target(&format!("{} to be deleted", letters(count))), &because).await?;
        let taken = taking::taken(&*deployment.letters, &*session.clock, &queue, archived, async |taken, _| {
            let receipts: Vec<_> = taken.iter().map(|taken| taken.receipt.clone()).collect();
            let results = deployment.letters.delete(&queue, &receipts).await;
            let gone = results.iter().filter(|result| result.is_ok()).count() as u64;
            deleted += gone;
            left += receipts.len() as u64 - gone;
            Ok(())
        });
        let taken = taken.await;
        let noted = moved::note(&deployment.work, &name, &queue, "purge", session.clock.now());
        audited(&deployment, who, "purge-done", target(&format!("{} deleted", letters(deleted))), "").await?;
        told = taken?;
        if let Err(error) = noted {
            session
                .prose(format_args!("the work folder can't note that letters are gone ({error}): look with --fresh"));
        }
    }
    let (missing, not_seen) = match told.missing.len() as u64 {
        missing if told.saw_all => (missing, 0),
        not_seen => (0, not_seen),
    };
    let doc = json!({
        "queue": queue, "archive": place.to_string(), "hash": manifest.hash, "applied": args.yes, "chosen": chosen,
        "archived": count, "not_archived": not_archived, "without_body": without_body, "in_doubt": in_doubt,
        "deleted": deleted, "left": left, "missing": missing, "not_seen": not_seen, "changed": told.changed,
    });
    let shown = match common.output {
        Output::Json => session.json(&doc),
        Output::Ndjson => session.json_line(&doc),
        Output::Table if args.yes => {
            let shown = session.data(format_args!("{deleted} of {} deleted\n", letters(chosen)));
            for (count, what) in [
                (not_archived, "not in the archive, and stay"),
                (without_body, "in the archive without their large body, and stay: --also-without-body deletes them, too"),
                (missing, "not in the queue any more, or held by somebody else"),
                (not_seen, taking::NOT_SEEN),
                (told.changed, "with another body than in the archive, and stay"),
                (left, "still there: say it once more"),
            ] {
                if count > 0 {
                    session.prose(format_args!("{count} {what}"));
                }
            }
            shown
        }
        Output::Table => {
            let shown = session.data(format_args!("{} would be deleted, {stay} stay\n", letters(count)));
            if without_body > 0 {
                session.prose(format_args!("{without_body} of those that stay are in the archive without their large body"));
            }
            session.prose("nothing was deleted: add --yes --because TEXT");
            shown
        }
    };
    let exit = if !args.yes || deleted == chosen { Exit::Done } else { Exit::Partly };
    ended(session, shown.map_err(Stopped::from), exit)
}
