//! Looking at a data folder.
