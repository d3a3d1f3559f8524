//! One copy of each identity: equal services share it.
//!
//! Assembly finds the same few dozen services in every trace. Without sharing, each trace would
//! bring its own texts, and comparing two identities would mean comparing texts.

use crate::ServiceId;
use crate::service_id::hash_of;

/// Places for identities; a power of two. A fleet has some hundred services, each with the
/// resources it calls.
const SETS: usize = 1024;
/// Places that one hash may use, the one used last in front.
const WAYS: usize = 4;

/// The identities seen lately, so that equal ones become copies of one value.
///
/// Where senders make names without end, or names that collide, old ones lose their place and
/// are only shared less; they live as long as something names them. It holds 4,096 identities
/// at most.
#[derive(Debug, Default)]
pub struct Names {
    /// Empty until the first identity comes.
    sets: Vec<[Option<ServiceId>; WAYS]>,
}

impl Names {
    /// The identity with these parts.
    pub fn service(
        &mut self,
        name: &str,
        kind: Option<&str>,
        account_id: Option<&str>,
    ) -> ServiceId {
        let hash = hash_of(name, kind, account_id);
        let is_wanted = |known: &ServiceId| {
            known.hash_value() == hash
                && *known.name == *name
                && known.kind.as_deref() == kind
                && known.account_id.as_deref() == account_id
        };
        self.find_or_insert(hash, is_wanted, || ServiceId::with_hash(hash, name, kind, account_id))
    }

    /// The synthetic client of a root service; it bears the service's name.
    pub fn client_of(&mut self, root: &ServiceId) -> ServiceId {
        self.service(&root.name, Some(ServiceId::CLIENT), None)
    }

    /// Makes an identity a copy of the equal one that is known.
    pub fn share(&mut self, service: &mut ServiceId) {
        let hash = service.hash_value();
        *service = self.find_or_insert(hash, |known| known == service, || service.clone());
    }

    fn find_or_insert(
        &mut self,
        hash: u64,
        is_wanted: impl Fn(&ServiceId) -> bool,
        make: impl FnOnce() -> ServiceId,
    ) -> ServiceId {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Default::default);
        }
        let index = usize::try_from(hash % SETS as u64).unwrap_or_default();
        let Some(set) = self.sets.get_mut(index) else { return make() };
        let found = set.iter().position(|known| known.as_ref().is_some_and(&is_wanted));
        // What was not found takes the place of the one not used for longest.
        set.split_at_mut(found.unwrap_or(WAYS - 1) + 1).0.rotate_right(1);
        let [first, ..] = set;
        match first {
            Some(known) if found.is_some() => known.clone(),
            _ => first.insert(make()).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_identities_become_copies_of_one() {
        let mut names = Names::default();
        let app = names.service("app", Some("remote"), None);
        assert!(app.is_same(&names.service("app", Some("remote"), None)));
        assert!(!app.is_same(&names.service("app", None, None)));
        assert!(!app.is_same(&names.service("app", Some("remote"), Some("1"))));
        let mut other = ServiceId::new("app", Some("remote"), None);
        names.share(&mut other);
        assert!(app.is_same(&other));
        let client = names.client_of(&app);
        assert_eq!(client, ServiceId::new("app", Some("client"), None));
        assert!(client.is_same(&names.client_of(&app)));
    }

    #[test]
    fn names_without_end_are_bounded_and_those_in_use_stay_shared() {
        let mut names = Names::default();
        let in_use = names.service("in use", None, None);
        for number in 0..20 * SETS * WAYS {
            names.service(&format!("name-{number}"), None, None);
            if number % 8 == 0 {
                assert!(in_use.is_same(&names.service("in use", None, None)), "{number}");
            }
        }
        assert_eq!(names.sets.len(), SETS);
    }
}
