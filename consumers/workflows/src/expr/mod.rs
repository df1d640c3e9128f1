//! Expressions: a small typed language with the feel of a spreadsheet.
//!
//! A text is parsed into a tree with spans, checked against what is known at its place, and then
//! evaluated or printed as JSONata. Both mean the same for every value: an expression never
//! fails when it is evaluated.
//!
//! `docs/EXPRESSIONS.md` tells authors about it.

mod arguments;
mod ast;
mod check;
mod document;
mod env;
mod eval;
mod function;
mod lex;
mod moment;
mod normalize;
mod parse;
mod pattern;
mod print;
mod scope;
mod signature;
mod template;

pub use ast::{Binary, Expr, Node, Ref, Root, Unary};
pub use check::read;
pub use document::document;
pub use env::{Env, Names};
pub use function::{Call, FUNCTIONS, Function};
pub use normalize::normalize;
pub use scope::Scope;
pub use template::{Piece, Template, read_template};

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod limit_tests;
