//! The matrix as a table for people.

use std::fmt::Write as _;

use super::{Cell, End, Lasts, OnDoubt};

/// The cells as a Markdown table, one for each channel: a fault in each row, the policies side by side.
#[must_use]
pub fn table(cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut channel = "";
    for cell in cells.iter().filter(|cell| cell.on_doubt == OnDoubt::Hold) {
        if cell.channel != channel {
            channel = cell.channel;
            // Writing to a String can't fail.
            let _ = write!(
                text,
                "\n### {channel}\n\n| fault | lasts | under `Hold`: taken, end | under `Resend`: taken, end |\n|---|---|---|---|\n"
            );
        }
        let other = cells.iter().find(|other| {
            (other.channel, &other.fault, other.lasts, other.on_doubt)
                == (cell.channel, &cell.fault, cell.lasts, OnDoubt::Resend)
        });
        let lasts = match cell.lasts {
            Lasts::Once => "once",
            Lasts::Always => "always",
        };
        let resent = other.map_or_else(String::new, shown);
        let _ = writeln!(text, "| {} | {lasts} | {} | {resent} |", cell.fault, shown(cell));
    }
    text
}

fn shown(cell: &Cell) -> String {
    let end = match &cell.end {
        End::Done => "done".to_owned(),
        End::Dead(reason) => format!("dead letter `{reason}`"),
        End::InDoubt => "in doubt, a person decides".to_owned(),
        End::Waits => "waits in its queue".to_owned(),
    };
    format!("{}×, {end}", cell.taken)
}
