//! `docs/DELIVERY.md`: what the outcomes mean, the tables of codes from the code itself, and the matrix as it was just run.

use super::{run, table};

/// Each channel's table of codes stands at the head of the file that classifies by it.
const TABLES: [(&str, &str); 5] = [
    ("Email (SMTP)", include_str!("../../../consumers/src/channels/email/classify.rs")),
    ("SMS and WhatsApp through Twilio", include_str!("../../../consumers/src/channels/twilio/classify.rs")),
    ("WhatsApp through Meta", include_str!("../../../consumers/src/channels/whatsapp/meta/classify.rs")),
    ("Push (FCM)", include_str!("../../../consumers/src/channels/push/classify.rs")),
    ("Webhooks", include_str!("../../../consumers/src/channels/webhook/classify.rs")),
];

/// The document. Runs the whole matrix, which takes some seconds.
///
/// # Panics
///
/// When the matrix can't be run, or a cell breaks a promise.
#[must_use]
pub fn document() -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let cells = runtime.block_on(run());
    let broken: Vec<String> = cells.iter().filter_map(|cell| cell.check().err()).collect();
    assert!(broken.is_empty(), "the matrix breaks its promises:\n{}", broken.join("\n"));
    let mut page = include_str!("opening.md").to_owned();
    page.push_str("## The codes\n");
    for (title, source) in TABLES {
        page.push_str(&format!("\n### {title}\n\n{}", head(source)));
    }
    page.push_str(
        "\n## The fault matrix\n\n\
         Every fault of every peer, once and lasting, and a doubt after which the peer is away for a while: run over real sockets, and\n\
         counted by what the *peer* took. Attempts and waits are\n\
         those of the channel's own policy, and so is what is done about a doubt, in one of the two columns: for SMS and WhatsApp under\n\
         `Hold`, for webhooks under `Resend`, for email and push under `Resend` too, which for them is `ResendSeldom`. The other column shows\n\
         what would be, if the channel held as SMS does, or sent again as email does. Under `Hold` no peer ever takes a message twice. None is\n\
         lost: what the peer never took is a dead letter, a doubt or waits in its queue. Every provider but the webhooks' stands behind its\n\
         circuit, as in a running system. Here nobody calls back and nobody decides; only Twilio can be asked, which tells most where nobody\n\
         else sends through the account (`twilio.only_sender`, and so wherever the account isn't said to be shared). Of two providers the sum\n\
         of what they took is shown.\n",
    );
    page.push_str(&table(&cells));
    page
}

/// The description at the head of a source file, without its first line, as Markdown.
fn head(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!")).skip(1);
    let text: Vec<&str> =
        lines.map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default()).collect();
    format!("{}\n", text.join("\n").trim())
}
