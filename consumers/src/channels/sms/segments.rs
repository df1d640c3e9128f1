//! How many segments a text takes on its way, which is what it costs.
//!
//! A text of characters of the GSM 7-bit default alphabet (GSM 03.38, now 3GPP TS 23.038 § 6.2.1) holds 160 septets; any other
//! character makes the whole text UCS-2, which holds 70 units of UTF-16. A longer text is cut into segments of 153 or 67: each
//! gives 6 bytes to a header by which the phone joins them (3GPP TS 23.040 § 9.2.3.24.1). A character is never cut in two.

/// How a text is written on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet with its extension table. Units are septets.
    Gsm7,
    /// UCS-2, in practice UTF-16. Units are those of UTF-16.
    Ucs2,
}

/// What a text takes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// How it is written.
    pub encoding: Encoding,
    /// How many segments it takes. An empty text takes none.
    pub count: usize,
    /// How many units its characters take.
    pub units: usize,
    /// How many units one of its segments holds: more when there is only one.
    pub per_segment: usize,
    /// How many units are left in the last segment.
    pub left: usize,
}

impl Encoding {
    /// Its usual name: `GSM-7`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// What fits into a message of one segment, and into each of several.
    const fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// How many units a character takes.
    const fn units(self, character: char) -> usize {
        match self {
            Self::Gsm7 if is_extended(character) => 2,
            Self::Gsm7 => 1,
            Self::Ucs2 => character.len_utf16(),
        }
    }
}

