//! Keeping letters elsewhere, bringing them back, and deleting them.
