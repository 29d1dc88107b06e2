//! Internet addresses and ranges of them: from where a key may be used, and
//! from where a request really comes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::invalid::Invalid;

/// Ranges in one list.
pub const RANGES_MAX: usize = 64;

/// Ranges of addresses in CIDR notation (RFC 4632, RFC 4291), IPv4 and IPv6; an
/// empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRanges(Vec<IpNet>);

impl AddressRanges {
    /// Reads ranges such as `10.0.0.0/8` or `2001:db8::/32`; an address alone
    /// is a range of one. What stands behind the prefix is cut off.
    ///
    /// # Errors
    /// `AddressRange` with the text that is none, `AddressRangesTooMany`.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let ranges: Vec<IpNet> = texts
            .into_iter()
            .map(parse_range)
            .collect::<Result<_, _>>()?;
        if ranges.len() > RANGES_MAX {
            return Err(Invalid::AddressRangesTooMany);
        }
        Ok(Self(ranges))
    }

    /// Reads what [`fmt::Display`] writes. What is no range is left out, and
    /// where nothing is left of something, no address is inside.
    pub fn from_stored(text: &str) -> Self {
        let ranges: Vec<IpNet> = text.split(' ').filter_map(|one| one.parse().ok()).collect();
        if ranges.is_empty() && !text.is_empty() {
            let nowhere = IpNet::from(IpAddr::from([0, 0, 0, 0]));
            return Self(vec![nowhere]);
        }
        Self(ranges)
    }

    /// Whether there is no limit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is inside one of the ranges.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|range| range.contains(&address))
    }

    /// Whether these admit `address`: it is inside, or there is no limit.
    pub fn admit(&self, address: IpAddr) -> bool {
        self.is_empty() || self.contain(address)
    }

    /// Whether every address that these admit is one that `wider` admits.
    pub fn are_within(&self, wider: &Self) -> bool {
        let inside = |range: &IpNet| wider.0.iter().any(|wide| wide.contains(range));
        wider.is_empty() || (!self.is_empty() && self.0.iter().all(inside))
    }

    /// The ranges as they are written.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }
}

/// Ranges separated by one space.
impl fmt::Display for AddressRanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written: Vec<String> = self.iter().collect();
        formatter.write_str(&written.join(" "))
    }
}

impl serde::Serialize for AddressRanges {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

fn parse_range(text: &str) -> Result<IpNet, Invalid> {
    let range = text.parse().or_else(|_| {
        text.parse()
            .map(|address: IpAddr| IpNet::from(address.to_canonical()))
    });
    let range: IpNet = range.map_err(|_| Invalid::AddressRange(text.chars().take(64).collect()))?;
    Ok(unmapped(range).trunc())
}

/// A range of IPv4 addresses that are written as IPv6 ones (RFC 4291, section
/// 2.5.5.2) as what it is.
fn unmapped(range: IpNet) -> IpNet {
    let mapped = match (
        range.addr().to_canonical(),
        range.prefix_len().checked_sub(96),
    ) {
        (IpAddr::V4(address), Some(prefix)) if range.addr().is_ipv6() => {
            IpNet::new(IpAddr::V4(address), prefix).ok()
        }
        _ => None,
    };
    mapped.unwrap_or(range)
}

/// The address from which a request comes: the peer's, or where the peer is a
/// trusted proxy, the last address that `forwarded` (the values of
/// `X-Forwarded-For`, in their order) names and no trusted proxy has.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    trusted_proxies: &AddressRanges,
) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in forwarded.rev().flat_map(|value| value.rsplit(',')) {
        if !trusted_proxies.contain(client) {
            break;
        }
        let hop = hop.trim();
        let with_port = || hop.parse().map(|address: SocketAddr| address.ip());
        let Ok(address) = hop.parse().or_else(|_| with_port()) else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// What failures are counted by: an IPv4 address, or the /64 of an IPv6 one,
/// which is what one subscriber gets.
pub fn address_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> AddressRanges {
        AddressRanges::parse(texts.iter().copied()).expect("ranges")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ranges_are_read_cut_and_written() {
        let read = ranges(&[
            "10.1.2.3/8",
            "192.0.2.7",
            "2001:db8::1/32",
            "::ffff:192.0.2.8",
            "::ffff:172.16.0.0/108",
        ]);
        assert_eq!(
            read.to_string(),
            "10.0.0.0/8 192.0.2.7/32 2001:db8::/32 192.0.2.8/32 172.16.0.0/12"
        );
        assert_eq!(AddressRanges::from_stored(&read.to_string()), read);
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "localhost",
            "10.0.0.0/8 ",
            "::/129",
        ] {
            let refused = AddressRanges::parse([wrong]);
            assert_eq!(refused, Err(Invalid::AddressRange(wrong.to_owned())));
        }
        let many = vec!["10.0.0.1"; 65];
        assert!(AddressRanges::parse(many[..64].iter().copied()).is_ok());
        assert_eq!(
            AddressRanges::parse(many),
            Err(Invalid::AddressRangesTooMany)
        );
    }

    #[test]
    fn what_cannot_be_read_back_leaves_nobody_in() {
        let broken = AddressRanges::from_stored("nonsense");
        assert!(!broken.admit(address("10.0.0.1")) && !broken.admit(address("::1")));
        assert!(AddressRanges::from_stored("").admit(address("10.0.0.1")));
    }

    #[test]
    fn ranges_hold_their_addresses_also_when_they_are_mapped() {
        let ten = ranges(&["10.0.0.0/8"]);
        assert!(ten.contain(address("10.255.0.1")) && ten.contain(address("::ffff:10.0.0.1")));
        assert!(!ten.contain(address("11.0.0.1")) && !ten.contain(address("2001:db8::1")));
    }

    #[test]
    fn narrower_ranges_are_within_wider_ones() {
        let (ten, one) = (
            ranges(&["10.0.0.0/8"]),
            ranges(&["10.1.0.0/16", "10.2.0.1"]),
        );
        let (everywhere, other) = (AddressRanges::default(), ranges(&["10.0.0.0/7"]));
        assert!(one.are_within(&ten) && ten.are_within(&ten) && ten.are_within(&everywhere));
        assert!(!ten.are_within(&one) && !other.are_within(&ten) && !everywhere.are_within(&ten));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxies = ranges(&["10.0.0.0/8"]);
        let client = |peer, forwarded: &[&str]| {
            client_address(address(peer), forwarded.iter().copied(), &proxies).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]),
            "198.51.100.7"
        );
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(client("10.0.0.1", &["198.51.100.7:5678"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", &["2001:db8::7"]), "2001:db8::7");
    }

    #[test]
    fn a_prefix_is_an_address_or_a_64() {
        assert_eq!(address_prefix(address("192.0.2.1")), address("192.0.2.1"));
        assert_eq!(
            address_prefix(address("2001:db8:1:2:3:4:5:6")),
            address("2001:db8:1:2::")
        );
    }
}
