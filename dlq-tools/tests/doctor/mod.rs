//! Looking for misconfiguration, and what the doctor's neighbours fetch and start again.

mod rules;
