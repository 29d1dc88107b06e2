//! What one address may have of the connections, once they are short: half of them
//! are for whoever comes first, the rest for those who have less than their share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::address_prefix;

/// An address has so small a part of all connections once half of them are open.
const SHARE_PART: usize = 8;

/// Connections by the address (IPv6: the /64) that they come from; behind a trusted
/// proxy, which has no share, requests by the address that it names.
pub(crate) struct Shares {
    connections_max: usize,
    crowd: Mutex<Crowd>,
}

#[derive(Default)]
struct Crowd {
    connections: usize,
    /// Only addresses that have some.
    of_addresses: HashMap<IpAddr, usize>,
}

/// One connection or request, counted until it is dropped.
#[must_use = "what it counts has ended when it is dropped"]
pub(crate) struct Place {
    shares: Arc<Shares>,
    is_connection: bool,
    address: Option<IpAddr>,
}

impl Shares {
    /// Shares of `connections_max` connections.
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            crowd: Mutex::default(),
        })
    }

    /// Counts a connection; `address` is none of a trusted proxy. None where the
    /// address has its share.
    pub(crate) fn connection(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        self.place(true, address)
    }

    /// Counts a request that a trusted proxy forwards. None where the address has
    /// its share.
    pub(crate) fn request(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        self.place(false, Some(address))
    }

    fn place(self: &Arc<Self>, is_connection: bool, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(address_prefix);
        let mut crowd = self.lock();
        let is_short = 2 * crowd.connections >= self.connections_max;
        if let Some(address) = address {
            let share = (self.connections_max / SHARE_PART).max(1);
            let count = crowd.of_addresses.get(&address).copied().unwrap_or(0);
            if is_short && count >= share {
                return None;
            }
            crowd.of_addresses.insert(address, count + 1);
        }
        crowd.connections += usize::from(is_connection);
        Some(Place {
            shares: Arc::clone(self),
            is_connection,
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.shares.lock();
        crowd.connections -= usize::from(self.is_connection);
        if let Some(address) = self.address
            && let Some(count) = crowd.of_addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                crowd.of_addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_its_share_once_connections_are_short() {
        let shares = Shares::new(16);
        let enter = |text| shares.connection(address(text));
        let crowd: Vec<_> = (0..8).map_while(|_| enter("192.0.2.1")).collect();
        assert_eq!(crowd.len(), 8, "nobody else is there");
        assert!(enter("192.0.2.1").is_none());
        let others = [enter("192.0.2.2"), enter("192.0.2.2")];
        assert!(others.iter().all(Option::is_some));
        assert!(enter("192.0.2.2").is_none(), "an eighth of 16");
        assert!(shares.connection(None).is_some(), "a proxy has no share");
        drop(crowd);
        drop(others);
        assert!(shares.lock().of_addresses.is_empty());
        assert_eq!(shares.lock().connections, 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_a_forwarded_address_is_counted_by_request() {
        let shares = Shares::new(16);
        let proxy: Vec<_> = (0..8).map_while(|_| shares.connection(None)).collect();
        let one = shares.request("2001:db8::1".parse().expect("an address"));
        let two = shares.request("2001:db8::2".parse().expect("an address"));
        assert!(one.is_some() && two.is_some());
        let three = "2001:db8::3".parse().expect("an address");
        assert!(shares.request(three).is_none());
        drop(two);
        assert!(shares.request(three).is_some());
        drop(proxy);
        assert!(shares.request(three).is_some(), "not short any more");
    }
}
