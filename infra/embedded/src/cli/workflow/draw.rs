//! `sendoff workflow draw`.

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_workflows::draw::{Fates, mermaid, svg};

use super::{
    args::{Draw, Format},
    found, input,
    opened::Opened,
};

pub(super) async fn run(config: &Config, args: &Draw) -> Result<Exit, Stopped> {
    let (plan, fates) = match (&args.definition, &args.run) {
        (Some(definition), _) => (input::checked(definition)?.plan, None),
        (None, Some(name)) => {
            let opened = Opened::with_records(config, args.backend).await?;
            let run = found::run(&*opened.workflows, name).await?;
            let history = found::history(&*opened.workflows, name).await?;
            let fates = Fates::of(history.iter().map(|found| &found.entry));
            (found::plan_of(&*opened.records, &run).await?, Some(fates))
        }
        (None, None) => return Err(Stopped::new(Exit::Usage, "name a definition, or a run with --run")),
    };
    let picture = match args.format {
        Format::Mermaid => mermaid(&plan, fates.as_ref()),
        Format::Svg => svg(&plan, fates.as_ref()),
    };
    print::data(format_args!("{}\n", picture.trim_end()))?;
    Ok(Exit::Done)
}
