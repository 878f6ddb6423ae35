//! Where something was done, each place once, with how often: bounded, and cheap to add to.

use std::net::SocketAddr;

use super::limits::PLACES_PER_TUPLE;

/// A place that can be told from others without being put into words: most of what is counted was counted before.
pub(super) trait Place {
    /// Whether it is that one.
    fn is(&self, known: &KnownPlace) -> bool;
    /// What people read.
    fn text(&self) -> String;
    /// Of a peer: its address.
    fn remote(&self) -> Option<SocketAddr> {
        None
    }
}

impl Place for str {
    fn is(&self, known: &KnownPlace) -> bool {
        known.text == self
    }

    fn text(&self) -> String {
        self.to_owned()
    }
}

/// The other end of a connection. Where these are counted together, all of one address have the same names.
pub(super) struct Peer<'a> {
    pub(super) remote: SocketAddr,
    pub(super) names: &'a [String],
}

impl Peer<'_> {
    /// What stands behind the address, or nothing.
    pub(super) fn called(&self) -> String {
        if self.names.is_empty() { String::new() } else { format!(" ({})", self.names.join(" or ")) }
    }
}

impl Place for Peer<'_> {
    fn is(&self, known: &KnownPlace) -> bool {
        known.remote == Some(self.remote)
    }

    fn text(&self) -> String {
        format!("{}{}", self.remote, self.called())
    }

    fn remote(&self) -> Option<SocketAddr> {
        Some(self.remote)
    }
}

/// A place that was counted.
#[derive(Debug, Clone)]
pub(super) struct KnownPlace {
    remote: Option<SocketAddr>,
    text: String,
    count: u64,
}

/// The first places.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    known: Vec<KnownPlace>,
    /// There were others for which there was no room.
    pub(super) more: bool,
}

impl Places {
    pub(super) fn add<P: Place + ?Sized>(&mut self, place: &P) {
        if let Some(known) = self.known.iter_mut().find(|known| place.is(known)) {
            known.count = known.count.saturating_add(1);
        } else if self.known.len() < PLACES_PER_TUPLE {
            self.known.push(KnownPlace { remote: place.remote(), text: place.text(), count: 1 });
        } else {
            self.more = true;
        }
    }

    /// Each with how often, in the order in which they came up.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.known.iter().map(|known| (known.text.as_str(), known.count))
    }

    /// In the order of their texts.
    pub(super) fn sorted(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = self.iter().map(|(text, _)| text).collect();
        texts.sort_unstable();
        texts
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.iter().any(|(known, _)| known == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_counted_once_and_those_without_room_are_told() {
        let mut places = Places::default();
        let names = ["b.example".to_owned(), "a.example".to_owned()];
        let remote: SocketAddr = "192.0.2.1:443".parse().unwrap();
        for names in [&names[..], &[]] {
            places.add(&Peer { remote, names });
        }
        places.add("/sdcard/a");
        places.add("/sdcard/a");
        let expected = [("192.0.2.1:443 (b.example or a.example)", 2), ("/sdcard/a", 2)];
        assert_eq!(places.iter().collect::<Vec<_>>(), expected);
        assert_eq!(places.sorted(), ["/sdcard/a", "192.0.2.1:443 (b.example or a.example)"]);
        assert!(places.contains("/sdcard/a") && !places.more);
        for number in 0..PLACES_PER_TUPLE {
            places.add(number.to_string().as_str());
        }
        assert!(places.more);
        assert_eq!(places.iter().count(), PLACES_PER_TUPLE);
    }
}
