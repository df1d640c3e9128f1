//! Asking a system that takes long to answer, or can't be asked for a while or for ever: what is known stays known, and a run ends
//! when it should.

use std::time::Duration;

use crate::{
    fake::{Faults, Sending},
    virtually::ran,
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"60s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

#[test]
fn what_nobody_answered_for_is_asked_for_in_batches() {
    let faults = |believes| Faults {
        send: Box::new(|number| if number == 700 { Sending::Unheard } else { Sending::Vanished }),
        finds: false,
        believes: Duration::from_secs(believes),
        ..Faults::default()
    };
    let once = ran(STEADY, faults(0));
    let way = once.report.sending.events;
    assert_eq!((way.sent, way.found, way.unknown), (1000, 1, 999), "{way:?}");
    assert!(once.target.looks() <= 10, "{}", once.target.looks());
    // It may be on its way for ten seconds: that is asked twice a second.
    let again = ran(STEADY, faults(10));
    assert_eq!(again.report.sending.events.unknown, 999);
    assert!(again.target.looks() <= 120, "{}", again.target.looks());
}
