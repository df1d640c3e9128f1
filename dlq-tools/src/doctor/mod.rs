//! Looking for misconfiguration before it costs messages.
