//! What a replay would do, as a file to review.
