//! Prints `docs/EXPRESSIONS.md`: `cargo run -p sendoff-workflows --example expressions_page > docs/EXPRESSIONS.md`.
#![expect(clippy::print_stdout, reason = "a program whose report is its output")]

fn main() {
    print!("{}", sendoff_workflows::expr::document());
}
