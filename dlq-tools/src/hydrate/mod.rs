//! Stream pointers and what they point to.
