//! `dlq archive`.

use std::ops::ControlFlow;

use sendoff_events::at_millis;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Common, Output,
    chosen::{nothing, typed},
    source::{Source, letters},
};
use crate::{
    Session,
    archive::{FORMAT, Manifest, Place, Writer, audited, known},
    deployment::Access,
    select::{self, Selection, Selector},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// Where to: FILE.jsonl.zst, or on AWS s3://BUCKET/KEY.jsonl.zst. A manifest is put beside it. Neither is ever overwritten
    #[arg(long, value_name = "PLACE")]
    to: Place,
    /// Nobody is to delete it: in S3 under a legal hold (the bucket needs Object Lock), a file is made read-only
    #[arg(long)]
    hold: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let place = args.to.seen_from(&session.folder);
    place.must_be_free()?;
    let deployment = common.open(session, Access::Change).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let taken = snapshot.taken().clone();

    let unwritten = |error| Stopped::failed(format_args!("the archive {place} can't be written: {error}"));
    let mut without_body = 0_u64;
    let mut writer = Writer::begin(&place.workshop(&deployment.work)?).map_err(unwritten)?;
    select::each(&snapshot, &selector, |letter| {
        writer.add(&letter).map_err(unwritten)?;
        without_body += u64::from(letter.lacks_body());
        Ok(ControlFlow::Continue(()))
    })?;
    let written = writer.finish().map_err(unwritten)?;
    if written.count == 0 {
        return Err(nothing(&taken.queue));
    }
    let manifest = Manifest {
        format: FORMAT,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        deployment: taken.deployment,
        queue: taken.queue,
        selection: typed(&args.selection),
        snapshot_at: taken.begun_at,
        by: who.clone(),
        at: at_millis(session.clock.now()),
        count: written.count,
        first: written.first,
        last: written.last,
        bytes: written.bytes,
        hash: written.hash.clone(),
        lines_hash: written.lines_hash.clone(),
    };
    let Manifest { queue, count, hash, .. } = &manifest;
    let target = format!("{queue}: {} into archive {hash}", letters(*count));
    audited(&deployment, &who, "archive", target.clone(), &args.because).await?;
    place.put(written, &manifest, args.hold, &deployment).await?;
    if let Err(error) = known::remember(&deployment.work, &place, &manifest) {
        session.prose(format_args!(
            "the work folder can't note where it is ({error}): name it to `dlq purge` with --from"
        ));
    }
    audited(&deployment, &who, "archive-done", target, &args.because).await?;

    let told = json!({ "archive": place.to_string(), "hash": hash, "held": args.hold, "manifest": manifest, "without_body": without_body });
    match common.output {
        Output::Json => session.json(&told)?,
        Output::Ndjson => session.json_line(&told)?,
        Output::Table => {
            session.data(format_args!("{hash}\n"))?;
            session.prose(format_args!(
                "{} of `{queue}` are in {place}. The line above is the archive's hash.\nThey are still in the queue; \
                 `dlq purge {queue} --archive {} --because TEXT --yes` deletes those that are archived",
                letters(*count),
                &hash[..known::LEAST_DIGITS]
            ));
            if without_body > 0 {
                session.prose(format_args!(
                    "{without_body} of them are without their large body, which isn't there or couldn't be fetched, and are no archive of \
                     it: archive them anew with --fresh once it can be. `dlq purge` leaves them"
                ));
            }
        }
    }
    Ok(Exit::Done)
}
