//! What becomes of a question that is asked again.

use std::time::Duration;

use sendoff_events::Timestamp;
use sendoff_producers::model::Approval;

/// Whether so much of the time of an open question is over that whoever hears of it only now would have less than half of what the
/// run gives them with the new call. Where the run's time is over too there is nothing to give.
pub(super) fn is_short(known: &Approval, new: &Approval, now: Timestamp) -> bool {
    let left = |deadline: Timestamp| Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
    known.decision.is_none() && left(known.deadline) < left(new.deadline) / 2
}

/// The question as it is to be stored, now that the call `new` has come; `None` where it stays as it is `known`. With `anew` nobody
/// has heard of it, and its time begins anew. So it does for a run that was taken up again and waits anew: a link that is good for
/// less than the run waits would let nobody decide in the end.
pub(super) fn again(new: &Approval, known: &Approval, anew: bool) -> Option<Approval> {
    let taken_up = new.redrive > known.redrive;
    let anew = anew || (known.decision.is_none() && taken_up);
    let next = Approval {
        token: new.token.clone().or_else(|| known.token.clone()),
        deadline: if anew { new.deadline } else { known.deadline },
        // While the question is open it stays that of its deadline.
        redrive: if anew || (known.decision.is_some() && taken_up) { new.redrive } else { known.redrive },
        ..known.clone()
    };
    (next != *known).then_some(next)
}
