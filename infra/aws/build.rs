//! How the programs are linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment")]
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    // Half of a function's start would go into moving its twenty thousand addresses to where it was loaded. It stays where it
    // was linked to. Said here, since cargo-lambda's own flags go before those of a configuration.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
