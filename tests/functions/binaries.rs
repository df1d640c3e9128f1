//! The binaries of the functions.

/// Every function and where cargo has put it.
pub(crate) const FUNCTIONS: [(&str, &str); 14] = [
    ("api", env!("CARGO_BIN_EXE_api")),
    ("authorizer", env!("CARGO_BIN_EXE_authorizer")),
    ("callbacks", env!("CARGO_BIN_EXE_callbacks")),
    ("email", env!("CARGO_BIN_EXE_email")),
    ("external", env!("CARGO_BIN_EXE_external")),
    ("push", env!("CARGO_BIN_EXE_push")),
    ("reactions", env!("CARGO_BIN_EXE_reactions")),
    ("relay", env!("CARGO_BIN_EXE_relay")),
    ("sms", env!("CARGO_BIN_EXE_sms")),
    ("steps", env!("CARGO_BIN_EXE_steps")),
    ("sweep", env!("CARGO_BIN_EXE_sweep")),
    ("webhook", env!("CARGO_BIN_EXE_webhook")),
    ("whatsapp", env!("CARGO_BIN_EXE_whatsapp")),
    ("workflow-kickoff", env!("CARGO_BIN_EXE_workflow-kickoff")),
];
