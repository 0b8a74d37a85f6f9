//! People, with an account on every platform. Ids follow from the name, so they are the same in every run.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{
    ids::Ids,
    options::{Flags, Person},
};

/// Somebody with an account on every platform.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub name: String,
    /// `Alice`
    pub display: String,
    pub flags: Flags,
    /// `UC…`, 24 characters.
    pub youtube_channel: String,
    /// Decimal.
    pub twitch_id: String,
    pub twitch_key: String,
    /// Decimal.
    pub facebook_id: String,
    pub pages: [Page; 2],
    /// 32 hex digits.
    pub cloudflare_account: String,
    pub cloudflare_token: String,
}

/// A Facebook Page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub id: String,
    pub name: String,
    /// What the person may do there.
    pub tasks: &'static [&'static str],
}

impl Page {
    pub fn may_create(&self) -> bool {
        self.tasks.contains(&"CREATE_CONTENT")
    }
}

impl Account {
    pub fn new(person: &Person, ids: &mut Ids) -> Self {
        let name = &person.name;
        let mut letters = name.chars();
        let display: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        let twitch_id = digits(name, "twitch", 9);
        let key = format!("live_{twitch_id}_{}", ids.text(30));
        let page = |which: &str, title: &str, tasks| Page {
            id: digits(name, which, 15),
            name: format!("{display} {title}"),
            tasks,
        };
        Self {
            flags: person.flags.clone(),
            youtube_channel: format!("UC{}", &hex(name, "youtube")[..22]),
            twitch_key: ids.secret(key),
            twitch_id,
            facebook_id: digits(name, "facebook", 16),
            pages: [
                page("page", "Live", &["ANALYZE", "CREATE_CONTENT", "MANAGE", "MODERATE"]),
                page("reader", "Archive", &["ANALYZE"]),
            ],
            cloudflare_account: hex(name, "cloudflare")[..32].to_owned(),
            cloudflare_token: ids.secret(format!("simcf_{}", &hex(name, "token")[..40])),
            name: name.clone(),
            display,
        }
    }

    /// What tests and people need to know to use the account.
    pub fn describe(&self) -> Value {
        let pages: Vec<Value> = self
            .pages
            .iter()
            .map(|page| json!({"id": page.id, "name": page.name, "can_create": page.may_create()}))
            .collect();
        json!({
            "name": self.name,
            "flags": self.flags,
            "youtube": {"channel_id": self.youtube_channel},
            "twitch": {"id": self.twitch_id, "login": self.name},
            "facebook": {"id": self.facebook_id, "pages": pages},
            "cloudflare": {"account_id": self.cloudflare_account, "api_token": self.cloudflare_token},
        })
    }
}

/// 64 hex digits that follow from the name.
fn hex(name: &str, purpose: &str) -> String {
    digest(&SHA256, format!("{purpose}:{name}").as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decimal id that follows from the name; never a leading zero.
fn digits(name: &str, purpose: &str, length: usize) -> String {
    let digits = hex(name, purpose).bytes().map(|b| char::from(b'0' + b % 10)).take(length - 1).collect::<String>();
    format!("1{digits}")
}
