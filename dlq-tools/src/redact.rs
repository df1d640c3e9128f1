//! Hiding personal data from a terminal that wasn't asked to show it.
