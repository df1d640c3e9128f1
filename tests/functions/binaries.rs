//! The binaries of the functions.

/// Every function and where cargo has put it.
pub(crate) const FUNCTIONS: [(&str, &str); 7] = [
    ("api", env!("CARGO_BIN_EXE_api")),
    ("authorizer", env!("CARGO_BIN_EXE_authorizer")),
    ("email", env!("CARGO_BIN_EXE_email")),
    ("reactions", env!("CARGO_BIN_EXE_reactions")),
    ("relay", env!("CARGO_BIN_EXE_relay")),
    ("sweep", env!("CARGO_BIN_EXE_sweep")),
    ("workflow-kickoff", env!("CARGO_BIN_EXE_workflow-kickoff")),
];
