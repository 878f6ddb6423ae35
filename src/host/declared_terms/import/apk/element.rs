//! A manifest as elements, whether it was compiled or is text.

use super::chunks::Value;

/// An attribute. Those of Android's own namespace are called `android:...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: Value,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Line of the source, from 1; compiled manifests keep it.
    pub(super) line: u32,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Element>,
}

/// Elements are nested at most so deeply; a manifest needs six.
pub(super) const DEEPEST: usize = 64;

/// The namespace of Android's own attributes.
pub(super) const ANDROID: &str = "http://schemas.android.com/apk/res/android";

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.value)
    }

    /// The elements below with one of these names, in order.
    pub(super) fn children<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| names.contains(&child.name.as_str()))
    }
}
