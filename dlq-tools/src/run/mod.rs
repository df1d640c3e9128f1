//! Carrying out a plan: exactly it, once, and so that nothing is lost whatever happens.
