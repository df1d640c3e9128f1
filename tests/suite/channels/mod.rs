//! The providers' clients against peers that do as a script says, over real sockets.

mod client;
