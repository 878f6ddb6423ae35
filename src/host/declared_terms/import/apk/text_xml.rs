//! A manifest as developers write it, to elements.

use roxmltree::{Document, Node, ParsingOptions};

use super::chunks::Value;
use super::element::{ANDROID, Attribute, DEEPEST, Element};

/// Why a manifest in text cannot be read: the line, from 1, and what is wrong there.
pub(super) type TextDamage = (u32, String);

/// At most so many elements, attributes and texts.
const MOST_NODES: u32 = 200_000;

/// Reads the manifest. No external entity is read, and a document type is refused.
pub(super) fn read(text: &str) -> Result<Element, TextDamage> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| (error.pos().row, error.to_string()))?;
    element(&document, document.root_element(), 1)
}

fn element(document: &Document<'_>, node: Node<'_, '_>, depth: usize) -> Result<Element, TextDamage> {
    let line = document.text_pos_at(node.range().start).row;
    if depth > DEEPEST {
        return Err((line, format!("elements are nested more than {DEEPEST} deep")));
    }
    let attributes = node.attributes().map(|attribute| {
        let prefix = match attribute.namespace() {
            None => "",
            Some(ANDROID) => "android:",
            Some(_) => "other:",
        };
        Attribute { name: format!("{prefix}{}", attribute.name()), value: value(attribute.value()) }
    });
    let children = node.children().filter(Node::is_element).map(|child| element(document, child, depth + 1));
    Ok(Element {
        name: node.tag_name().name().to_owned(),
        line,
        attributes: attributes.collect(),
        children: children.collect::<Result<_, _>>()?,
    })
}

/// What a compiler would make of it, as far as no resources are needed.
fn value(text: &str) -> Value {
    let text = text.trim();
    match text {
        "true" => return Value::Truth(true),
        "false" => return Value::Truth(false),
        _ => {}
    }
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.map_or_else(|| Value::Text(text.to_owned()), Value::Number)
}
