//! Changing letters: an edited event is a new fact.
