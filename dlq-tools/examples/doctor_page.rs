//! Prints `docs/DOCTOR.md`: `cargo run -p sendoff-dlq-tools --example doctor_page > docs/DOCTOR.md`.
#![expect(clippy::print_stdout, reason = "the page is its output")]

fn main() {
    print!("{}", sendoff_dlq_tools::doctor::document());
}