/// The segments that `text` takes.
///
/// # Examples
///
/// ```
/// use sendoff_consumers::channels::sms::{Encoding, segments};
///
/// let text = segments("Price: 5 €");
/// assert_eq!((text.encoding, text.count, text.units), (Encoding::Gsm7, 1, 11));
/// assert_eq!(segments("Done 🎉").encoding, Encoding::Ucs2);
/// ```
#[must_use]
pub fn segments(text: &str) -> Segments {
    let encoding = if text.chars().all(is_gsm7) { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let (single, each) = encoding.capacity();
    let units = text.chars().map(|c| encoding.units(c)).sum();
    if units <= single {
        let count = usize::from(units > 0);
        return Segments { encoding, count, units, per_segment: single, left: single - units };
    }
    let (mut count, mut left) = (0, 0);
    for wanted in text.chars().map(|c| encoding.units(c)) {
        if wanted > left {
            (count, left) = (count + 1, each);
        }
        left -= wanted;
    }
    Segments { encoding, count, units, per_segment: each, left }
}

/// The characters outside the Unicode block Basic Latin that the default alphabet has.
const BEYOND_ASCII: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";

fn is_gsm7(character: char) -> bool {
    match character {
        // The only controls; the form feed stands in the extension table.
        '\n' | '\r' | '\u{c}' => true,
        // The one printable character of ASCII that stands in neither table.
        '`' => false,
        ' '..='~' | '€' => true,
        _ => BEYOND_ASCII.contains(character),
    }
}

const fn is_extended(character: char) -> bool {
    matches!(character, '\u{c}' | '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The default alphabet in its own order, without the escape.
    const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                            abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: &str = "\u{c}^{}\\[~]|€";

    fn counted(text: &str) -> (Encoding, usize, usize) {
        let found = segments(text);
        (found.encoding, found.count, found.units)
    }

    #[test]
    fn the_whole_default_alphabet_takes_a_septet_each_and_the_extension_table_two() {
        assert_eq!((ALPHABET.chars().count(), EXTENSION.chars().count()), (127, 10));
        for character in ALPHABET.chars() {
            assert_eq!(counted(&character.to_string()), (Encoding::Gsm7, 1, 1), "{character:?}");
        }
        for character in EXTENSION.chars() {
            assert_eq!(counted(&character.to_string()), (Encoding::Gsm7, 1, 2), "{character:?}");
        }
    }

    #[test]
    fn whatever_stands_in_neither_table_makes_the_text_ucs2() {
        for character in (0..=0xffff).filter_map(char::from_u32) {
            let known = ALPHABET.contains(character) || EXTENSION.contains(character);
            assert_eq!(segments(&character.to_string()).encoding == Encoding::Gsm7, known, "{character:?}");
        }
        for text in ["ç", "`", "\t", "a“quoted”b", "…", "–", "\u{a0}", "🎉", "日本", "\u{1b}"] {
            assert_eq!(segments(text).encoding, Encoding::Ucs2, "{text:?}");
        }
        assert_eq!(segments("Ç").encoding, Encoding::Gsm7);
    }

    #[test]
    fn a_text_is_cut_where_the_standard_cuts_it() {
        for (text, expected) in [
            (String::new(), (Encoding::Gsm7, 0, 0)),
            ("a".repeat(160), (Encoding::Gsm7, 1, 160)),
            ("a".repeat(161), (Encoding::Gsm7, 2, 161)),
            ("a".repeat(306), (Encoding::Gsm7, 2, 306)),
            ("a".repeat(307), (Encoding::Gsm7, 3, 307)),
            ("€".repeat(80), (Encoding::Gsm7, 1, 160)),
            ("€".repeat(81), (Encoding::Gsm7, 2, 162)),
            ("ж".repeat(70), (Encoding::Ucs2, 1, 70)),
            ("ж".repeat(71), (Encoding::Ucs2, 2, 71)),
            ("ж".repeat(134), (Encoding::Ucs2, 2, 134)),
            ("ж".repeat(135), (Encoding::Ucs2, 3, 135)),
            ("🎉".repeat(35), (Encoding::Ucs2, 1, 70)),
            ("🎉".repeat(36), (Encoding::Ucs2, 2, 72)),
        ] {
            assert_eq!(counted(&text), expected, "{text}");
        }
    }

    #[test]
    fn neither_an_escaped_character_nor_a_surrogate_pair_is_cut_in_two() {
        // 152 septets leave one in the first segment: the euro sign goes to the second as a whole.
        assert_eq!(counted(&format!("{}€{}", "a".repeat(152), "a".repeat(151))), (Encoding::Gsm7, 2, 305));
        assert_eq!(counted(&format!("{}€{}", "a".repeat(152), "a".repeat(152))), (Encoding::Gsm7, 3, 306));
        // 66 units leave one.
        assert_eq!(counted(&format!("{}🎉{}", "ж".repeat(66), "ж".repeat(65))), (Encoding::Ucs2, 2, 133));
        assert_eq!(counted(&format!("{}🎉{}", "ж".repeat(66), "ж".repeat(66))), (Encoding::Ucs2, 3, 134));
        // 67 is odd, so 33 emoji fill a segment.
        assert_eq!(counted(&"🎉".repeat(67)), (Encoding::Ucs2, 3, 134));
    }

    #[test]
    fn what_is_left_in_the_last_segment_is_told() {
        assert_eq!((segments("abc").left, segments("abc").per_segment), (157, 160));
        let long = segments(&"a".repeat(161));
        assert_eq!((long.left, long.per_segment), (145, 153));
    }

    /// The same by cutting real strings of units.
    fn naive(text: &str) -> (usize, usize) {
        let gsm = text.chars().all(|c| ALPHABET.contains(c) || EXTENSION.contains(c));
        let (single, each) = if gsm { (160, 153) } else { (70, 67) };
        let size = |s: &str| match gsm {
            true => s.chars().count() + s.chars().filter(|c| EXTENSION.contains(*c)).count(),
            false => s.encode_utf16().count(),
        };
        if size(text) <= single {
            return (usize::from(!text.is_empty()), size(text));
        }
        let mut parts = vec![String::new()];
        for c in text.chars() {
            let longer = format!("{}{c}", parts.last().unwrap());
            if size(&longer) <= each {
                *parts.last_mut().unwrap() = longer;
            } else {
                parts.push(c.to_string());
            }
        }
        (parts.len(), size(text))
    }

    proptest! {
        #[test]
        fn any_text_is_counted_as_by_cutting_it(text in "[a-z€^{ç🎉\\n]{0,400}|[a-zé€|]{130,340}|\\PC{0,200}") {
            let found = segments(&text);
            prop_assert_eq!((found.count, found.units), naive(&text));
            prop_assert!(found.left < found.per_segment || found.count == 0);
        }
    }
}
