//! One account of a mail server: one connection at a time, used again while it is fresh.
//!
//! lettre's own pool is not used. It gives up a mail at the first recipient that is refused, it waits without end for an
//! answer, and who stops waiting finds the connection back in the pool with half an answer on its way.

use std::fmt;
use std::time::{Duration, Instant};

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::outcome::{Answer, Next, Sent, Step, Trouble};
use super::settings::{Fault, Security, Settings};
use super::trouble::trouble;

/// A connection that rested so long is not used again: many logins are held against an account, and so is a connection that is kept for nothing.
const FRESH: Duration = Duration::from_mins(1);
/// So many mails go over one connection: Exim, as Debian installs it, takes more and leaves them in its queue, for half an hour.
const MAILS: usize = 10;
/// A server that is left need not be waited for.
const FAREWELL: Duration = Duration::from_secs(2);
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

pub struct Account {
    settings: Settings,
    tls: Option<TlsParameters>,
    hello: ClientId,
    login: Option<Credentials>,
    fingerprint: i32,
    resting: Option<Resting>,
}

struct Resting {
    connection: AsyncSmtpConnection,
    since: Instant,
    /// That it was given.
    mails: usize,
}

/// What is known of a try while it runs; it is still known when its time is over.
struct Attempt {
    step: Step,
    refused: Vec<(Address, Answer)>,
    later: Vec<(Address, Answer)>,
}

impl Account {
    /// Reads the files that the settings name, and connects to nothing yet.
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        settings.check()?;
        let login = match (&settings.user, settings.password()?) {
            (Some(user), Some(password)) => Some(Credentials::new(user.clone(), password)),
            _ => None,
        };
        let tls = match settings.security {
            Security::None => None,
            Security::Starttls | Security::Tls => Some(tls(settings)?),
        };
        let hello = settings.hostname.clone().map_or_else(ClientId::default, ClientId::Domain);
        let fingerprint = settings.fingerprint();
        Ok(Self { settings: settings.clone(), tls, hello, login, fingerprint, resting: None })
    }

    /// That of the settings with which it was opened.
    pub fn fingerprint(&self) -> i32 {
        self.fingerprint
    }

    /// Hands over these bytes. It ends within the time-out of the settings, whatever the server does.
    pub async fn send(&mut self, from: &Address, to: &[Address], mail: &[u8]) -> Sent {
        let mut attempt = Attempt { step: Step::Reach, refused: Vec::new(), later: Vec::new() };
        // The connection belongs to the exchange: with one that is given up, it is closed.
        let said = match timeout(self.settings.timeout, self.exchange(&mut attempt, from, to, mail)).await {
            Ok(said) => said,
            Err(_) => Err(Trouble::TimedOut),
        };
        let sent = match said {
            Ok(answer) => Sent { next: Next::Done, said: Ok(answer), refused: Vec::new(), later: Vec::new() },
            Err(trouble) => Sent::failed(attempt.step, trouble),
        };
        Sent { refused: attempt.refused, later: attempt.later, ..sent }
    }

    /// Connects and logs in, and sends nothing.
    pub async fn reach(&mut self) -> Result<(), Sent> {
        let mut attempt = Attempt { step: Step::Reach, refused: Vec::new(), later: Vec::new() };
        let reached = match timeout(self.settings.timeout, self.connection(&mut attempt)).await {
            Ok(reached) => reached,
            Err(_) => Err(Trouble::TimedOut),
        };
        let (connection, mails) = reached.map_err(|trouble| Sent::failed(attempt.step, trouble))?;
        self.resting = Some(Resting { connection, since: Instant::now(), mails });
        Ok(())
    }

    /// Leaves the server if nothing was sent for a minute.
    pub async fn close_if_idle(&mut self) {
        if self.resting.as_ref().is_some_and(|resting| resting.since.elapsed() >= FRESH) {
            self.close().await;
        }
    }

    pub async fn close(&mut self) {
        if let Some(Resting { connection, .. }) = self.resting.take() {
            leave(connection).await;
        }
    }

    async fn exchange(
        &mut self,
        attempt: &mut Attempt,
        from: &Address,
        to: &[Address],
        mail: &[u8],
    ) -> Result<Answer, Trouble> {
        let (mut connection, mails) = self.connection(attempt).await?;
        let said = hand_over(&mut connection, attempt, from, to, mail).await;
        // After a refusal the server waits for the next mail, unless it says that it closes.
        let stays = match &said {
            Ok(_) => true,
            Err(Trouble::Answered(answer)) if answer.code != 421 => {
                timeout(FAREWELL, connection.command(Rset)).await.is_ok_and(|reset| reset.is_ok())
            }
            Err(_) => false,
        };
        if stays {
            self.resting = Some(Resting { connection, since: Instant::now(), mails: mails + 1 });
        }
        said
    }

    /// With how many mails it was given before.
    async fn connection(&mut self, attempt: &mut Attempt) -> Result<(AsyncSmtpConnection, usize), Trouble> {
        if let Some(Resting { mut connection, since, mails }) = self.resting.take() {
            if mails < MAILS && since.elapsed() < FRESH && connection.test_connected().await {
                return Ok((connection, mails));
            }
            leave(connection).await;
        }
        attempt.step = Step::Reach;
        let target = (self.settings.server.as_str(), self.settings.port());
        let addresses: Vec<_> =
            lookup_host(target).await.map_err(|error| Trouble::NotFound(error.to_string()))?.collect();
        if addresses.is_empty() {
            return Err(Trouble::NotFound("it has no address".to_owned()));
        }
        let at_once = self.tls.clone().filter(|_| self.settings.security == Security::Tls);
        let limit = Some(self.settings.timeout);
        let connecting = AsyncSmtpConnection::connect_tokio1(&addresses[..], limit, &self.hello, at_once, None);
        let mut connection = connecting.await.map_err(|error| trouble(Step::Reach, &error))?;
        if let Some(tls) = self.tls.clone().filter(|_| self.settings.security == Security::Starttls) {
            attempt.step = Step::Secure;
            if !connection.can_starttls() {
                return Err(Trouble::NoStarttls);
            }
            connection.starttls(tls, &self.hello).await.map_err(|error| trouble(Step::Secure, &error))?;
        }
        if let Some(login) = &self.login {
            attempt.step = Step::Login;
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Err(Trouble::NoLogin);
            }
            connection.auth(&MECHANISMS, login).await.map_err(|error| trouble(Step::Login, &error))?;
        }
        Ok((connection, 0))
    }
}

