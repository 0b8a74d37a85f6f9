//! Tickets for readers that are no sessions: the yardsticks read the same relay.

use anyhow::Context;
use domain::ids::{Epoch, SessionId};
use secret::SecretString;
use service_kit::ticket::{Ticket, TicketKey, Use};
use testkit::Stack;
use uuid::Uuid;

/// A read ticket of an own session for one stream.
///
/// # Errors
/// When the stack's key is unusable.
pub fn read_ticket(stack: &Stack, stream: &str) -> anyhow::Result<String> {
    let key = TicketKey::new(&SecretString::from(stack.secrets().ticket_key().to_owned())).context("ticket key")?;
    Ok(key.sign(&Ticket {
        stream: stream.parse()?,
        session: SessionId(Uuid::now_v7()),
        epoch: Epoch(1),
        use_: Use::Read,
        expires_at_ms: i64::MAX,
    }))
}
