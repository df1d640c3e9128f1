//! The kinds of events that can be made.

use sendoff_events::{
    AppAssigned, AppUnassigned, ApprovalDecided, Event as _, EventType, SubmissionCreated, SubmissionUpdated,
    WorkflowPublished, WorkflowRequested, WorkflowStep,
};

macro_rules! kinds {
    ($($name:ident),+ $(,)?) => {
        /// A kind of event: one of the catalogue's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("[`", stringify!($name), "`]")] $name,)+
        }

        impl Kind {
            /// All, by name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its type at its present version.
            #[must_use]
            pub const fn event_type(self) -> EventType {
                match self {
                    $(Self::$name => EventType::of::<$name>(),)+
                }
            }

            /// Its name without the version: `app.assigned`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $name::TYPE,)+
                }
            }
        }
    };
}

kinds! {
    AppAssigned,
    AppUnassigned,
    ApprovalDecided,
    SubmissionCreated,
    SubmissionUpdated,
    WorkflowPublished,
    WorkflowRequested,
    WorkflowStep,
}

impl Kind {
    /// The kind of this name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    /// The names of all.
    #[must_use]
    pub fn words() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.word()).collect()
    }
}
