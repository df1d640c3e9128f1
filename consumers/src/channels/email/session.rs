//! One SMTP connection, command by command, so that it is always known how far a mail had come.

use std::{sync::Arc, time::Duration};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Quit, Rcpt, Rset},
    extension::ClientId,
    response::Response,
};
use secrecy::ExposeSecret;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    EmailAddress, SmtpTimeouts, SmtpTls, SmtpUrl,
    classify::{Failure, Fault, Stage},
    wire::Upgradable,
};

/// What every session of a provider begins with.
pub(super) struct Opening {
    pub(super) url: SmtpUrl,
    pub(super) hello: ClientId,
    pub(super) tls: TlsParameters,
    pub(super) timeouts: SmtpTimeouts,
}

/// A connection that is ready for a mail.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    timeouts: SmtpTimeouts,
    /// How many mails it has carried.
    pub(super) mails: u32,
    /// When it was last used.
    pub(super) used_at: Instant,
}

impl Session {
    /// Connects, encrypts as the URL demands, and logs in.
    pub(super) async fn open(opening: &Arc<Opening>) -> Result<Self, Failure> {
        let Opening { url, hello, tls, timeouts } = &**opening;
        let mut connection = connect(opening).await?;
        let encrypt = match url.tls {
            SmtpTls::Required => true,
            SmtpTls::Opportunistic => connection.can_starttls(),
            SmtpTls::Implicit | SmtpTls::None => false,
        };
        if encrypt {
            within(timeouts.command, Stage::Tls, connection.starttls(tls.clone(), hello)).await?;
        }
        if let Some(credentials) = &url.credentials {
            if !connection.is_encrypted() && !url.is_loopback() {
                let why = "the server offers no STARTTLS, and the password is not sent in the clear".into();
                return Err(Failure { stage: Stage::Auth, fault: Fault::Declined(why) });
            }
            let password = credentials.password.expose_secret().to_owned();
            let login = Credentials::new(credentials.user.clone(), password);
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let reply = within(timeouts.command, Stage::Auth, connection.auth(&mechanisms, &login)).await?;
            expect(Stage::Auth, reply, &[235])?;
        }
        Ok(Self { connection, timeouts: *timeouts, mails: 0, used_at: Instant::now() })
    }

    /// Forgets a mail that was begun, and proves that the connection is alive.
    pub(super) async fn reset(&mut self) -> Result<(), Failure> {
        let reply = within(self.timeouts.command, Stage::Mail, self.connection.command(Rset)).await?;
        expect(Stage::Mail, reply, &[250]).map(drop)
    }

    /// Names the sender: a mail begins.
    pub(super) async fn begin(&mut self, from: &EmailAddress) -> Result<(), Failure> {
        let mail = Mail::new(Some(from.as_lettre().clone()), vec![]);
        let reply = within(self.timeouts.command, Stage::Mail, self.connection.command(mail)).await?;
        expect(Stage::Mail, reply, &[250]).map(drop)
    }

    /// Names the recipient and hands the message over. Once the server has said yes to DATA, whatever breaks leaves the
    /// outcome unknown.
    pub(super) async fn finish(&mut self, to: &EmailAddress, message: &[u8]) -> Result<Response, Failure> {
        let SmtpTimeouts { command, after_data, .. } = self.timeouts;
        let rcpt = Rcpt::new(to.as_lettre().clone(), vec![]);
        let reply = within(command, Stage::Rcpt, self.connection.command(rcpt)).await?;
        expect(Stage::Rcpt, reply, &[250, 251, 252])?;
        let reply = within(command, Stage::Data, self.connection.command(Data)).await?;
        expect(Stage::Data, reply, &[354])?;
        let reply = within(after_data, Stage::Body, self.connection.message(message)).await?;
        self.mails += 1;
        self.used_at = Instant::now();
        expect(Stage::Body, reply, &[250])
    }

    /// Says goodbye. Nothing hangs on the answer.
    pub(super) async fn quit(mut self) {
        let _ = within(self.timeouts.command, Stage::Connect, self.connection.command(Quit)).await;
    }
}

async fn connect(opening: &Opening) -> Result<AsyncSmtpConnection, Failure> {
    let Opening { url, hello, tls, timeouts } = opening;
    let address = (url.host.as_str(), url.port);
    if url.tls == SmtpTls::Implicit {
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(timeouts.connect), hello, Some(tls.clone()), None);
        return within(timeouts.connect + timeouts.command, Stage::Connect, connecting).await;
    }
    let lost = |e: std::io::Error| Failure { stage: Stage::Connect, fault: Fault::Lost(e.to_string()) };
    let late = Failure { stage: Stage::Connect, fault: Fault::TimedOut(timeouts.connect) };
    let stream = timeout(timeouts.connect, TcpStream::connect(address)).await.map_err(|_| late)?.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let stream: Box<dyn lettre::transport::smtp::client::AsyncTokioStream> =
        if url.tls == SmtpTls::None { Box::new(stream) } else { Box::new(Upgradable::new(stream)) };
    within(timeouts.command, Stage::Connect, AsyncSmtpConnection::connect_with_transport(stream, hello)).await
}

async fn within<T>(limit: Duration, stage: Stage, step: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match timeout(limit, step).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure { stage, fault: Fault::of(&error) }),
        Err(_) => Err(Failure { stage, fault: Fault::TimedOut(limit) }),
    }
}

/// A yes that isn't the yes of this stage means that client and server no longer understand each other.
fn expect(stage: Stage, reply: Response, codes: &[u16]) -> Result<Response, Failure> {
    let code: u16 = reply.code().into();
    if codes.contains(&code) {
        return Ok(reply);
    }
    Err(Failure { stage, fault: Fault::Lost(format!("it answered {code} where {codes:?} was due")) })
}
