//! Bodies of a certain size. Events carry references and are small; readers are tolerant of fields that they don't know, and so one
//! more field makes an event as large as it should be.

use bytes::Bytes;
use sendoff_events::MAX_BODY_BYTES;

const NAME: &[u8] = b",\"padding\":\"";
const END: &[u8] = b"\"}}";
/// What an envelope ends with: its data is the last field, an object that isn't empty.
const CLOSE: &[u8] = b"}}";
const WORDS: &[u8] = b"the quick brown fox jumps over the lazy dog and runs on ";

/// The same body with a field more, so that it has `size` bytes. A body that is as large already stays as it is.
pub(super) fn pad(body: &Bytes, size: usize) -> Bytes {
    let added = NAME.len() + END.len() - CLOSE.len();
    let size = size.min(MAX_BODY_BYTES);
    let Some(open) = body.strip_suffix(CLOSE).filter(|_| body.len() + added < size) else { return body.clone() };
    let mut padded = Vec::with_capacity(size);
    padded.extend_from_slice(open);
    padded.extend_from_slice(NAME);
    padded.extend(WORDS.iter().copied().cycle().take(size - body.len() - added));
    padded.extend_from_slice(END);
    padded.into()
}

/// So many characters of text.
pub(super) fn text(size: usize) -> String {
    WORDS.iter().cycle().take(size).map(|byte| char::from(*byte)).collect()
}
