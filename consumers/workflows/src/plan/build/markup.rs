//! Values in HTML.

use serde_json::Value;

use super::{Around, Builder};
use crate::{
    Type,
    definition::Words,
    expr::{Call, Expr, Node, Piece, Template},
};

/// What a character that has a meaning in HTML is written as: `&` first, since the others bring it along.
const ENTITIES: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];

impl Builder {
    /// HTML with expressions in it. What stands there is the author's; their values are whoever's, and become text in it.
    pub(super) fn markup(&mut self, words: &Words, place: &str, around: &Around) -> Option<Template> {
        Some(match self.filled(words, place, around)? {
            Template::Text(pieces) => Template::Text(pieces.into_iter().map(escaped).collect()),
            template => template,
        })
    }
}

fn escaped(piece: Piece) -> Piece {
    match piece {
        Piece::Expr(expr) => Piece::Expr(ENTITIES.into_iter().fold(text(expr), replaced)),
        written @ Piece::Text(_) => written,
    }
}

/// The value as it is put into texts.
fn text(expr: Expr) -> Expr {
    let span = expr.span;
    Expr { node: Node::Call(Call::Text, vec![expr]), ty: Type::Text, span }
}

fn replaced(text: Expr, (part, with): (&str, &str)) -> Expr {
    let span = text.span;
    let literal = |text: &str| Expr { node: Node::Literal(Value::from(text)), ty: Type::Text, span };
    Expr { node: Node::Call(Call::Replace, vec![text, literal(part), literal(with)]), ty: Type::Text, span }
}
