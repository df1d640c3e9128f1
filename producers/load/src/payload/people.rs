//! Who the events of a run are about.

use rand::Rng;
use rand_distr::{Distribution as _, Zipf};
use sendoff_events::{AppId, IdError, TenantId, UserId};

use crate::{RunId, scenario::Keys, target::Person};

/// Everybody that a run speaks of. Each user belongs to one tenant and uses one app; they are the keys of its events.
pub(super) struct People {
    keys: Keys,
    tenants: Vec<TenantId>,
    apps: Vec<AppId>,
    users: Vec<UserId>,
    heat: Option<Zipf<f64>>,
}

impl People {
    pub(super) fn new(run: &RunId, keys: Keys) -> Result<Self, IdError> {
        let tenants = (0..keys.tenants).map(|number| run.tenant(number as u64)).collect::<Result<_, _>>()?;
        let apps = (0..keys.apps).map(|number| run.app(number as u64)).collect::<Result<_, _>>()?;
        let users = (0..keys.users).map(|number| format!("user-{number}").parse()).collect::<Result<_, _>>()?;
        // An exponent of 0 makes all alike; the rules of scenarios leave nothing that Zipf refuses.
        let heat = Zipf::new(keys.users as f64, keys.zipf).ok();
        Ok(Self { keys, tenants, apps, users, heat })
    }

    /// How many users there are.
    pub(super) fn count(&self) -> usize {
        self.keys.users
    }

    /// Somebody: the hotter, the more often.
    pub(super) fn draw(&self, random: &mut impl Rng) -> usize {
        match &self.heat {
            Some(heat) => (heat.sample(random) as usize).clamp(1, self.keys.users) - 1,
            None => random.random_range(0..self.keys.users),
        }
    }

    pub(super) fn tenant(&self, who: usize) -> &TenantId {
        &self.tenants[who % self.keys.tenants]
    }

    pub(super) fn user(&self, who: usize) -> &UserId {
        &self.users[who]
    }

    /// The first user of the same tenant, who assigns apps to the others.
    pub(super) fn first(&self, who: usize) -> &UserId {
        &self.users[who % self.keys.tenants]
    }

    pub(super) fn app(&self, who: usize) -> &AppId {
        &self.apps[self.app_number(who)]
    }

    fn app_number(&self, who: usize) -> usize {
        (who / self.keys.tenants) % self.keys.apps
    }

    /// The app's number among those of all tenants.
    pub(super) fn app_of_all(&self, who: usize) -> usize {
        (who % self.keys.tenants) * self.keys.apps + self.app_number(who)
    }

    /// Everybody, as they have to be there before the run.
    pub(super) fn all(&self) -> Vec<Person> {
        let person = |who| Person {
            tenant: self.tenant(who).clone(),
            user: self.user(who).clone(),
            app: self.app(who).to_string(),
        };
        (0..self.keys.users).map(person).collect()
    }
}
