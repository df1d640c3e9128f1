//! Plain text as HTML.

/// The text as escaped paragraphs: blank lines part them, single line breaks stay.
pub(super) fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 256);
    let mut open = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            if open {
                html.push_str("</p>\n");
            }
            open = false;
            continue;
        }
        html.push_str(if open { "<br>\n" } else { "<p style=\"margin:0 0 16px\">" });
        open = true;
        escape(line.trim_end(), &mut html);
    }
    if open {
        html.push_str("</p>\n");
    }
    html
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn blank_lines_part_paragraphs_and_everything_is_escaped() {
        assert_eq!(
            html("\nHello <b>,\nsecond & line\r\n\r\n\n\"last\"'\n").replace(" style=\"margin:0 0 16px\"", ""),
            "<p>Hello &lt;b&gt;,<br>\nsecond &amp; line</p>\n<p>&quot;last&quot;&#39;</p>\n"
        );
        assert_eq!(html(" \n\n"), "");
    }
}
