//! The identity of a node of the service graph.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// Keyed, since senders choose the names and could make them collide.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The identity of a node: name, type and account (the three parts `id()` selects on).
///
/// A trace names its few services many times and a store the same services in every trace, so
/// this is a pointer to shared parts: copies are cheap, and copies of one value compare by the
/// pointer. [`Names`](crate::Names) makes equal identities copies of one value.
#[derive(Clone)]
pub struct ServiceId(Arc<ServiceParts>);

/// The parts of a [`ServiceId`].
#[derive(Debug)]
pub struct ServiceParts {
    /// The node's name.
    pub name: Box<str>,
    /// `AWS::ECS::Container`, `AWS::DynamoDB::Table`, `Database::SQL`, `remote`, `client`…;
    /// `None` for a segment without `origin`.
    pub kind: Option<Box<str>>,
    /// The AWS account, when the segment told it.
    pub account_id: Option<Box<str>>,
    hash: u64,
}

impl ServiceId {
    /// The type of the synthetic node that stands for the callers of a root service.
    pub const CLIENT: &'static str = "client";

    /// The identity with these parts.
    pub fn new(name: &str, kind: Option<&str>, account_id: Option<&str>) -> Self {
        let hash = hash_of(name, kind, account_id);
        Self::with_hash(hash, name, kind, account_id)
    }

    /// The same, where the hash is known.
    pub(crate) fn with_hash(
        hash: u64,
        name: &str,
        kind: Option<&str>,
        account_id: Option<&str>,
    ) -> Self {
        Self(Arc::new(ServiceParts {
            name: name.into(),
            kind: kind.map(Into::into),
            account_id: account_id.map(Into::into),
            hash,
        }))
    }

    /// Whether this is a synthetic client.
    pub fn is_client(&self) -> bool {
        self.kind.as_deref() == Some(Self::CLIENT)
    }

    /// Whether both are copies of one value, which equal identities need not be.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The hash of the parts: the same for equal identities within one process.
    pub(crate) fn hash_value(&self) -> u64 {
        self.0.hash
    }
}

/// What [`ServiceId::hash_value`] of these parts is.
pub(crate) fn hash_of(name: &str, kind: Option<&str>, account_id: Option<&str>) -> u64 {
    KEY.hash_one((name, kind, account_id))
}

impl Deref for ServiceId {
    type Target = ServiceParts;

    fn deref(&self) -> &ServiceParts {
        &self.0
    }
}

impl ServiceParts {
    fn parts(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.name, self.kind.as_deref(), self.account_id.as_deref())
    }
}

impl PartialEq for ServiceId {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || (self.hash == other.hash && self.parts() == other.parts())
    }
}

impl Eq for ServiceId {}

impl Ord for ServiceId {
    /// By name, then type, then account.
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) { Ordering::Equal } else { self.parts().cmp(&other.parts()) }
    }
}

impl PartialOrd for ServiceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ServiceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind, account_id) = self.parts();
        f.debug_struct("ServiceId")
            .field("name", &name)
            .field("kind", &kind)
            .field("account_id", &account_id)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_their_parts() {
        let check = |a: &ServiceId, b: &ServiceId, expect: Ordering| {
            assert_eq!(a.cmp(b), expect, "{a:?} {b:?}");
            assert_eq!(b.cmp(a), expect.reverse(), "{a:?} {b:?}");
            assert_eq!(a == b, expect == Ordering::Equal, "{a:?} {b:?}");
            assert_eq!(a.hash_value() == b.hash_value(), a == b, "{a:?} {b:?}");
        };
        let app = ServiceId::new("app", Some("remote"), None);
        check(&app, &app.clone(), Ordering::Equal);
        check(&app, &ServiceId::new("app", Some("remote"), None), Ordering::Equal);
        check(&app, &ServiceId::new("app", None, None), Ordering::Greater);
        check(&app, &ServiceId::new("app", None, Some("remote")), Ordering::Greater);
        check(&app, &ServiceId::new("app", Some("remote"), Some("1")), Ordering::Less);
        check(&app, &ServiceId::new("b", None, None), Ordering::Less);
        assert!(app.is_same(&app.clone()));
        assert!(!app.is_same(&ServiceId::new("app", Some("remote"), None)));
    }
}
