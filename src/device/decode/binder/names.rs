//! What was learnt about the platform: its API level, the methods of its interfaces, and which node is which service.
//!
//! All of it comes from records: those that the platform probe makes, and replies that hand a service or a provider to the
//! app. Bounded, because an app can ask for as many as it likes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::event::MethodSource;

/// More interfaces, methods of one, or nodes than this are no device.
const MOST_INTERFACES: usize = 4096;
const MOST_METHODS: usize = 4096;
const MOST_NODES: usize = 16_384;
/// Authorities of one node.
const MOST_AUTHORITIES: usize = 64;

/// The API level, when it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ApiLevel(Option<u32>);

impl ApiLevel {
    /// From a record; 0 is not known.
    pub(crate) fn new(level: u32) -> Self {
        Self((level != 0).then_some(level))
    }

    pub(crate) fn number(self) -> Option<u32> {
        self.0
    }

    /// Whether it is known to be at least this.
    pub(crate) fn at_least(self, level: u32) -> bool {
        self.0.is_some_and(|known| known >= level)
    }
}

/// The methods of one interface.
#[derive(Debug, Clone)]
pub(crate) struct MethodTable {
    pub(crate) source: MethodSource,
    pub(crate) origin: Arc<str>,
    methods: HashMap<u32, Arc<str>>,
}

impl MethodTable {
    pub(crate) fn method(&self, code: u32) -> Option<&str> {
        self.methods.get(&code).map(|name| &**name)
    }
}

/// What a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeName {
    pub(crate) service: Option<String>,
    /// One provider can serve several authorities.
    pub(crate) authorities: BTreeSet<String>,
}

/// What was learnt.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) api: ApiLevel,
    tables: HashMap<String, MethodTable>,
    nodes: HashMap<u64, NodeName>,
    /// What there was no room for.
    pub(crate) refused: u64,
}

impl Names {
    /// The methods of an interface. Several records of one interface and origin add up; another origin replaces.
    pub(crate) fn learn_methods(
        &mut self,
        interface: String,
        source: MethodSource,
        origin: &str,
        methods: impl Iterator<Item = (u32, String)>,
    ) {
        if self.tables.len() >= MOST_INTERFACES && !self.tables.contains_key(&interface) {
            self.refused += 1;
            return;
        }
        let fresh = || MethodTable { source, origin: Arc::from(origin), methods: HashMap::new() };
        let table = self.tables.entry(interface).or_insert_with(fresh);
        if (table.source, &*table.origin) != (source, origin) {
            *table = fresh();
        }
        for (code, name) in methods {
            if table.methods.len() >= MOST_METHODS {
                self.refused += 1;
                return;
            }
            table.methods.insert(code, Arc::from(name));
        }
    }

    pub(crate) fn table(&self, interface: &str) -> Option<&MethodTable> {
        self.tables.get(interface)
    }

    pub(crate) fn learn_service(&mut self, node: u64, name: String) {
        if let Some(known) = self.node_mut(node) {
            known.service = Some(name);
        }
    }

    pub(crate) fn learn_authority(&mut self, node: u64, authority: String) {
        if let Some(known) = self.node_mut(node)
            && known.authorities.len() < MOST_AUTHORITIES
        {
            known.authorities.insert(authority);
        }
    }

    pub(crate) fn node(&self, node: u64) -> Option<&NodeName> {
        self.nodes.get(&node)
    }

    fn node_mut(&mut self, node: u64) -> Option<&mut NodeName> {
        if node == 0 || (self.nodes.len() >= MOST_NODES && !self.nodes.contains_key(&node)) {
            self.refused += 1;
            return None;
        }
        Some(self.nodes.entry(node).or_default())
    }
}
