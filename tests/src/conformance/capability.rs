//! What the service under a backend may be unable to do. A promise that needs such a thing says so in the list, and a backend
//! that lacks it says why; whatever stands above the ports does without it.

/// Something that not every service can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Events wait in the outbox between their commit and their publication.
    PendingEvents,
    /// A receipt whose message was delivered again since can do nothing, and is told so.
    StaleReceipts,
    /// A message body may be any bytes, or none.
    BinaryBodies,
    /// Attribute names may be any text.
    AnyAttributeName,
    /// A dead letter says when the message was first sent into its queue.
    DeadLettersKeepTheirAge,
    /// Runs are kept in a store of ours.
    KeepsRuns,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::PendingEvents,
        Self::StaleReceipts,
        Self::BinaryBodies,
        Self::AnyAttributeName,
        Self::DeadLettersKeepTheirAge,
        Self::KeepsRuns,
    ];

    /// What it means, for the documents.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::PendingEvents => "Events wait in the outbox between their commit and their publication.",
            Self::StaleReceipts => {
                "A receipt whose message was delivered again since, or is gone, can do nothing, and is told so. Where it is \
                 missing, the inbox's fence keeps a late worker from doing harm."
            }
            Self::BinaryBodies => {
                "A message body may be any bytes, or none. Where it is missing, such a body is refused when it is sent."
            }
            Self::AnyAttributeName => "Attribute names may be any text, not only letters, digits, `-`, `_` and `.`.",
            Self::DeadLettersKeepTheirAge => {
                "A dead letter says when its message was first sent into the queue. Where it is missing, its time in the \
                 dead-letter queue begins anew; `first_at` and `last_at` of its failure tell the rest."
            }
            Self::KeepsRuns => {
                "Runs of workflows are carried out by our engine and kept in a store of ours. Where it is missing, a service \
                 carries them out."
            }
        }
    }
}
