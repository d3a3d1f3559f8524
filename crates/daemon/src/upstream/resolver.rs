//! Addresses of names. The system's look-up blocks, for half a minute when no name server answers,
//! and cannot be broken off; so each one has a thread of its own, and everybody who needs the same
//! name waits for the same look-up.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::watch;

/// Most look-ups at the same time. An upstream has two names, its own and its proxy's; the chain of
/// credentials has a few more, of STS and of a single sign-on.
const MOST_LOOK_UPS: usize = 8;

/// What a look-up gives; the port of the addresses is 0.
type Found = Result<Vec<SocketAddr>, Arc<io::Error>>;

/// Looks names up, each only once at a time. Copies do so together.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    look_up: fn(&str) -> io::Result<Vec<SocketAddr>>,
    under_way: Arc<Mutex<UnderWay>>,
}

type UnderWay = HashMap<String, watch::Receiver<Option<Found>>>;

impl Resolver {
    /// Asks the system.
    pub(super) fn new() -> Self {
        Self::with(|name| (name, 0).to_socket_addrs().map(Iterator::collect))
    }

    fn with(look_up: fn(&str) -> io::Result<Vec<SocketAddr>>) -> Self {
        Self { look_up, under_way: Arc::default() }
    }

    /// The addresses of a name, with this port. Dropping it does not end the look-up.
    pub(super) async fn addresses(
        &self,
        name: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Arc<io::Error>> {
        let mut look_up = self.join(name)?;
        let found = look_up.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|found| found.clone());
        let failed = || Err(Arc::new(io::Error::other("the look-up ended in a panic")));
        let mut addresses = found.unwrap_or_else(failed)?;
        addresses.iter_mut().for_each(|address| address.set_port(port));
        Ok(addresses)
    }

    /// The look-up that is under way, or a new one.
    fn join(&self, name: &str) -> io::Result<watch::Receiver<Option<Found>>> {
        let mut under_way = lock(&self.under_way);
        // One whose thread ended in a panic is over without an outcome.
        under_way.retain(|_, look_up| look_up.has_changed().is_ok());
        if let Some(look_up) = under_way.get(name) {
            return Ok(look_up.clone());
        }
        if under_way.len() >= MOST_LOOK_UPS {
            return Err(io::Error::other("too many other names are being looked up"));
        }
        let (outcome, receiver) = watch::channel(None);
        let (look_up, all, name) = (self.look_up, Arc::clone(&self.under_way), name.to_owned());
        under_way.insert(name.clone(), receiver.clone());
        let thread = thread::Builder::new().name("resolver".to_owned());
        let spawned = thread.spawn({
            let name = name.clone();
            move || {
                let found = look_up(&name).map_err(Arc::new);
                // Who comes from here on asks anew.
                lock(&all).remove(&name);
                outcome.send_replace(Some(found));
            }
        });
        if let Err(error) = spawned {
            under_way.remove(&name);
            return Err(error);
        }
        Ok(receiver)
    }
}

fn lock(under_way: &Mutex<UnderWay>) -> MutexGuard<'_, UnderWay> {
    // A map of names is whole whatever happened to a thread that held the lock.
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn names_and_what_has_no_address() {
        let resolver = Resolver::new();
        let found = resolver.addresses("localhost", 7).await.unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 7), "{found:?}");
        assert!(!found.is_empty());
        assert!(resolver.addresses("xray.invalid", 7).await.is_err());
        assert_eq!(lock(&resolver.under_way).len(), 0);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_at_a_time_and_names_do_not_wait_for_others() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static GATE: Barrier = Barrier::new(2);
        let resolver = Resolver::with(|name| {
            if name == "quick" {
                return Ok(Vec::new());
            }
            ASKED.fetch_add(1, Ordering::Relaxed);
            GATE.wait();
            Ok(vec!["192.0.2.1:0".parse().unwrap()])
        });
        for _ in 0..100 {
            let patience = Duration::from_millis(1);
            let given_up = tokio::time::timeout(patience, resolver.addresses("slow", 1)).await;
            assert!(given_up.is_err());
        }
        assert_eq!(resolver.addresses("quick", 1).await.unwrap(), []);
        let (one, other) = (resolver.addresses("slow", 1), resolver.addresses("slow", 2));
        let let_go = async { GATE.wait() };
        let (one, other, _) = tokio::join!(one, other, let_go);
        assert_eq!(one.unwrap(), ["192.0.2.1:1".parse().unwrap()]);
        assert_eq!(other.unwrap(), ["192.0.2.1:2".parse().unwrap()]);
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn look_ups_are_bounded_and_a_panic_is_one_failure() {
        static GATE: Barrier = Barrier::new(MOST_LOOK_UPS + 1);
        let resolver = Resolver::with(|name| {
            assert_ne!(name, "panic");
            GATE.wait();
            Ok(Vec::new())
        });
        for _ in 0..2 {
            assert!(resolver.addresses("panic", 1).await.is_err());
        }
        let under_way: Vec<_> =
            (0..MOST_LOOK_UPS).map(|n| resolver.join(&n.to_string()).unwrap()).collect();
        let error = resolver.addresses("one more", 1).await.unwrap_err();
        assert_eq!(error.to_string(), "too many other names are being looked up");
        GATE.wait();
        for mut look_up in under_way {
            look_up.wait_for(Option::is_some).await.unwrap();
        }
    }
}
