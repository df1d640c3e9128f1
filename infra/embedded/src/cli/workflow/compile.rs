//! `sendoff workflow compile`.

use sendoff_embedded::program::{Exit, Stopped, print};
use sendoff_workflows::asl::{self, Functions};

use super::{args::Compile, input, piece, problems};

pub(super) fn run(args: &Compile) -> Result<Exit, Stopped> {
    let plan = input::checked(&args.definition)?.plan;
    let no_room = |found| {
        let page = problems::page(&args.definition.display().to_string(), &found, None);
        Stopped::new(Exit::Refused, page.trim_end())
    };
    if args.template {
        print::json(&piece::template(&plan).map_err(no_room)?)?;
    } else {
        print::json(&asl::compile(&plan, &Functions::placeholders(), asl::Output::Nothing).map_err(no_room)?)?;
    }
    Ok(Exit::Done)
}