/// Who is refused is left out, and the others get the mail.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    attempt: &mut Attempt,
    from: &Address,
    to: &[Address],
    mail: &[u8],
) -> Result<Answer, Trouble> {
    attempt.step = Step::From;
    answer(Step::From, connection.command(Mail::new(Some(from.clone()), Vec::new())).await)?;
    attempt.step = Step::To;
    let mut taken = false;
    for recipient in to {
        match answer(Step::To, connection.command(Rcpt::new(recipient.clone(), Vec::new())).await) {
            Ok(_) => taken = true,
            Err(Trouble::Answered(said)) if said.code != 421 => {
                match Next::after(Step::To, &Trouble::Answered(said.clone())) {
                    Next::GiveUp => attempt.refused.push((recipient.clone(), said)),
                    Next::Again => attempt.later.push((recipient.clone(), said)),
                    _ => return Err(Trouble::Answered(said)),
                }
            }
            Err(trouble) => return Err(trouble),
        }
    }
    if !taken {
        // One that may be taken later is more than one that never will.
        let last = attempt.later.first().or(attempt.refused.first());
        let said = last.map_or_else(|| Answer::new(550, "no recipients"), |(_, said)| said.clone());
        return Err(Trouble::Answered(said));
    }
    attempt.step = Step::Announce;
    answer(Step::Announce, connection.command(Data).await)?;
    attempt.step = Step::Content;
    answer(Step::Content, connection.message(mail).await)
}

fn answer(step: Step, said: Result<Response, lettre::transport::smtp::Error>) -> Result<Answer, Trouble> {
    let response = said.map_err(|error| trouble(step, &error))?;
    Ok(Answer::new(response.code().into(), &response.message().collect::<Vec<_>>().join(" ")))
}

async fn leave(mut connection: AsyncSmtpConnection) {
    if timeout(FAREWELL, connection.quit()).await.is_err() {
        tracing::debug!("the mail server did not say good-bye");
    }
}

fn tls(settings: &Settings) -> Result<TlsParameters, Fault> {
    let fault = |what: String| Fault { key: "ca_file", what };
    let mut tls = TlsParameters::builder(settings.server.clone());
    if let Some(file) = &settings.ca_file {
        let name = file.display();
        let pem = std::fs::read(file).map_err(|why| fault(format!("cannot read {name}: {why}")))?;
        let is_one = pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----");
        let certificate = Certificate::from_pem(&pem).ok().filter(|_| is_one);
        tls =
            tls.add_root_certificate(certificate.ok_or_else(|| fault(format!("{name} holds no certificate in PEM")))?);
    }
    tls.build_rustls().map_err(|error| fault(format!("TLS cannot be used: {error}")))
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("settings", &self.settings)
            .field("resting", &self.resting.is_some())
            .finish_non_exhaustive()
    }
}
