//! The real program from outside: what it prints, what it answers, how it ends.

mod configuration;
mod data_folder;
mod demo;
mod mail_server;
mod program;
mod readme;
mod serve;
mod server;
mod tools;
