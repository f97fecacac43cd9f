//! The numbers of nodes: from the highest bit, one 0, 4 bits of role, 19 of stamp, 40 of the row's `seq`.
//!
//! A row's node is computed, not remembered: `seq` finds the row, which keeps it while it exists, and the stamp is a
//! digest of what the node stands for, so that a row whose content was written again gets another node. Directories
//! that are no rows have role 0 and a number of their own (see `places`).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use swamp_mount::NodeId;

use crate::catalog::{Leaf, Name};

const SEQ_BITS: u32 = 40;
const STAMP_BITS: u32 = 19;

/// What a node is of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// `data/…/{name}`: the directory of an artifact.
    Name,
    /// `data/…/{name}/{version}`: the directory of a version.
    Version,
    /// The content of a version, wherever it is shown: `raw`, and the files of both views.
    Content,
    /// The `metadata.yaml` of a version.
    Metadata,
    /// The `latest` of an artifact, as long as this version is the newest.
    Latest,
    /// `history/{model}/{name}`: the versions of an artifact.
    History,
    /// `.swamp/meta/{namespace}/{model}/{name}`: what is known of the versions of an artifact.
    Described,
    /// What the catalog says of a version.
    Attributes,
}

impl Role {
    const ALL: [Self; 8] = [
        Self::Name,
        Self::Version,
        Self::Content,
        Self::Metadata,
        Self::Latest,
        Self::History,
        Self::Described,
        Self::Attributes,
    ];

    fn number(self) -> u64 {
        match self {
            Self::Name => 1,
            Self::Version => 2,
            Self::Content => 3,
            Self::Metadata => 4,
            Self::Latest => 5,
            Self::History => 6,
            Self::Described => 7,
            Self::Attributes => 8,
        }
    }
}

/// A node taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A directory that is no row, or a report.
    Place(u64),
    /// Something of a row.
    Row { role: Role, seq: u64, stamp: u64 },
}

/// Takes a node apart, `None` if there never was such a node.
pub(super) fn decode(node: NodeId) -> Option<Decoded> {
    let low = |bits: u32| (1_u64 << bits) - 1;
    let (role, seq) = (node.0 >> (SEQ_BITS + STAMP_BITS), node.0 & low(SEQ_BITS));
    if role == 0 {
        return Some(Decoded::Place(node.0));
    }
    let role = Role::ALL.into_iter().find(|known| known.number() == role)?;
    Some(Decoded::Row { role, seq, stamp: (node.0 >> SEQ_BITS) & low(STAMP_BITS) })
}

fn encode(role: Role, stamp: u64, seq: u64) -> Option<NodeId> {
    if seq >> SEQ_BITS != 0 {
        return None;
    }
    Some(NodeId(role.number() << (SEQ_BITS + STAMP_BITS) | stamp << SEQ_BITS | seq))
}

/// Returns the node of a version; `None` if the catalog has counted further than numbers reach.
pub(super) fn of_leaf(role: Role, leaf: &Leaf) -> Option<NodeId> {
    encode(role, stamp(role, leaf), leaf.seq)
}

/// Returns the node of an artifact, for which the version at `seq` stands.
pub(super) fn of_name(role: Role, namespace: &str, name: &Name, seq: u64) -> Option<NodeId> {
    encode(role, name_stamp(namespace, name), seq)
}

/// Returns the stamp that the node of a row has.
pub(super) fn stamp(role: Role, leaf: &Leaf) -> u64 {
    match role {
        Role::Name | Role::History | Role::Described => name_stamp(&leaf.namespace, &leaf.name),
        // Attributes are made anew whenever they are read, so that they stay the same file.
        Role::Version | Role::Attributes => digest(|hasher| (&leaf.namespace, &leaf.name, leaf.version).hash(hasher)),
        Role::Content | Role::Metadata | Role::Latest => digest(|hasher| {
            (&leaf.namespace, &leaf.name, leaf.version).hash(hasher);
            (&leaf.id, leaf.size, leaf.created_at, leaf.streaming, &leaf.content_type).hash(hasher);
            if role == Role::Metadata {
                (&leaf.model_name, leaf.digest).hash(hasher);
            }
        }),
    }
}

fn name_stamp(namespace: &str, name: &Name) -> u64 {
    digest(|hasher| (namespace, name).hash(hasher))
}

/// Hashes without a random key: a node is the same after the next mount.
fn digest(hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(&mut hasher);
    hasher.finish() >> (u64::BITS - STAMP_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_taken_apart_as_they_were_put_together() {
        let highest = (1 << SEQ_BITS) - 1;
        for role in Role::ALL {
            for (stamp, seq) in [(0, 1), ((1 << STAMP_BITS) - 1, highest)] {
                let node = encode(role, stamp, seq).expect("in range");

                assert_eq!(decode(node), Some(Decoded::Row { role, seq, stamp }));
                assert!(node.0 < NodeId::END);
            }
        }
    }

    #[test]
    fn numbers_beyond_the_range_have_no_node() {
        assert_eq!(encode(Role::Content, 0, 1 << SEQ_BITS), None);
        assert_eq!(decode(NodeId(15 << (SEQ_BITS + STAMP_BITS))), None);
    }
}
