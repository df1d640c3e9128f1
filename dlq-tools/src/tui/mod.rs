//! Everything on one screen.
