//! What a key may do: the permissions by name, and sets of them.

use std::fmt;
use std::str::FromStr;

use crate::invalid::Invalid;

/// Declares the permissions once: variant and written name.
macro_rules! permissions {
    ($($variant:ident = $name:literal,)+) => {
        /// One thing that a key may do, written `verb:Noun`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each name says what its variant allows")]
        pub enum Permission { $($variant,)+ }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The exact written form.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl FromStr for Permission {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(Invalid::PermissionUnknown(text.chars().take(64).collect())),
                }
            }
        }
    };
}

permissions! {
    CreateContacts = "create:Contacts",
    ReadContacts = "read:Contacts",
    UpdateContacts = "update:Contacts",
    DeleteContacts = "delete:Contacts",
    CreateGroups = "create:Groups",
    ReadGroups = "read:Groups",
    UpdateGroups = "update:Groups",
    DeleteGroups = "delete:Groups",
    CreateOptouts = "create:Optouts",
    ReadOptouts = "read:Optouts",
    DeleteOptouts = "delete:Optouts",
    CreateApiKeys = "create:ApiKeys",
    ReadApiKeys = "read:ApiKeys",
    UpdateApiKeys = "update:ApiKeys",
    DeleteApiKeys = "delete:ApiKeys",
    ReadAudit = "read:Audit",
    ReadMetrics = "read:Metrics",
    CreateBackups = "create:Backups",
    ReadBackups = "read:Backups",
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What keys are usually for, by the permissions that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// To look recipients up.
    Sender,
    /// To bring contacts, groups and opt-outs in.
    Importer,
    /// To read everything.
    Reader,
}

impl Role {
    /// Its permissions, in the order of [`Permission::ALL`].
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(move |permission| {
            let (verb, noun) = permission.as_str().split_once(':').unwrap_or_default();
            match (self, noun) {
                (Self::Admin, _) => true,
                (Self::Sender, "Contacts" | "Groups" | "Optouts") => verb == "read",
                (Self::Importer, "Contacts" | "Groups" | "Optouts") => verb != "delete",
                (Self::Sender | Self::Importer, _) => false,
                (Self::Reader, _) => verb == "read",
            }
        })
    }
}

/// The permissions of a key, each once; a new key has at least one.
///
/// Written as names separated by one space, the `scope` of RFC 6749, in the
/// order of [`Permission::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// Every permission there is.
    pub fn all() -> Self {
        Self(Permission::ALL.iter().fold(0, |bits, &one| bits | bit(one)))
    }

    /// Collects permissions.
    ///
    /// # Errors
    /// `PermissionsMissing` where there is none.
    pub fn of(permissions: &[Permission]) -> Result<Self, Invalid> {
        let bits = permissions.iter().fold(0, |bits, &one| bits | bit(one));
        if bits == 0 {
            return Err(Invalid::PermissionsMissing);
        }
        Ok(Self(bits))
    }

    /// Reads what the store keeps. A name of another version gives nothing, and a
    /// set that was narrowed to nothing stays empty.
    pub fn from_stored(names: &str) -> Self {
        let known = names.split(' ').filter_map(|name| name.parse().ok());
        Self(known.fold(0, |bits, one| bits | bit(one)))
    }

    /// Whether `permission` is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// The permissions in their order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |&one| self.contains(one))
    }
}

fn bit(permission: Permission) -> u32 {
    1 << permission as u32
}

impl serde::Serialize for PermissionSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::as_str))
    }
}

impl fmt::Display for PermissionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, permission) in self.iter().enumerate() {
            let separator = if position > 0 { " " } else { "" };
            write!(formatter, "{separator}{permission}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_exact_strings_and_a_set_writes_them_in_order() {
        assert_eq!(Permission::ALL.len(), 19);
        for &permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
        for unknown in ["create:contacts", "*", "create:*", "", "create:Contacts "] {
            assert!(unknown.parse::<Permission>().is_err(), "{unknown:?}");
        }
        let set =
            PermissionSet::of(&[Permission::ReadAudit, Permission::CreateContacts]).expect("two");
        assert_eq!(set.to_string(), "create:Contacts read:Audit");
        assert_eq!(
            PermissionSet::from_stored("create:Contacts read:Audit"),
            set
        );
        let newer = PermissionSet::from_stored("create:Contacts fly:Rockets read:Audit");
        assert_eq!(newer, set, "a newer version's name gives nothing");
        assert_eq!(PermissionSet::from_stored("").iter().count(), 0);
        assert_eq!(PermissionSet::of(&[]), Err(Invalid::PermissionsMissing));
        assert_eq!(PermissionSet::all().iter().count(), 19);
    }
}
