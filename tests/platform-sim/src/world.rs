//! Everything the platforms know. One lock, no I/O; time is brought in by [`World::tick`].

use crate::{
    accounts::Account,
    cloudflare, facebook,
    ids::Ids,
    ingest::Ingests,
    oauth::Grants,
    options::{Options, Person},
    twitch, youtube,
};

/// Addresses that the platforms name in their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    /// `http://127.0.0.1:port`
    pub http: String,
    /// `rtmp://127.0.0.1:port`
    pub rtmp: String,
    /// `rtmps://localhost:port`, or the same as `rtmp`.
    pub rtmps: String,
}

#[derive(Debug)]
pub(crate) struct World {
    /// Unix ms on the simulator's clock, at the last tick.
    pub now: i64,
    pub options: Options,
    pub hosts: Hosts,
    pub ids: Ids,
    pub accounts: Vec<Account>,
    /// Who agrees when nobody is named.
    pub consent_as: String,
    pub grants: Grants,
    pub ingests: Ingests,
    pub youtube: youtube::State,
    pub twitch: twitch::State,
    pub facebook: facebook::State,
    pub cloudflare: cloudflare::State,
}

impl World {
    pub fn new(options: Options, hosts: Hosts) -> Self {
        let mut ids = Ids::new(options.seed);
        let accounts: Vec<Account> = options.people.iter().map(|person| Account::new(person, &mut ids)).collect();
        for app in [&options.google, &options.twitch, &options.facebook] {
            ids.secret(app.client_secret.clone());
        }
        Self {
            now: 0,
            consent_as: accounts.first().map(|account| account.name.clone()).unwrap_or_default(),
            hosts,
            ids,
            accounts,
            grants: Grants::default(),
            ingests: Ingests::default(),
            youtube: youtube::State::default(),
            twitch: twitch::State::default(),
            facebook: facebook::State::default(),
            cloudflare: cloudflare::State::default(),
            options,
        }
    }

    /// Back to the beginning: nothing was ever created, nobody ever agreed. Publishers are cut.
    pub fn reset(&mut self) {
        self.ingests.cut_all();
        let mut fresh = Self::new(self.options.clone(), self.hosts.clone());
        fresh.now = self.now;
        *self = fresh;
    }

    /// Time passes: every state machine takes the steps that are due.
    pub fn tick(&mut self, now: i64) {
        self.now = self.now.max(now);
        self.ingests.tick(self.now);
        youtube::tick(self);
        facebook::tick(self);
        cloudflare::tick(self);
    }

    /// The person of that name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The person of that name, to change.
    pub fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.name == name)
    }

    /// Adds a person while running.
    pub fn add_person(&mut self, person: &Person) {
        if self.account(&person.name).is_none() {
            let account = Account::new(person, &mut self.ids);
            self.accounts.push(account);
            self.options.people.push(person.clone());
        }
    }
}
